//! One run: a cluster that comes to be, trouble for a while, then quiet, in which everything must come right again. In: a
//! seed and who decides. Out: what was broken, how far it got, and what happened.
//!
//! Equal seeds give equal runs. Trouble ends after a number of steps that can be lowered, so that a failing run can be made
//! shorter while it still fails.

mod trouble;

pub use trouble::Trouble;

use crate::brain::Brain;
use crate::host::Host;
use crate::server::Server;
use crate::world::{QUICK, World};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Steps of trouble; none: as the seed says.
    pub steps: Option<usize>,
    /// What happened is kept.
    pub log: bool,
    /// What may happen.
    pub mix: Mix,
}

impl Options {
    /// A run with everything that may happen.
    pub fn seed(seed: u64) -> Self {
        Options { seed, steps: None, log: false, mix: Mix::default() }
    }
}

/// What may happen in a run, beyond what always may.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// A second host, which sees the resource as it was a while ago.
    pub second_host: bool,
    /// Statuses are only written by who saw the newest one.
    pub guarded: bool,
    /// Changes are checked right before they are made.
    pub checked: bool,
    /// Servers whose data differs are made anew; none: as the seed says.
    pub reinit: Option<bool>,
    /// Of a hundred times that an applier could execute something it does so many times; none: as the seed says.
    pub appliers: Option<u32>,
}

impl Default for Mix {
    fn default() -> Self {
        Mix { second_host: true, guarded: true, checked: true, reinit: None, appliers: None }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Broken rules, in the order in which they were.
    pub broken: Vec<String>,
    /// Steps of trouble that were taken.
    pub steps: usize,
    /// Decisions that were made.
    pub decisions: u64,
    /// Rows that clients were told are durable.
    pub acknowledged: usize,
    /// Times that another server was named primary, after the first.
    pub moves: u32,
    /// Milliseconds of the cluster's time.
    pub time: u64,
    /// The status in the end.
    pub status: Value,
    /// What happened, where it was kept.
    pub log: Vec<String>,
}

/// Steps after which everything must have come right, when there is no trouble any more.
const QUIET: usize = 900;
/// Steps in which a new cluster must have come to be.
const BIRTH: usize = 500;

struct Counted<'a> {
    brain: &'a mut dyn Brain,
    decisions: u64,
}

impl Brain for Counted<'_> {
    fn decide(&mut self, snapshot: &model::Snapshot) -> Result<model::Decision, model::Fault> {
        self.decisions += 1;
        self.brain.decide(snapshot)
    }
}

/// Runs.
pub fn run(options: &Options, brain: &mut dyn Brain) -> Outcome {
    let mut chance = StdRng::seed_from_u64(options.seed ^ 0x5eed);
    let replicas = [1, 2, 3, 3, 3, 3, 4, 5, 5].get(chance.random_range(0..9_usize)).copied().unwrap_or(3);
    let reinit = options.mix.reinit.unwrap_or_else(|| chance.random_range(0..4) != 0);
    let steps = options.steps.unwrap_or_else(|| chance.random_range(60..200));
    let spec = json!({
        "version": "8.4",
        "replicas": replicas,
        "recovery": { "reinitErrant": reinit },
    });
    let mut world = World::new(options.seed, spec);
    world.log = options.log.then(Vec::new);
    world.guarded = options.mix.guarded;
    world.checked = options.mix.checked;
    let mut brain = Counted { brain, decisions: 0 };
    let mut hosts = vec![Host::default()];
    let mut outcome = Outcome::default();
    let mut primary = None;
    let mut follow = |world: &World, moves: &mut u32| {
        if world.primary() != primary {
            *moves += u32::from(primary.is_some());
            primary = world.primary();
        }
    };

    world.note(|_| format!("seed {}: {replicas} servers, reinitErrant {reinit}", options.seed));
    let born = settle(&mut world, &mut hosts, &mut brain, BIRTH, reinit);
    if !born && world.broken.is_empty() {
        let why = complaint(&hosts);
        world.fail(format!("a new cluster does not become healthy: {why}; {}", world.summary()));
    }
    follow(&world, &mut outcome.moves);
    let mut trouble = Trouble::new(options.seed, options.mix.second_host);
    // On a fast network most things are over before the next, on a slow one everything is under way at once.
    world.pace = [4, 12, 40].get(chance.random_range(0..3_usize)).copied().unwrap_or(40);
    let appliers = [100, 100, 15].get(chance.random_range(0..3_usize)).copied().unwrap_or(100);
    world.fleet.appliers = options.mix.appliers.unwrap_or(appliers);
    while outcome.steps < steps && world.broken.is_empty() {
        outcome.steps += 1;
        trouble.step(&mut world, &mut hosts);
        step(&mut world, &mut hosts, &mut brain);
        follow(&world, &mut outcome.moves);
    }
    if world.broken.is_empty() {
        trouble.end(&mut world, &mut hosts);
        world.pace = QUICK;
        world.fleet.appliers = 100;
        world.note(|world| format!("no more trouble; {}", world.summary()));
        if settle(&mut world, &mut hosts, &mut brain, QUIET, reinit) {
            world.check_end();
        } else if world.broken.is_empty() {
            let why = complaint(&hosts);
            world.fail(format!("it does not come right: {why}; {}", world.summary()));
        }
        follow(&world, &mut outcome.moves);
    }
    outcome.decisions = brain.decisions;
    outcome.acknowledged = world.fleet.acknowledged.len();
    outcome.time = world.fleet.now - 1_767_225_600_000;
    outcome.status = std::mem::take(&mut world.cluster.status);
    outcome.log = world.log.unwrap_or_default();
    outcome.broken = world.broken;
    outcome
}

