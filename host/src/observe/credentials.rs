//! Values of Secrets for the backends. Names of keys in, values out, read from the API server when they are needed: the
//! cache holds fingerprints alone. A value is kept as long as the cache shows the same fingerprint and somebody names it.

use crate::{
    act::{Actor, kubernetes::Target},
    mysql::{Credential, Secrets},
    watch::Cache,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Kind, ObjectKey, decision::SecretKey, redact::Redacted};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Values that were read for one resource, by Secret.
#[derive(Debug, Default)]
pub struct Credentials(BTreeMap<String, Stored>);

#[derive(Debug)]
struct Stored {
    /// Version of the Secret for which the values are known to hold.
    version: String,
    values: BTreeMap<String, Credential>,
}

impl Credentials {
    /// Forgets the values of all other keys.
    pub fn only(&mut self, keys: &BTreeSet<&SecretKey>) {
        self.0.retain(|secret, stored| {
            stored.values.retain(|key, _| keys.iter().any(|named| named.secret == *secret && named.key == *key));
            !stored.values.is_empty()
        });
    }

    /// The values of these keys, in the namespace of the resource. A key that is not there is left out, and so is one
    /// that cannot be read now.
    pub async fn resolve(
        &mut self,
        keys: &BTreeSet<&SecretKey>,
        namespace: Option<&str>,
        cache: &Cache,
        actor: &Actor,
    ) -> Secrets {
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for key in keys {
            wanted.entry(&key.secret).or_default().insert(&key.key);
        }
        let mut secrets = Secrets::default();
        for (secret, keys) in wanted {
            let at = ObjectKey {
                kind: Kind::new("", "v1", "Secret"),
                namespace: namespace.map(str::to_owned),
                name: secret.to_owned(),
            };
            self.renew(&at, &keys, cache, actor).await;
            let Some(stored) = self.0.get(secret) else { continue };
            for (key, credential) in stored.values.iter().filter(|(key, _)| keys.contains(key.as_str())) {
                secrets.0.insert(SecretKey { secret: secret.into(), key: key.clone() }, credential.clone());
            }
        }
        secrets
    }

    /// Makes what is stored of one Secret agree with the cache.
    async fn renew(&mut self, at: &ObjectKey, keys: &BTreeSet<&str>, cache: &Cache, actor: &Actor) {
        let Some(object) = cache.get(at) else {
            self.0.remove(&at.name);
            return;
        };
        let has_all = |stored: &Stored| keys.iter().all(|key| stored.values.contains_key(*key));
        if self.0.get(&at.name).is_some_and(|stored| stored.version == object.resource_version && has_all(stored)) {
            return;
        }
        let shown = object.value();
        let fingerprint = |key: &str| shown.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str);
        if let Some(stored) = self.0.get_mut(&at.name) {
            stored.values.retain(|key, credential| fingerprint(key) == Some(&credential.fingerprint));
            let exist = |key: &&&str| fingerprint(key).is_some();
            if keys.iter().filter(exist).all(|key| stored.values.contains_key(*key)) {
                stored.version.clone_from(&object.resource_version);
                return;
            }
        }
        if !keys.iter().any(|key| fingerprint(key).is_some()) {
            return;
        }
        let known =
            self.0.get(&at.name).map(|stored| stored.values.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let keys = keys.iter().copied().chain(known.iter().map(String::as_str)).collect();
        match read(at, &keys, actor).await {
            Some(stored) => {
                self.0.insert(at.name.clone(), stored);
            }
            None => {
                self.0.remove(&at.name);
            }
        }
    }
}

async fn read(at: &ObjectKey, keys: &BTreeSet<&str>, actor: &Actor) -> Option<Stored> {
    let served = actor.served_as(at).await.ok()?;
    let secret = match actor.reader.get(Target { key: at, resource: &served }).await {
        Ok(secret) => secret?,
        Err(failure) => {
            tracing::debug!(secret = %at, reason = failure.reason(), "a Secret could not be read");
            return None;
        }
    };
    let namespace = at.namespace.as_deref().unwrap_or_default();
    let mut values = BTreeMap::new();
    for key in keys {
        let Some(encoded) = secret.get("data").and_then(|data| data.get(*key)).and_then(Value::as_str) else {
            continue;
        };
        let Ok(value) = STANDARD.decode(encoded) else { continue };
        let fingerprint = Arc::from(actor.fingerprints.fingerprint(namespace, &value));
        values.insert((*key).to_owned(), Credential { value: Arc::new(Redacted::new(value)), fingerprint });
    }
    let version = secret.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Stored { version, values })
}
