//! What a decision is made from, typed, with look-ups that never fail loudly: what is not there is `None`.

use crate::azure::{self, ArmFacts, SecretFacts, Sight, VaultFacts};
use crate::bindings::windlass::plugin::types::Observation;
use crate::mysql::{NOT_ASKED, Seen};
use crate::{Observed, RelatedAnswer, Resource, Value};
use serde::de::DeserializeOwned;

/// Everything that one decision is made from.
#[derive(Clone, Debug)]
pub struct Snapshot<Spec, Status> {
    /// The resource.
    pub resource: Resource<Spec, Status>,
    /// The user deleted it.
    pub deleting: bool,
    /// Items of the last desired set, and owned objects, as they were found.
    pub items: Vec<Observed>,
    /// Answers to `reads` and to the last `needs`.
    pub related: Vec<RelatedAnswer>,
    /// When the snapshot was taken, milliseconds since the Unix epoch: the only clock.
    pub now: u64,
    /// The operator's settings for this plugin, an object.
    pub settings: Value,
}

impl<Spec, Status> Snapshot<Spec, Status> {
    /// The item of this id, where the last pass had one.
    pub fn item(&self, id: &str) -> Option<&Observed> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Whether the item of this id was found ready.
    pub fn is_ready(&self, id: &str) -> bool {
        self.item(id).is_some_and(|item| item.ready)
    }

    /// The live object of this item, where it is a Kubernetes object that exists.
    pub fn object(&self, id: &str) -> Option<Value> {
        self.item(id).and_then(Observed::object)
    }

    /// The MySQL server of this item. An item that the last pass did not have was not asked.
    pub fn mysql(&self, id: &str) -> Seen<'_> {
        self.item(id).map_or(Seen::NotAsked, Observed::mysql)
    }

    /// The Azure resource of this item. An item that the last pass did not have was not asked for.
    pub fn arm(&self, id: &str) -> Sight<'_, ArmFacts> {
        self.item(id).map_or(Sight::NotAsked, |item| azure::arm(&item.state))
    }

    /// The Key Vault secret of this item. An item that the last pass did not have was not asked for.
    pub fn vault(&self, id: &str) -> Sight<'_, VaultFacts> {
        self.item(id).map_or(Sight::NotAsked, |item| azure::vault(&item.state))
    }

    /// Keys and fingerprints of the generated Secret of this item, where it exists.
    pub fn secret(&self, id: &str) -> Option<&SecretFacts> {
        match &self.item(id)?.state {
            Observation::Secret(facts) => Some(facts),
            _ => None,
        }
    }

    /// The answer to the query of this name, where it was asked.
    pub fn related(&self, name: &str) -> Option<&RelatedAnswer> {
        self.related.iter().find(|answer| answer.name == name)
    }

    /// One of the operator's settings, where it is a string.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).and_then(Value::as_str)
    }
}

impl Observed {
    /// The live object, where this is a Kubernetes object that exists.
    pub fn object(&self) -> Option<Value> {
        self.read()
    }

    /// The live object as a type that has the fields which the plugin looks at, where this is a Kubernetes object that
    /// exists and is of that form. What the type leaves out is skipped, which costs little even in large objects.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        match &self.state {
            Observation::Kubernetes(json) => serde_json::from_str(json).ok(),
            Observation::Absent
            | Observation::Secret(_)
            | Observation::Mysql(_)
            | Observation::Azure(_)
            | Observation::Vault(_)
            | Observation::Unreachable(_) => None,
        }
    }

    /// The MySQL server, where this is one.
    pub fn mysql(&self) -> Seen<'_> {
        match &self.state {
            Observation::Mysql(facts) => Seen::Answers(facts),
            Observation::Unreachable(unreachable) if unreachable.reason == NOT_ASKED => Seen::NotAsked,
            Observation::Unreachable(unreachable) => Seen::Silent(unreachable),
            Observation::Absent
            | Observation::Kubernetes(_)
            | Observation::Secret(_)
            | Observation::Azure(_)
            | Observation::Vault(_) => Seen::NotAsked,
        }
    }

    /// Looked for, and not there.
    pub fn is_absent(&self) -> bool {
        matches!(self.state, Observation::Absent)
    }
}

impl RelatedAnswer {
    /// The objects that parse.
    pub fn parsed(&self) -> impl Iterator<Item = Value> + '_ {
        self.objects.iter().filter_map(|json| serde_json::from_str(json).ok())
    }
}
