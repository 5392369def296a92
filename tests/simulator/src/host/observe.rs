//! One round over all servers: those that take writes are read after the others, and again last of all.

use super::Host;
use crate::change;
use crate::facts;
use crate::server::Time;
use crate::world::World;
use model::decision::{Body, MysqlServer};
use model::snapshot::{MysqlFacts, Unreachable};
use model::{Decision, Observation};
use std::collections::BTreeMap;

/// How long a server is waited for that did not answer the last time, in milliseconds.
const SHORT: Time = 300;
/// How long one that did.
const LONG: Time = 2_000;

impl Host {
    /// Asks every server that is known, in one round. Whatever happens meanwhile happens.
    pub(super) fn observe(&mut self, world: &mut World) -> BTreeMap<String, Observation> {
        let mut seen = BTreeMap::new();
        let decided = self.decided.clone();
        self.round(world, &mut seen, servers(&decided).collect());
        seen
    }

    /// Asks the servers that were not asked yet in this pass. Returns whether there were any.
    pub(super) fn ask_new(&mut self, world: &mut World, seen: &mut BTreeMap<String, Observation>) -> bool {
        let decided = self.decided.clone();
        let new: Vec<_> = servers(&decided).filter(|(id, _)| !seen.contains_key(*id)).collect();
        let any = !new.is_empty();
        self.round(world, seen, new);
        any
    }

    fn round(
        &mut self,
        world: &mut World,
        seen: &mut BTreeMap<String, Observation>,
        mut order: Vec<(&str, &MysqlServer)>,
    ) {
        for at in (1..order.len()).rev() {
            let other = world.fleet.below(at + 1);
            order.swap(at, other);
        }
        let mut waited = 0;
        let mut writable = Vec::new();
        for (id, wanted) in order {
            moment(world);
            let answer = ask(world, wanted);
            if let Ok(facts) = &answer
                && !facts.super_read_only
            {
                writable.push((id, wanted));
            }
            waited = waited.max(self.keep(world, seen, id, wanted, answer));
        }
        if waited > 0 {
            let events = 3 + waited as usize / 100;
            world.pass(waited, events);
        }
        for (id, wanted) in writable {
            moment(world);
            let answer = ask(world, wanted);
            self.keep(world, seen, id, wanted, answer);
        }
    }

    /// Notes an answer, or that there was none. Returns how long was waited for it.
    fn keep(
        &mut self,
        world: &World,
        seen: &mut BTreeMap<String, Observation>,
        id: &str,
        wanted: &MysqlServer,
        answer: Result<Box<MysqlFacts>, &'static str>,
    ) -> Time {
        match answer {
            Ok(facts) => {
                self.silent.remove(id);
                let server = world.fleet.at(&wanted.host).and_then(|index| world.fleet.servers.get(index));
                let (settled, facts) = match server {
                    Some(server) => {
                        let seen = change::seen(server, wanted, *facts);
                        let settled = model::mysql::plan(wanted, &seen).is_ok_and(|course| course.settled());
                        (settled, Box::new(seen.facts))
                    }
                    None => (false, facts),
                };
                if settled {
                    self.ready.insert(id.to_owned())
                } else {
                    self.ready.remove(id)
                };
                seen.insert(id.to_owned(), Observation::Mysql(facts));
                0
            }
            Err(reason) => {
                self.ready.remove(id);
                let known = self.silent.get(id).filter(|(host, _, before)| *host == wanted.host && *before == reason);
                let (since, wait) = match known {
                    Some((_, since, _)) => (*since, SHORT),
                    None => (world.fleet.now, LONG),
                };
                self.silent.insert(id.to_owned(), (wanted.host.clone(), since, reason));
                seen.insert(id.to_owned(), Observation::Unreachable(Unreachable { since, reason: reason.into() }));
                if reason == "Timeout" { wait } else { 0 }
            }
        }
    }
}

/// The servers of a decision, with the ids of their items.
fn servers(decision: &Decision) -> impl Iterator<Item = (&str, &MysqlServer)> {
    decision.items.iter().filter_map(|item| match &item.body {
        Body::Mysql(server) => Some((item.id.as_str(), &**server)),
        Body::Kubernetes(_) | Body::Secret(_) | Body::Azure(_) | Body::Vault(_) => None,
    })
}

fn moment(world: &mut World) {
    let (time, events) = (1 + world.fleet.below(15) as Time, world.fleet.below(4));
    world.fleet.pass(time, events);
}

fn ask(world: &mut World, wanted: &MysqlServer) -> Result<Box<MysqlFacts>, &'static str> {
    let index = world.fleet.at(&wanted.host);
    if let Some(reason) = facts::silence(&world.fleet, index) {
        return Err(reason);
    }
    let Some(index) = index else { return Err("Timeout") };
    let slow = world.fleet.servers.get(index).is_some_and(|server| server.slow);
    if (slow && world.fleet.chance(20)) || (world.fleet.loss > 0 && world.fleet.chance(world.fleet.loss / 4)) {
        return Err("Timeout");
    }
    let known = |account: &str| world.fleet.servers.get(index).is_some_and(|server| server.accounts.contains(account));
    // Root's password is set at each start from the mounted Secret.
    if !wanted.user.secret.ends_with("-root") && !known(&wanted.user.secret) {
        return Err("AccessDenied");
    }
    let image = world.cluster.pods.get(&index).map(|pod| pod.image()).unwrap_or_default();
    let mut facts = facts::facts(&world.fleet, index, world.ids, &facts::version(image)).ok_or("Timeout")?;
    // Accounts are looked at where they are wanted, and named by their Secrets.
    facts.accounts.retain(|account| wanted.accounts.iter().any(|wanted| wanted.user.secret == *account));
    Ok(Box::new(facts))
}

/// Looks at one server again, right before something is done to it.
pub(super) fn look_again(world: &mut World, wanted: &MysqlServer) -> Option<(usize, MysqlFacts)> {
    let index = world.fleet.at(&wanted.host)?;
    Some((index, *ask(world, wanted).ok()?))
}
