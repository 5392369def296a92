//! Builders for desired items. In: an id and what should exist. Out: an item with the default policies, to be narrowed:
//! `Item::kubernetes("sts", json!({…})).after(["config"]).ready_when(ReadyWhen::Exists)`.

use crate::bindings::windlass::plugin::types::{
    Body, ComposedValue, GeneratedSecret, Label, PasswordRules, PlainValue, RandomValue,
};
use crate::mysql::MysqlServer;
use crate::{Item, ReadyWhen, RemovalPolicy, SecretKey, UpdatePolicy, Value};

impl Item {
    /// A Kubernetes object: apiVersion, kind, metadata.name, and what the plugin wants to own of the rest.
    pub fn kubernetes(id: &str, manifest: Value) -> Self {
        // A value is always JSON. `to_string` of the value would go through the slower machinery for formatted text.
        let text = serde_json::to_string(&manifest).unwrap_or_default();
        crate::discard(manifest);
        Item::of(id, Body::Kubernetes(text))
    }

    /// A Secret whose random values the host makes and keeps to itself.
    pub fn secret(id: &str, secret: Secret) -> Self {
        Item::of(id, Body::Secret(secret.0))
    }

    /// How a MySQL server should be. It owns nothing: leaving it out later changes nothing on the server.
    pub fn mysql(id: &str, server: MysqlServer) -> Self {
        Item::of(id, Body::Mysql(server))
    }

    /// Any body.
    pub fn of(id: &str, body: Body) -> Self {
        Item {
            id: id.to_string(),
            after: Vec::new(),
            ready_when: ReadyWhen::Ready,
            update: UpdatePolicy::Apply,
            removal: RemovalPolicy::Delete,
            body,
        }
    }

    /// Only after these items exist and are ready; deletion goes the other way.
    pub fn after<S: AsRef<str>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.after.extend(ids.into_iter().map(|id| id.as_ref().to_string()));
        self
    }

    /// What counts as ready for the items that come after.
    pub fn ready_when(mut self, ready_when: ReadyWhen) -> Self {
        self.ready_when = ready_when;
        self
    }

    /// How a difference is mended.
    pub fn update(mut self, update: UpdatePolicy) -> Self {
        self.update = update;
        self
    }

    /// What happens when it is no longer desired.
    pub fn removal(mut self, removal: RemovalPolicy) -> Self {
        self.removal = removal;
        self
    }

    /// The manifest of a Kubernetes item.
    pub fn manifest(&self) -> Option<Value> {
        match &self.body {
            Body::Kubernetes(json) => serde_json::from_str(json).ok(),
            Body::Secret(_) | Body::Mysql(_) | Body::Azure(_) | Body::Vault(_) => None,
        }
    }
}

impl SecretKey {
    /// The key of a Secret in the namespace of the resource.
    pub fn new(secret: &str, key: &str) -> Self {
        SecretKey { secret: secret.to_string(), key: key.to_string() }
    }
}

/// A generated Secret being described.
#[derive(Clone, Debug, PartialEq)]
pub struct Secret(GeneratedSecret);

impl Secret {
    /// An `Opaque` Secret without values yet.
    pub fn named(name: &str) -> Self {
        Secret(GeneratedSecret {
            name: name.to_string(),
            secret_type: "Opaque".to_string(),
            plain: Vec::new(),
            random: Vec::new(),
            composed: Vec::new(),
            generation: 1,
            labels: Vec::new(),
        })
    }

    /// A value that is no secret: a user's name, a host.
    pub fn plain(mut self, key: &str, value: &str) -> Self {
        self.0.plain.push(PlainValue { key: key.to_string(), value: value.to_string() });
        self
    }

    /// A random value of letters and digits. `length` is in characters, 16 to 128.
    pub fn random(self, key: &str, length: u32) -> Self {
        self.random_of(key, length, PasswordRules::Alphanumeric, "")
    }

    /// A random value that Azure SQL takes as the password of this login. `length` is in characters, 16 to 128.
    pub fn random_for_azure_sql(self, key: &str, length: u32, login: &str) -> Self {
        self.random_of(key, length, PasswordRules::AzureSql, login)
    }

    fn random_of(mut self, key: &str, length: u32, rules: PasswordRules, avoid: &str) -> Self {
        self.0.random.push(RandomValue { key: key.to_string(), length, rules, avoid: avoid.to_string() });
        self
    }

    /// A value that is put together from others of the Secret: `{KEY}`, or `{KEY:url}` for the percent-encoded form.
    pub fn composed(mut self, key: &str, template: &str) -> Self {
        self.0.composed.push(ComposedValue { key: key.to_string(), template: template.to_string() });
        self
    }

    /// A higher number makes new random values.
    pub fn generation(mut self, generation: u32) -> Self {
        self.0.generation = generation;
        self
    }

    /// Adds labels.
    pub fn labels<'a>(mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.0.labels.extend(labels.into_iter().map(|(k, v)| Label { key: k.to_string(), value: v.to_string() }));
        self
    }
}
