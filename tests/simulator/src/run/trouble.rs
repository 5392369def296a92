//! Trouble: what goes wrong in a run, and what users do meanwhile. In: chance. Out: servers that die, hang, lose their
//! data or each other; hosts that are killed or see old views; pods that are deleted; wishes that change.
//!
//! Nothing is done that nobody could survive: data directories are lost only while what they held is still on as many
//! others as the cluster promises, and no second one before the first is back.

use crate::host::Host;
use crate::server::Process;
use crate::world::{Chaos, World};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::collections::BTreeSet;

/// What is going on.
pub struct Trouble {
    chance: StdRng,
    second_host: bool,
    /// Servers whose data was lost and is not back yet.
    wiped: BTreeSet<usize>,
    /// Things that end by themselves: the step, and what.
    ends: Vec<(usize, End)>,
    at: usize,
    /// How often something happens: once in so many steps.
    rare: u32,
    kinds: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Wake(usize),
    Join(usize, usize),
    See(usize),
    Quiet,
    Room(usize),
    Fast(usize),
    Back(usize),
    Fresh,
}

/// Kinds of trouble.
const KINDS: u32 = 19;

impl Trouble {
    /// For a run.
    pub fn new(seed: u64, second_host: bool) -> Self {
        let mut chance = StdRng::seed_from_u64(seed ^ 0x7e0b1e);
        // Each run has its own few kinds, so that some come often and together.
        let count = chance.random_range(2..8);
        let kinds = (0..count).map(|_| chance.random_range(0..KINDS)).collect();
        let rare = chance.random_range(3..25);
        Trouble { chance, second_host, wiped: BTreeSet::new(), ends: Vec::new(), at: 0, rare, kinds }
    }

    /// Before a step.
    pub fn step(&mut self, world: &mut World, hosts: &mut Vec<Host>) {
        self.at += 1;
        let due: Vec<End> = self.ends.extract_if(.., |(at, _)| *at <= self.at).map(|(_, end)| end).collect();
        due.into_iter().for_each(|end| finish(end, world, hosts));
        let primary = world.primary();
        self.wiped.retain(|index| {
            let follows = |index: usize| primary.is_some_and(|primary| world.fleet.attached(primary).contains(&index));
            !(follows(*index) && world.fleet.servers.get(*index).is_some_and(|server| !server.executed().is_empty()))
        });
        if self.chance.random_range(0..self.rare) == 0 {
            let pick = self.chance.random_range(0..self.kinds.len().max(1));
            let kind = self.kinds.get(pick).copied().unwrap_or_default();
            self.cause(kind, world, hosts);
            // Trouble seldom comes alone.
            if self.chance.random_range(0..4) == 0 {
                let kind = self.chance.random_range(0..KINDS);
                self.cause(kind, world, hosts);
            }
        }
    }

    fn later(&mut self, end: End) {
        let steps = self.chance.random_range(2..40);
        self.ends.push((self.at + steps, end));
    }

    /// Any server; the primary half of the time.
    fn victim(&mut self, world: &World) -> usize {
        let any = self.chance.random_range(0..world.fleet.servers.len().max(1));
        if self.chance.random_range(0..2) == 0 { world.primary().unwrap_or(any) } else { any }
    }

