//! Snapshots for native tests and benchmarks, as the host would make them. Not part of a component.

use crate::azure::{ArmFacts, SecretFacts, SecretFingerprint, VaultFacts};
use crate::bindings::windlass::plugin::types::{Observation, ObservedItem, RelatedAnswer, Snapshot};
use crate::mysql::{MysqlFacts, Unreachable};
use crate::{Item, Value};

/// A snapshot being made. Time is 2026-01-01T00:00:00Z unless it is set.
#[derive(Clone, Debug)]
pub struct SnapshotOf(Snapshot);

impl SnapshotOf {
    /// The first look at a resource: nothing exists yet.
    pub fn resource(resource: &Value) -> Self {
        SnapshotOf::text(&resource.to_string())
    }

    /// The same from text, which need not be JSON.
    pub fn text(resource: &str) -> Self {
        SnapshotOf(Snapshot {
            resource: resource.to_string(),
            deleting: false,
            items: Vec::new(),
            related: Vec::new(),
            now: 1_767_225_600_000,
            settings: "{}".to_string(),
        })
    }

    /// An item that was found as this object.
    pub fn found(self, id: &str, object: &Value, ready: bool) -> Self {
        self.observed(id, Observation::Kubernetes(object.to_string()), ready)
    }

    /// An item that was looked for and not found.
    pub fn absent(self, id: &str) -> Self {
        self.observed(id, Observation::Absent, false)
    }

    /// Every item of an earlier decision, found as it was desired.
    pub fn as_desired(self, items: &[Item], ready: bool) -> Self {
        items.iter().fold(self, |snapshot, item| match item.manifest() {
            Some(manifest) => snapshot.found(&item.id, &manifest, ready),
            None => snapshot.observed(&item.id, Observation::Absent, ready),
        })
    }

    /// A MySQL server that answered.
    pub fn answers(self, id: &str, facts: &MysqlFacts) -> Self {
        self.observed(id, Observation::Mysql(facts.clone()), true)
    }

    /// A MySQL server that did not answer, since when (milliseconds since the Unix epoch) and why.
    pub fn silent(self, id: &str, since: u64, reason: &str) -> Self {
        self.observed(id, Observation::Unreachable(Unreachable { since, reason: reason.to_string() }), false)
    }

    /// An Azure resource that was asked for.
    pub fn arm(self, id: &str, facts: &ArmFacts, ready: bool) -> Self {
        self.observed(id, Observation::Azure(facts.clone()), ready)
    }

    /// A Key Vault secret that was asked for.
    pub fn vault(self, id: &str, facts: &VaultFacts, ready: bool) -> Self {
        self.observed(id, Observation::Vault(facts.clone()), ready)
    }

    /// A generated Secret that exists, with keys and fingerprints.
    pub fn secret(self, id: &str, generation: u32, keys: &[(&str, &str)]) -> Self {
        let keys = keys
            .iter()
            .map(|(key, fingerprint)| SecretFingerprint { key: key.to_string(), fingerprint: fingerprint.to_string() });
        self.observed(id, Observation::Secret(SecretFacts { generation, keys: keys.collect() }), true)
    }

    fn observed(mut self, id: &str, state: Observation, ready: bool) -> Self {
        self.0.items.retain(|item| item.id != id);
        self.0.items.push(ObservedItem {
            id: id.to_string(),
            state,
            ready,
            ready_since: 0,
            last_error: None,
            deleting: false,
        });
        self
    }

    /// The last change of an item failed.
    pub fn failing(mut self, id: &str, error: &str) -> Self {
        for item in self.0.items.iter_mut().filter(|item| item.id == id) {
            item.last_error = Some(error.to_string());
        }
        self
    }

    /// A complete answer to a query.
    pub fn related(mut self, name: &str, objects: &[Value]) -> Self {
        let objects = objects.iter().map(Value::to_string).collect();
        self.0.related.push(RelatedAnswer { name: name.to_string(), complete: true, reason: None, objects });
        self
    }

    /// A query that the host could not answer.
    pub fn unanswered(mut self, name: &str, reason: &str) -> Self {
        self.0.related.push(RelatedAnswer {
            name: name.to_string(),
            complete: false,
            reason: Some(reason.to_string()),
            objects: Vec::new(),
        });
        self
    }

    /// The user deleted the resource.
    pub fn deleting(mut self) -> Self {
        self.0.deleting = true;
        self
    }

    /// Settings of the operator.
    pub fn settings(mut self, settings: &Value) -> Self {
        self.0.settings = settings.to_string();
        self
    }

    /// Milliseconds since the Unix epoch.
    pub fn at(mut self, now: u64) -> Self {
        self.0.now = now;
        self
    }

    /// As [`crate::entry::decide`] takes it.
    pub fn build(self) -> Snapshot {
        self.0
    }
}
