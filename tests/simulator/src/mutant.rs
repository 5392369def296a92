//! Policies that are broken on purpose: wrapped around the one that ships, they change what it sees or what it says. In: a
//! snapshot. Out: a decision that must get a simulated cluster into trouble, or the simulator would notice nothing.

use crate::brain::Brain;
use model::decision::{Body, Replication, ReplicationSource};
use model::snapshot::{IoState, MysqlFacts};
use model::{Decision, Fault, Observation, Snapshot};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fracture {
    /// Replicas go on receiving from the primary that is replaced.
    FencesNothing,
    /// What was received and not executed does not count.
    ElectsOnExecuted,
    /// Servers are opened in the pass that names them.
    OpensBeforeStatus,
    /// Commits wait for one acknowledgement less than it says.
    WaitsForOneLess,
    /// Readers are sent to every server that is no primary.
    SendsReadersAnywhere,
    /// Where no server has data, the cluster is taken for a new one.
    ForgetsThatThereWasData,
}

/// A policy with a fracture.
pub struct Mutant<'a> {
    brain: &'a mut dyn Brain,
    fracture: Fracture,
    fenced: BTreeSet<String>,
    sources: BTreeMap<String, ReplicationSource>,
}

impl<'a> Mutant<'a> {
    /// Breaks a policy.
    pub fn of(brain: &'a mut dyn Brain, fracture: Fracture) -> Self {
        Mutant { brain, fracture, fenced: BTreeSet::new(), sources: BTreeMap::new() }
    }

    fn servers(snapshot: &mut Snapshot, mut change: impl FnMut(&str, &mut MysqlFacts)) {
        for item in &mut snapshot.items {
            if let Observation::Mysql(facts) = &mut item.state {
                change(&item.id, facts);
            }
        }
    }

    /// As if the first server was being opened for the first time.
    fn forget(snapshot: &mut Snapshot) {
        let mut empty = true;
        Self::servers(snapshot, |_, facts| empty &= facts.executed.is_empty());
        let mut resource = serde_json::from_str::<Value>(&snapshot.resource).unwrap_or_default();
        let Some(status) = resource.get_mut("status").and_then(Value::as_object_mut) else { return };
        if empty && status.contains_key("currentPrimary") {
            status.remove("initialized");
            status.insert("durability".into(), json!({ "members": [0] }));
            status.insert("operation".into(), json!({ "kind": "Bootstrap", "phase": "Open", "cause": "New" }));
            snapshot.resource = resource.to_string().into();
        }
    }

    fn opens_before_status(&mut self, snapshot: &Snapshot) -> Result<Decision, Fault> {
        let first = self.brain.decide(snapshot)?;
        let Ok(mut resource) = serde_json::from_str::<Value>(&snapshot.resource) else { return Ok(first) };
        if let Some(fields) = resource.as_object_mut() {
            fields.insert("status".into(), first.status.clone());
        }
        let told = Snapshot { resource: resource.to_string().into(), ..snapshot.clone() };
        let second = self.brain.decide(&told)?;
        Ok(Decision { items: second.items, ..first })
    }
}

impl Brain for Mutant<'_> {
    fn decide(&mut self, snapshot: &Snapshot) -> Result<Decision, Fault> {
        let mut snapshot = snapshot.clone();
        match self.fracture {
            Fracture::OpensBeforeStatus => return self.opens_before_status(&snapshot),
            Fracture::FencesNothing => Self::servers(&mut snapshot, |id, facts| {
                if let Some(source) = facts.source.as_mut().filter(|_| self.fenced.contains(id)) {
                    source.io = IoState::Stopped;
                }
            }),
            Fracture::ElectsOnExecuted => Self::servers(&mut snapshot, |_, facts| {
                if let Some(source) = &mut facts.source {
                    source.received.clear();
                }
            }),
            Fracture::WaitsForOneLess => Self::servers(&mut snapshot, |_, facts| {
                if !facts.super_read_only {
                    let enabled = facts.semi_sync.source_enabled;
                    facts.semi_sync.wait_for = if enabled { facts.semi_sync.wait_for + 1 } else { 1 };
                    facts.semi_sync.source_enabled = enabled || !facts.attached.is_empty();
                }
            }),
            Fracture::ForgetsThatThereWasData => Self::forget(&mut snapshot),
            Fracture::SendsReadersAnywhere => {}
        }
        let mut decision = self.brain.decide(&snapshot)?;
        self.fenced.clear();
        for item in &mut decision.items {
            match (&mut item.body, self.fracture) {
                (Body::Mysql(server), Fracture::FencesNothing) => match &server.replication {
                    Replication::Source(source) => {
                        self.sources.insert(item.id.clone(), source.clone());
                    }
                    Replication::Fenced => {
                        self.fenced.insert(item.id.clone());
                        if let Some(source) = self.sources.get(&item.id) {
                            server.replication = Replication::Source(source.clone());
                        }
                    }
                    Replication::None => {}
                },
                (Body::Mysql(server), Fracture::WaitsForOneLess) => {
                    server.acks = server.acks.and_then(|acks| acks.checked_sub(1)).filter(|acks| *acks > 0);
                }
                (Body::Kubernetes(body), Fracture::SendsReadersAnywhere) => {
                    let role = body.pointer_mut("/metadata/labels/database.example.com~1role");
                    if let Some(role) = role.filter(|role| **role == "none") {
                        *role = "replica".into();
                    }
                }
                _ => {}
            }
        }
        Ok(decision)
    }
}