    fn cause(&mut self, kind: u32, world: &mut World, hosts: &mut Vec<Host>) {
        let victim = self.victim(world);
        let count = world.fleet.servers.len();
        let what = match kind {
            0 | 1 => {
                world.fleet.server(victim).stop();
                format!("server {victim} dies")
            }
            2 => {
                let server = world.fleet.server(victim);
                if !server.is_up() {
                    return;
                }
                server.process = Process::Hung;
                self.later(End::Wake(victim));
                format!("server {victim} hangs")
            }
            3 => {
                for other in (0..count).filter(|other| *other != victim) {
                    world.fleet.cut.insert((victim.min(other), victim.max(other)));
                    self.later(End::Join(victim, other));
                }
                format!("server {victim} is parted from the others")
            }
            4 => {
                let other = self.chance.random_range(0..count.max(1));
                world.fleet.cut.insert((victim.min(other), victim.max(other)));
                self.later(End::Join(victim, other));
                format!("servers {victim} and {other} are parted")
            }
            5 => {
                world.fleet.unseen.insert(victim);
                self.later(End::See(victim));
                format!("hosts cannot reach server {victim}")
            }
            6 => {
                for other in (0..count).filter(|other| *other != victim) {
                    world.fleet.cut.insert((victim.min(other), victim.max(other)));
                    self.later(End::Join(victim, other));
                }
                world.fleet.unseen.insert(victim);
                self.later(End::See(victim));
                format!("server {victim} is parted from everything but clients")
            }
            7 => {
                world.fleet.loss = self.chance.random_range(10..60);
                self.later(End::Quiet);
                format!("of 100 messages {} are lost", world.fleet.loss)
            }
            8 => {
                world.fleet.server(victim).disk_full = true;
                self.later(End::Room(victim));
                format!("the disk of server {victim} is full")
            }
            9 => {
                world.fleet.server(victim).slow = true;
                self.later(End::Fast(victim));
                format!("server {victim} is slow")
            }
            10 => {
                world.chaos = Chaos {
                    crash: self.chance.random_range(0..15),
                    lost_answer: self.chance.random_range(0..15),
                    api: self.chance.random_range(0..30),
                    server: self.chance.random_range(0..4),
                };
                self.later(End::Quiet);
                format!("hosts get into trouble: {:?}", world.chaos)
            }
            11 => {
                let at = world.fleet.now + self.chance.random_range(100..15_000);
                hosts.iter_mut().for_each(|host| host.restart(at));
                "hosts are down for a while".into()
            }
            12 => {
                if !self.second_host || hosts.len() > 1 {
                    return;
                }
                let mut second = Host::default();
                second.freeze(world);
                hosts.push(second);
                self.later(End::Fresh);
                "a second host sees the resource as it is now".into()
            }
            13 => {
                let gone = world.fleet.now + self.chance.random_range(100..5_000);
                world.cluster.delete_pod(victim, gone);
                format!("the pod of server {victim} is deleted")
            }
            14 => {
                world.cluster.missing.insert(victim);
                let gone = world.fleet.now + 1;
                world.cluster.delete_pod(victim, gone);
                self.later(End::Back(victim));
                format!("the node of server {victim} is gone")
            }
            15 => return self.wipe(victim, world),
            16 => {
                for index in 0..count {
                    world.fleet.server(index).stop();
                }
                "all servers die".into()
            }
            17 => {
                if !self.second_host || hosts.len() > 1 {
                    return;
                }
                let late = self.chance.random_range(500..15_000);
                hosts.push(Host::late(late));
                self.later(End::Fresh);
                format!("a second host sees the resource {late} ms late")
            }
            _ => return self.wish(victim, world),
        };
        world.note(|_| format!("TROUBLE: {what}"));
    }

    /// A data directory is lost, if that can be survived.
    fn wipe(&mut self, victim: usize, world: &mut World) {
        let Some(primary) = world.primary() else { return };
        let Some(server) = world.fleet.servers.get(primary) else { return };
        let wanted = world.cluster.spec.get("replicas").and_then(serde_json::Value::as_u64).unwrap_or_default();
        // Only in a cluster that keeps its promise right now, and no second one before the first is back.
        let keeps = server.is_up() && !server.read_only && server.semi.source;
        let full = world.fleet.attached(primary).len() as u64 + 1 == wanted && wanted > 1;
        let whole = world.cluster.status.pointer("/operation").is_none_or(serde_json::Value::is_null);
        if !keeps || !full || !whole || !self.wiped.is_empty() || victim as u64 >= wanted || !kept_elsewhere(world) {
            return;
        }
        let uuid = world.fleet.uuid();
        let purge = self.chance.random_range(0..2) == 0;
        world.fleet.server(victim).wipe(uuid);
        self.wiped.insert(victim);
        if purge && victim != primary {
            world.fleet.server(primary).purge();
        }
        world.note(|_| format!("TROUBLE: server {victim} loses its data"));
    }

