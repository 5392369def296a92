//! One simulated cluster with everything around it, and the rules that must hold in it at every moment. In: what happens.
//! Out: what was broken, if anything.

use crate::cluster::{Cluster, NAME};
use crate::facts::Ids;
use crate::fleet::Fleet;
use crate::server::Row;
use crate::set::Set;
use serde_json::Value;
use std::collections::BTreeSet;

/// Uid of the resource.
pub const UID: &str = "5f1c0c3e-0000-4000-8000-000000000001";

/// How much happens on each server in half a second on a network in good order.
pub const QUICK: usize = 40;

/// What a host has to expect while it works: so many times out of a hundred.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chaos {
    /// It is killed before or after a change.
    pub crash: u32,
    /// A statement's answer is lost.
    pub lost_answer: u32,
    /// A write to the API server fails.
    pub api: u32,
    /// A server dies between two changes.
    pub server: u32,
}

/// Servers, Kubernetes, and what went wrong.
pub struct World {
    /// Servers and clients.
    pub fleet: Fleet,
    /// The resource and its objects.
    pub cluster: Cluster,
    /// `server_id` of servers.
    pub ids: Ids,
    /// What hosts have to expect.
    pub chaos: Chaos,
    /// How much happens on each server in half a second, at most.
    pub pace: usize,
    /// Broken rules.
    pub broken: Vec<String>,
    /// What happened, where somebody wants to read it.
    pub log: Option<Vec<String>>,
    /// Statuses are written only by who saw the newest one. (Off to see that it matters.)
    pub guarded: bool,
    /// Changes to servers are checked right before they are made. (Off to see that it matters.)
    pub checked: bool,
}

impl World {
    /// A resource of this spec, and nothing else yet.
    pub fn new(seed: u64, spec: Value) -> Self {
        World {
            fleet: Fleet::new(seed, 1_767_225_600_000),
            cluster: Cluster::new(spec),
            ids: Ids::of(UID),
            chaos: Chaos::default(),
            pace: QUICK,
            broken: Vec::new(),
            log: None,
            guarded: true,
            checked: true,
        }
    }

    /// Writes down what happens.
    pub fn note(&mut self, what: impl FnOnce(&World) -> String) {
        if self.log.is_some() {
            let line = format!("{:>8} {}", self.fleet.now - 1_767_225_600_000, what(self));
            self.log.get_or_insert_default().push(line);
        }
    }

    /// Something must not have happened.
    pub fn fail(&mut self, what: String) {
        self.note(|_| format!("BROKEN: {what}"));
        self.broken.push(what);
    }

    /// Time passes: so long, with so many things happening in it.
    pub fn pass(&mut self, milliseconds: u64, events: usize) {
        self.fleet.pass(milliseconds, events);
        self.cluster.pass(&mut self.fleet);
    }

    /// Ordinal of the pod that the status names as primary.
    pub fn primary(&self) -> Option<usize> {
        self.cluster.status_text("currentPrimary").and_then(ordinal)
    }

    fn missing(&self, rows: &BTreeSet<Row>) -> Vec<Row> {
        self.fleet.acknowledged.difference(rows).copied().collect()
    }

    /// A server was opened for writes by a change of ours.
    pub fn check_opened(&mut self, index: usize) {
        if self.primary() != Some(index) {
            let status = self.cluster.status_text("currentPrimary").unwrap_or("nobody").to_owned();
            self.fail(format!("server {index} was opened while the status names {status}"));
        }
        self.check_has_all(index, "was opened for writes");
        let others = (0..self.fleet.servers.len()).filter(|other| *other != index);
        let writable: Vec<usize> = others.filter(|other| self.fleet.could_commit(*other)).collect();
        if !writable.is_empty() {
            self.fail(format!("server {index} was opened while {writable:?} could still commit"));
        }
    }

    /// A server was named as primary.
    pub fn check_committed(&mut self, index: usize) {
        self.check_has_all(index, "was made primary");
    }

    fn check_has_all(&mut self, index: usize, what: &str) {
        let Some(server) = self.fleet.servers.get(index) else { return };
        let missing = self.missing(&server.rows());
        if !missing.is_empty() {
            self.fail(format!("server {index} {what} without acknowledged rows {missing:?}"));
        }
    }

    /// What must hold at every moment.
    pub fn check(&mut self) {
        let count = self.fleet.servers.len();
        let writable: Vec<usize> = (0..count).filter(|index| self.fleet.could_commit(*index)).collect();
        if writable.len() > 1 {
            self.fail(format!("servers {writable:?} can commit at the same time"));
        }
    }

    /// What must hold when everything is healthy again and clients have stopped.
    pub fn check_end(&mut self) {
        let Some(primary) = self.primary() else { return self.fail("there is no primary in the end".into()) };
        let Some(server) = self.fleet.servers.get(primary) else { return };
        let missing = self.missing(&server.visible_rows());
        if !missing.is_empty() {
            self.fail(format!(
                "acknowledged rows {missing:?} are missing on the primary, server {primary}, in the end"
            ));
        }
    }

    /// One line about every server.
    pub fn summary(&self) -> String {
        let server = |index: usize| {
            let server = self.fleet.servers.get(index)?;
            let role = if server.read_only { "ro" } else { "RW" };
            let source = server.channel.as_ref().map(|channel| {
                let from = self.fleet.at(&channel.host).map_or("?".into(), |from| from.to_string());
                let applies = if channel.applier { "" } else { " applier off" };
                format!(" <{from} {:?}{applies} +{}", channel.receiver, server.backlog())
            });
            let semi = server.semi.source.then(|| format!(" W{}/{}", server.waiting(), server.semi.wait_for));
            let clone = server.clone.map(|clone| format!(" clone {:?}", clone.state)).unwrap_or_default();
            let (process, have) = (server.process, short(server.executed()));
            let (source, semi) = (source.unwrap_or_default(), semi.unwrap_or_default());
            Some(format!("{index}:{process:?} {role} [{have}]{source}{semi}{clone}"))
        };
        let servers: Vec<String> = (0..self.fleet.servers.len()).filter_map(server).collect();
        format!("primary {:?} | {}", self.primary(), servers.join(" | "))
    }
}

/// `1:1-5,3:7`
pub fn short(set: &Set) -> String {
    let text = set.to_string().replace("-5113-4000-8000-000000000000", "").replace('\n', "");
    text.split(',').map(|part| part.trim_start_matches('0')).collect::<Vec<_>>().join(",")
}

/// The ordinal of a pod's name.
pub fn ordinal(pod: &str) -> Option<usize> {
    pod.strip_prefix(NAME)?.strip_prefix('-')?.parse().ok()
}