/// A cluster of one server, which loses its data directory: nobody can bring that back, so it must stay closed. Runs some
/// steps beyond the loss.
pub fn lose_everything(seed: u64, brain: &mut dyn Brain) -> Outcome {
    let mut world = World::new(seed, json!({ "version": "8.4", "replicas": 1 }));
    let mut hosts = vec![Host::default()];
    if !settle(&mut world, &mut hosts, brain, BIRTH, true) {
        let why = complaint(&hosts);
        world.fail(format!("a new cluster does not become healthy: {why}; {}", world.summary()));
    }
    world.pass(1_000, 50);
    let uuid = world.fleet.uuid();
    world.fleet.server(0).wipe(uuid);
    for _ in 0..100 {
        step(&mut world, &mut hosts, brain);
    }
    Outcome {
        acknowledged: world.fleet.acknowledged.len(),
        status: world.cluster.status.clone(),
        broken: world.broken,
        ..Outcome::default()
    }
}

/// Time passes, and hosts whose time has come pass.
fn step(world: &mut World, hosts: &mut [Host], brain: &mut dyn Brain) {
    let time = 50 + world.fleet.below(500) as u64;
    let events = world.fleet.below(world.pace * world.fleet.servers.len().max(1));
    world.pass(time, events);
    world.check();
    for host in hosts {
        if host.next <= world.fleet.now {
            host.pass(world, brain);
            world.check();
        }
    }
}

/// Steps without trouble until all is healthy and stays so. False: it does not become so in time.
fn settle(world: &mut World, hosts: &mut [Host], brain: &mut dyn Brain, most: usize, reinit: bool) -> bool {
    let mut calm = 0;
    for _ in 0..most {
        if !world.broken.is_empty() {
            return false;
        }
        step(world, hosts, brain);
        // The host is not woken for each step: what nobody looks at is over sooner.
        if hosts.first().is_some_and(|host| host.next > world.fleet.now + 200) {
            let time = 200;
            world.pass(time, world.pace * world.fleet.servers.len());
        }
        calm = if healthy(world, hosts) || (!reinit && named(world, hosts)) { calm + 1 } else { 0 };
        if calm >= 4 {
            return true;
        }
    }
    false
}

/// The first host says that all is well, and all is.
fn healthy(world: &World, hosts: &[Host]) -> bool {
    let wanted = world.cluster.spec.get("replicas").and_then(Value::as_u64).unwrap_or_default() as usize;
    let Some(primary) = world.primary() else { return false };
    let running = |index: usize| {
        world.fleet.servers.get(index).is_some_and(|server| {
            let follows = server.channel.as_ref().is_some_and(|channel| world.fleet.at(&channel.host) == Some(primary));
            server.is_up() && if index == primary { !server.read_only } else { server.super_read_only && follows }
        })
    };
    hosts.first().is_some_and(|host| host.holds("Ready"))
        && world.cluster.pods.len() == wanted
        && (0..wanted).all(running)
        && world.fleet.attached(primary).len() + 1 == wanted
}

/// Where nothing may be made anew: each server that is not in order is named as one with data of its own. What waits for
/// them waits for the user.
fn named(world: &World, hosts: &[Host]) -> bool {
    let Some(primary) = world.primary() else { return false };
    let up = world.fleet.servers.get(primary).is_some_and(Server::is_up);
    let Some(host) = hosts.first().filter(|host| up && host.holds("Errant")) else { return false };
    let said = host.said.iter().find(|(type_, ..)| type_ == "Errant").map(|(.., message)| message.as_str());
    let is_named = |index: usize| said.is_some_and(|said| said.contains(&format!("{}-{index}", crate::cluster::NAME)));
    let attached = world.fleet.attached(primary);
    let wanted = world.cluster.spec.get("replicas").and_then(Value::as_u64).unwrap_or_default() as usize;
    let others: Vec<usize> = (0..wanted).filter(|index| *index != primary).collect();
    others.iter().any(|index| is_named(*index))
        && others.iter().all(|index| is_named(*index) || attached.contains(index))
}

fn complaint(hosts: &[Host]) -> String {
    let Some(host) = hosts.first() else { return String::new() };
    if let Some(fault) = &host.fault {
        return format!("{fault:?}");
    }
    let told: Vec<String> = host
        .said
        .iter()
        .map(|(type_, holds, reason, message)| format!("{type_}={holds} {reason}: {message}"))
        .collect();
    told.join("; ")
}