    /// A user wants something.
    fn wish(&mut self, victim: usize, world: &mut World) {
        match self.chance.random_range(0..5) {
            0 | 1 => {
                // Scaling takes copies away; one thing at a time.
                if self.wiped.is_empty() {
                    let replicas = self.chance.random_range(1..6);
                    world.cluster.change("replicas", json!(replicas));
                    world.note(|_| format!("WISH: {replicas} servers"));
                }
            }
            2 => {
                let pod = format!("{}-{victim}", crate::cluster::NAME);
                world.cluster.annotate("database.example.com/switchover", Some(&pod));
                world.note(|_| format!("WISH: switch over to {pod}"));
            }
            3 => {
                world.fleet.server(victim).purge();
                world.note(|_| format!("WISH: binary logs of server {victim} are purged"));
            }
            _ => {
                let connections = self.chance.random_range(100..200);
                world.cluster.change("config", json!({ "max_connections": connections }));
                world.note(|_| "WISH: another configuration".into());
            }
        }
    }

    /// All trouble ends.
    pub fn end(&mut self, world: &mut World, hosts: &mut Vec<Host>) {
        for (_, end) in std::mem::take(&mut self.ends) {
            finish(end, world, hosts);
        }
        world.fleet.cut.clear();
        world.fleet.unseen.clear();
        world.chaos = Chaos::default();
    }
}

/// Every other server that counts has all that the primary has committed. A primary commits when it starts what nobody
/// acknowledged before, and a replica that has just come back is attached long before it has it.
fn kept_elsewhere(world: &World) -> bool {
    let Some(primary) = world.primary() else { return false };
    let Some(all) = world.fleet.servers.get(primary).map(|server| server.executed()) else { return false };
    let attached = world.fleet.attached(primary);
    let has = |index: &u64| {
        let index = usize::try_from(*index).unwrap_or(usize::MAX);
        let has_all = |server: &crate::server::Server| all.within(&server.owned());
        index == primary || (attached.contains(&index) && world.fleet.servers.get(index).is_some_and(has_all))
    };
    let acks =
        |field: &str| world.cluster.status.pointer(field).and_then(serde_json::Value::as_u64).unwrap_or_default();
    // As long as less is promised than wanted, nobody can know from the others what was acknowledged.
    if acks("/durability/acks") == 0 || acks("/durability/acks") != acks("/durability/target") {
        return false;
    }
    let members = world.cluster.status.pointer("/durability/members").and_then(serde_json::Value::as_array);
    members.is_some_and(|members| members.iter().filter_map(serde_json::Value::as_u64).all(|index| has(&index)))
}

fn finish(end: End, world: &mut World, hosts: &mut Vec<Host>) {
    world.note(|_| format!("ends: {end:?}"));
    match end {
        End::Wake(index) => {
            let server = world.fleet.server(index);
            if server.process == Process::Hung {
                server.process = Process::Up;
            }
        }
        End::Join(one, two) => {
            world.fleet.cut.remove(&(one.min(two), one.max(two)));
        }
        End::See(index) => {
            world.fleet.unseen.remove(&index);
        }
        End::Quiet => {
            world.fleet.loss = 0;
            world.chaos = Chaos::default();
        }
        End::Room(index) => world.fleet.server(index).free_disk(),
        End::Fast(index) => world.fleet.server(index).slow = false,
        End::Back(index) => {
            world.cluster.missing.remove(&index);
        }
        End::Fresh => hosts.truncate(1),
    }
}
