//! A host on a simulated cluster: observe, decide, act, report, with everything between two of its steps that the world
//! has in store. In: the world and who decides. Out: the world, changed. It remembers what a host remembers, which is
//! nothing that a correct result depends on, and forgets it when it is killed.

mod observe;

use crate::brain::Brain;
use crate::change;
use crate::server::Time;
use crate::world::{World, ordinal};
use model::decision::{Body, Item, MysqlServer, ReadyWhen, UpdatePolicy};
use model::description::RelatedQuery;
use model::mysql as planner;
use model::snapshot::Json;
use model::{Decision, Fault, Observation, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How often a pass asks again because the plugin wants to see more.
const MOST_ROUNDS: usize = 5;
/// When a pass follows one that failed, in milliseconds.
const RETRY: Time = 500;

/// One host.
#[derive(Default)]
pub struct Host {
    /// When it passes next.
    pub next: Time,
    /// What it sees of the resource is of a moment ago: an old version, and the document.
    pub stale: Option<(u64, Json)>,
    /// What it sees of the resource is always so many milliseconds old.
    late: Option<Time>,
    /// What was decided last: its servers are the ones that are asked.
    decided: Rc<Decision>,
    /// The primary that a version of the resource names.
    named: Option<(u64, Option<usize>)>,
    silent: BTreeMap<String, (String, Time, &'static str)>,
    needs: Vec<RelatedQuery>,
    errors: BTreeMap<String, String>,
    /// Servers that were as desired when they were asked.
    ready: BTreeSet<String>,
    /// What the last decision said of conditions: type, whether it holds, reason and message.
    pub said: Vec<(String, bool, String, String)>,
    /// Fault of the last pass, where the plugin gave no decision.
    pub fault: Option<Fault>,
    /// The last pass changed nothing and wrote nothing.
    pub idle: bool,
}

/// The host was killed.
struct Killed;

impl Host {
    /// One that always sees the resource as it was so many milliseconds ago.
    pub fn late(by: Time) -> Self {
        Host { late: Some(by), ..Host::default() }
    }

    /// Killed and started again: nothing is remembered.
    pub fn restart(&mut self, at: Time) {
        *self = Host { next: at, late: self.late, ..Host::default() };
    }

    /// From now on it sees the resource as it is at this moment, until it is made fresh.
    pub fn freeze(&mut self, world: &mut World) {
        self.stale = Some((world.cluster.version, world.cluster.resource()));
    }

    /// Whether a condition holds.
    pub fn holds(&self, type_: &str) -> bool {
        self.said.iter().any(|(name, holds, ..)| name == type_ && *holds)
    }

    /// One pass.
    pub fn pass(&mut self, world: &mut World, brain: &mut dyn Brain) {
        self.next = world.fleet.now + RETRY;
        if self.try_pass(world, brain).is_err() {
            world.note(|_| "the host is killed".into());
            let at = world.fleet.now + 200 + world.fleet.below(3_000) as Time;
            self.restart(at);
        }
    }

    fn try_pass(&mut self, world: &mut World, brain: &mut dyn Brain) -> Result<(), Killed> {
        let (version, resource) = match (&self.stale, self.late) {
            (Some(stale), _) => stale.clone(),
            (None, Some(late)) => world.cluster.as_of(world.fleet.now.saturating_sub(late)),
            (None, None) => (world.cluster.version, world.cluster.resource()),
        };
        self.idle = false;
        let named = match self.named {
            Some((of, named)) if of == version => named,
            _ => named_primary(&resource),
        };
        self.named = Some((version, named));
        let mut seen = self.observe(world);
        let mut rounds = 0;
        let decision = loop {
            rounds += 1;
            let snapshot = self.snapshot(world, &resource, &seen);
            match brain.decide(&snapshot) {
                Ok(decision) => {
                    let decision = Rc::new(decision);
                    self.remember(decision.clone());
                    // As for `needs`: the plugin is asked again within the same pass.
                    if rounds < MOST_ROUNDS && self.ask_new(world, &mut seen) {
                        continue;
                    }
                    break decision;
                }
                Err(Fault::Needs(queries)) if rounds < MOST_ROUNDS => self.needs = queries,
                Err(fault) => {
                    if matches!(fault, Fault::Broken(_) | Fault::Invalid(_) | Fault::Needs(_)) {
                        world.fail(format!("the plugin gave no decision: {fault:?}"));
                    }
                    self.fault = Some(fault);
                    return Ok(());
                }
            }
        };
        self.fault = None;
        world.note(|_| format!("decided: {}", outline(&decision)));
        let acted = self.act(world, &decision, &seen, (version, named))?;
        let before = world.primary();
        let written = self.report(world, &decision, version)?;
        if world.primary() != before
            && let Some(primary) = world.primary()
        {
            world.note(|world| format!("the status names {primary}; {}", world.summary()));
            world.check_committed(primary);
        }
        self.idle = !acted && !written;
        let soonest = world.fleet.now + 50;
        self.next = decision.wake.unwrap_or(world.fleet.now + 1_000).max(soonest);
        Ok(())
    }

    fn snapshot(&self, world: &mut World, resource: &Json, seen: &BTreeMap<String, Observation>) -> Snapshot {
        let mut items = Vec::new();
        let mut push = |id: &str, state: Observation, ready: bool| {
            items.push(model::ObservedItem {
                id: id.into(),
                state,
                ready,
                ready_since: 0,
                last_error: self.errors.get(id).cloned(),
                deleting: false,
            });
        };
        for (id, stored) in &world.cluster.objects {
            push(id, Observation::Kubernetes(stored.json.clone()), stored.ready);
        }
        for (id, secret) in &world.cluster.secrets {
            push(id, Observation::Secret(secret.clone()), true);
        }
        for (id, state) in seen {
            push(id, state.clone(), self.ready.contains(id));
        }
        let related = self.needs.iter().map(|query| model::snapshot::RelatedAnswer {
            name: query.name.clone(),
            complete: true,
            reason: None,
            objects: if query.kind.kind == "Pod" {
                world.cluster.pods.values_mut().map(crate::cluster::Pod::json).collect()
            } else {
                Vec::new()
            },
        });
        Snapshot {
            resource: resource.clone(),
            deleting: false,
            related: related.collect(),
            items,
            now: world.fleet.now,
            settings: "{}".into(),
        }
    }

    /// Its servers will be asked from now on.
    fn remember(&mut self, decision: Rc<Decision>) {
        let conditions = decision.conditions.iter().map(|condition| {
            let holds = condition.status == model::Truth::Yes;
            (condition.type_.clone(), holds, condition.reason.clone(), condition.message.clone())
        });
        self.said = conditions.collect();
        self.decided = decision;
    }

    // ---------------------------------------------------------------------------------------------------- act

    /// Does what was decided. Returns whether anything was changed.
    fn act(
        &mut self,
        world: &mut World,
        decision: &Decision,
        seen: &BTreeMap<String, Observation>,
        (version, primary): (u64, Option<usize>),
    ) -> Result<bool, Killed> {
        let mut changed = false;
        let mut held: BTreeSet<&str> = BTreeSet::new();
        for item in &decision.items {
            if item.after.iter().any(|after| held.contains(after.as_str())) {
                held.insert(&item.id);
                continue;
            }
            let as_desired = match &item.body {
                Body::Kubernetes(body) if item.update == UpdatePolicy::Overlay => {
                    self.check_label(world, body, seen, primary);
                    world.cluster.overlay(body)
                }
                Body::Kubernetes(body) => {
                    let unchanged = world.cluster.objects.get(&item.id).is_some_and(|old| old.applied == *body);
                    if !unchanged && !self.write(world)? {
                        held.insert(&item.id);
                        continue;
                    }
                    if !unchanged {
                        changed = true;
                        world.cluster.apply(&item.id, body);
                    }
                    let ready = world.cluster.objects.get(&item.id).is_some_and(|stored| stored.ready);
                    ready || item.ready_when == ReadyWhen::Exists
                }
                Body::Secret(secret) => {
                    world.cluster.make_secret(&item.id, secret);
                    true
                }
                Body::Mysql(server) => {
                    if world.guarded && planner::needs_newest_view(server) && world.cluster.version != version {
                        world.note(|_| format!("{}: left alone, the resource has changed", item.id));
                        held.insert(&item.id);
                        continue;
                    }
                    let done = self.converge(world, item, server, seen)?;
                    changed |= done != Converged::AsDesired;
                    done == Converged::AsDesired || item.ready_when == ReadyWhen::Exists
                }
                Body::Azure(_) | Body::Vault(_) => true,
            };
            if !as_desired {
                held.insert(&item.id);
            }
        }
        let wanted: BTreeSet<&str> = decision.items.iter().map(|item| item.id.as_str()).collect();
        let objects = world.cluster.objects.keys().chain(world.cluster.secrets.keys());
        let gone: Vec<String> = objects.filter(|id| !wanted.contains(id.as_str())).cloned().collect();
        gone.iter().for_each(|id| world.cluster.delete(id));
        Ok(changed || !gone.is_empty())
    }

    /// Something is written to the API server. False: it was not taken.
    fn write(&mut self, world: &mut World) -> Result<bool, Killed> {
        self.may_die(world)?;
        Ok(!world.fleet.chance(world.chaos.api))
    }

    fn may_die(&mut self, world: &mut World) -> Result<(), Killed> {
        if world.chaos.crash > 0 && world.fleet.chance(world.chaos.crash) { Err(Killed) } else { Ok(()) }
    }

    /// Brings one server to what its item says, with the host's own plan, as far as that goes.
    fn converge(
        &mut self,
        world: &mut World,
        item: &Item,
        wanted: &MysqlServer,
        seen: &BTreeMap<String, Observation>,
    ) -> Result<Converged, Killed> {
        if !matches!(seen.get(&item.id), Some(Observation::Mysql(_))) {
            return Ok(Converged::NotAsked);
        }
        // Time has passed since the look.
        let (time, events) = (1 + world.fleet.below(30) as Time, world.fleet.below(4));
        world.pass(time, events);
        let Some((index, facts)) = observe::look_again(world, wanted) else { return Ok(Converged::Stopped) };
        let Some(server) = world.fleet.servers.get(index) else { return Ok(Converged::Stopped) };
        let course = match planner::plan(wanted, &change::seen(server, wanted, facts)) {
            Ok(course) => course,
            Err(violated) => {
                world.note(|_| format!("{}: no plan: {violated}", item.id));
                self.errors.insert(item.id.clone(), violated.to_string());
                return Ok(Converged::Stopped);
            }
        };
        if course.settled() {
            self.errors.remove(&item.id);
            return Ok(Converged::AsDesired);
        }
        for change in &course.changes {
            self.may_die(world)?;
            let (time, events) = (1 + world.fleet.below(10) as Time, world.fleet.below(3));
            world.pass(time, events);
            if world.chaos.server > 0 && world.fleet.chance(world.chaos.server) {
                let victim = world.fleet.below(world.fleet.servers.len());
                world.note(|_| format!("server {victim} dies"));
                world.fleet.server(victim).stop();
            }
            let Some((index, facts)) = observe::look_again(world, wanted) else { return Ok(Converged::Stopped) };
            if world.checked
                && let Err(violated) = planner::permits(change, wanted, &facts)
            {
                world.note(|_| format!("{}: {change} is not permitted: {violated}", item.id));
                self.errors.insert(item.id.clone(), violated.to_string());
                return Ok(Converged::Stopped);
            }
            let made = change::make(&mut world.fleet, index, change);
            world.note(|world| format!("{}: {change} {made:?}; {}", item.id, world.summary()));
            if made.is_ok() && matches!(change, planner::Change::OpenForWrites) {
                world.check_opened(index);
            }
            world.check();
            let lost = world.chaos.lost_answer > 0 && world.fleet.chance(world.chaos.lost_answer);
            if made.is_err() || lost {
                self.errors.insert(item.id.clone(), format!("{change} failed"));
                return Ok(Converged::Stopped);
            }
            self.may_die(world)?;
        }
        self.errors.remove(&item.id);
        Ok(Converged::Changed)
    }

    /// Readers are never sent to a server that was seen with transactions of its own.
    fn check_label(
        &self,
        world: &mut World,
        body: &Value,
        seen: &BTreeMap<String, Observation>,
        primary: Option<usize>,
    ) {
        let label = |name: &str| body.pointer("/metadata/labels").and_then(|labels| labels.get(name)?.as_str());
        let reads = label("database.example.com/role") == Some("replica")
            || label("database.example.com/readable") == Some("true");
        let pod = body.pointer("/metadata/name").and_then(Value::as_str).and_then(ordinal);
        let (true, Some(pod), Some(primary)) = (reads, pod, primary) else { return };
        let of = |index: usize| match seen.get(&format!("server/{index}")) {
            Some(Observation::Mysql(facts)) => Some((facts.server_uuid.clone(), facts.executed.clone())),
            _ => None,
        };
        let (Some((_, own)), Some((uuid, all))) = (of(pod), of(primary)) else { return };
        let parse = |text: &str| crate::set::Set::parse(text).unwrap_or_default();
        let surplus = parse(&own).minus(&parse(&all));
        if pod != primary && surplus.origins().any(|origin| crate::set::uuid(origin) != uuid) {
            world.fail(format!("readers are sent to server {pod}, which alone has {}", crate::world::short(&surplus)));
        }
    }

    // ------------------------------------------------------------------------------------------------- report

    /// Writes the status, where it differs. Returns whether it was.
    fn report(&mut self, world: &mut World, decision: &Decision, version: u64) -> Result<bool, Killed> {
        if decision.status == world.cluster.status {
            return Ok(false);
        }
        if !self.write(world)? {
            return Ok(false);
        }
        let expected = world.guarded.then_some(version);
        if !world.cluster.write_status(decision.status.clone(), expected) {
            world.note(|_| "the status was written by another meanwhile".into());
            return Ok(false);
        }
        // The write is there; the host may not live to know.
        self.may_die(world)?;
        Ok(true)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Converged {
    AsDesired,
    Changed,
    Stopped,
    NotAsked,
}

fn named_primary(resource: &Json) -> Option<usize> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Document {
        status: Option<Status>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Status {
        current_primary: Option<String>,
    }
    let document: Document = serde_json::from_str(resource).ok()?;
    ordinal(&document.status?.current_primary?)
}

/// A decision in one line.
fn outline(decision: &Decision) -> String {
    let server = |item: &Item| {
        let Body::Mysql(server) = &item.body else { return None };
        let replication = match &server.replication {
            model::decision::Replication::None => "none".to_owned(),
            model::decision::Replication::Fenced => "fenced".to_owned(),
            model::decision::Replication::Source(source) => format!("from {}", source.host),
        };
        let open = if server.writable { " WRITABLE" } else { "" };
        let acks = server.acks.map(|acks| format!(" acks {acks}")).unwrap_or_default();
        let reseed = if server.reseed.is_some() { " reseed" } else { "" };
        let user = &server.user.secret;
        Some(format!("{} at {} {replication}{open}{acks}{reseed} as {user}", item.id, server.host))
    };
    let servers: Vec<String> = decision.items.iter().filter_map(server).collect();
    let mut status = decision.status.clone();
    if let Some(fields) = status.as_object_mut() {
        for field in ["endpoints", "selector", "target", "reached", "backupSecret", "forcedConfigKeys", "members"] {
            fields.remove(field);
        }
    }
    let ready = decision.conditions.iter().find(|condition| condition.type_ == "Ready");
    let ready = ready.map(|ready| format!("{}: {}", ready.reason, ready.message)).unwrap_or_default();
    format!("{} | {status} | {ready}", servers.join("; "))
}
