//! Azure resources and Key Vault secrets as a plugin sees and describes them: the records of the contract, builders for
//! what is desired, and what was found.

pub use crate::bindings::windlass::plugin::types::{
    ArmChange, ArmFacts, ArmResource, FailureClass, OperationFacts, ReadyField, SecretFacts, SecretField,
    SecretFingerprint, Unreachable, VaultFacts, VaultSecret,
};

use crate::bindings::windlass::plugin::types::{Body, Observation};
use crate::{Item, SecretKey, Value};

/// What is known of something outside of Kubernetes. Three cases and not two: what nobody has asked for yet is not gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight<'a, Facts> {
    /// Nothing is known yet. The host asks before long; nothing may be concluded.
    NotAsked,
    /// Asked, and there was no answer: since when and why.
    Silent(&'a Unreachable),
    /// What was answered.
    Answers(&'a Facts),
}

impl<'a, Facts> Sight<'a, Facts> {
    /// What was answered, where there was an answer.
    pub fn facts(self) -> Option<&'a Facts> {
        match self {
            Sight::Answers(facts) => Some(facts),
            Sight::NotAsked | Sight::Silent(_) => None,
        }
    }
}

/// The Azure resource in an observation.
pub(crate) fn arm(state: &Observation) -> Sight<'_, ArmFacts> {
    match state {
        Observation::Azure(facts) => Sight::Answers(facts),
        other => silence(other),
    }
}

/// The Key Vault secret in an observation.
pub(crate) fn vault(state: &Observation) -> Sight<'_, VaultFacts> {
    match state {
        Observation::Vault(facts) => Sight::Answers(facts),
        other => silence(other),
    }
}

fn silence<Facts>(state: &Observation) -> Sight<'_, Facts> {
    match state {
        Observation::Unreachable(unreachable) if unreachable.reason != crate::mysql::NOT_ASKED => {
            Sight::Silent(unreachable)
        }
        _ => Sight::NotAsked,
    }
}

impl ArmFacts {
    /// The resource as ARM returned it; `null` where it was not found or is no JSON.
    pub fn parsed(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A write is under way.
    pub fn running(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| operation.running)
    }

    /// The last write, where it failed.
    pub fn failed(&self) -> Option<&OperationFacts> {
        self.operation.as_ref().filter(|operation| !operation.running && operation.error_code.is_some())
    }

    /// Fingerprint of the value that was sent last for a place of the body.
    pub fn sent(&self, pointer: &str) -> Option<&str> {
        self.sent_secrets.iter().find(|sent| sent.key == pointer).map(|sent| sent.fingerprint.as_str())
    }
}

impl ArmResource {
    /// A resource of this id, changed by PUT, ready when it is provisioned.
    pub fn new(resource_id: &str, api_version: &str, body: &Value) -> Self {
        ArmResource {
            resource_id: resource_id.to_string(),
            api_version: api_version.to_string(),
            body: body.to_string(),
            secrets: Vec::new(),
            observe_only: false,
            adopt: false,
            unique_name: false,
            change: ArmChange::Put,
            ready_field: None,
        }
    }

    /// The host fills in a value of a Secret at this JSON pointer of the body.
    pub fn secret(mut self, pointer: &str, value: SecretKey) -> Self {
        self.secrets.push(SecretField { pointer: pointer.to_string(), value });
        self
    }

    /// Only looked at.
    pub fn observed_only(mut self, only: bool) -> Self {
        self.observe_only = only;
        self
    }

    /// Taken over where it exists.
    pub fn adopted(mut self) -> Self {
        self.adopt = true;
        self
    }

    /// Its name is one that only one resource in all of Azure can have.
    pub fn uniquely_named(mut self) -> Self {
        self.unique_name = true;
        self
    }

    /// Changed by PATCH.
    pub fn patched(mut self) -> Self {
        self.change = ArmChange::Patch;
        self
    }

    /// Ready when the value at this JSON pointer is one of these.
    pub fn ready_at(mut self, pointer: &str, values: &[&str]) -> Self {
        let values = values.iter().map(ToString::to_string).collect();
        self.ready_field = Some(ReadyField { pointer: pointer.to_string(), values });
        self
    }
}

impl VaultSecret {
    /// A secret of a vault (`https://NAME.vault.azure.net`) with the value of a Secret's key.
    pub fn new(vault: &str, name: &str, value: SecretKey) -> Self {
        VaultSecret { vault: vault.to_string(), name: name.to_string(), value, content_type: None, observe_only: false }
    }

    /// What kind of value it is, as the vault shows it.
    pub fn content_type(mut self, text: &str) -> Self {
        self.content_type = Some(text.to_string());
        self
    }

    /// Only looked at.
    pub fn observed_only(mut self, only: bool) -> Self {
        self.observe_only = only;
        self
    }
}

impl Item {
    /// An Azure resource.
    pub fn arm(id: &str, resource: ArmResource) -> Self {
        Item::of(id, Body::Azure(resource))
    }

    /// A Key Vault secret.
    pub fn vault(id: &str, secret: VaultSecret) -> Self {
        Item::of(id, Body::Vault(secret))
    }

    /// The Azure resource of an item.
    pub fn arm_resource(&self) -> Option<&ArmResource> {
        match &self.body {
            Body::Azure(resource) => Some(resource),
            Body::Kubernetes(_) | Body::Secret(_) | Body::Mysql(_) | Body::Vault(_) => None,
        }
    }

    /// The Key Vault secret of an item.
    pub fn vault_secret(&self) -> Option<&VaultSecret> {
        match &self.body {
            Body::Vault(secret) => Some(secret),
            Body::Kubernetes(_) | Body::Secret(_) | Body::Mysql(_) | Body::Azure(_) => None,
        }
    }
}
