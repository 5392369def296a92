//! Values of Secrets that a server's item names, for the time that they are needed. Nothing here is logged or written.

use model::{
    decision::{MysqlServer, Replication, SecretKey},
    redact::Redacted,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One value, with the fingerprint that the host's cache shows of it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The value. It is overwritten when the last holder drops it.
    pub value: Arc<Redacted<Vec<u8>>>,
    /// Equal for equal values of one namespace, over restarts of the host; says nothing else about the value.
    pub fingerprint: Arc<str>,
}

/// The values that one server's item names. A key that is missing here is missing in the cluster.
#[derive(Clone, Debug, Default)]
pub struct Secrets(pub BTreeMap<SecretKey, Credential>);

impl Secrets {
    /// The value of a key.
    pub fn get(&self, key: &SecretKey) -> Option<&Credential> {
        self.0.get(key)
    }

    /// The values of these keys alone.
    pub fn only(&self, keys: &BTreeSet<&SecretKey>) -> Secrets {
        Secrets(
            self.0
                .iter()
                .filter(|(key, _)| keys.contains(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// The fingerprint of a key's value.
    pub fn fingerprint(&self, key: &SecretKey) -> Option<&str> {
        self.get(key).map(|credential| &*credential.fingerprint)
    }
}

/// Every key of a Secret that an item names.
pub fn named(server: &MysqlServer) -> BTreeSet<&SecretKey> {
    let mut keys = BTreeSet::from([&server.user, &server.password]);
    keys.extend(&server.tls.ca);
    if let Replication::Source(source) = &server.replication {
        keys.extend([&source.user, &source.password]);
        keys.extend(&source.tls.ca);
    }
    for account in &server.accounts {
        keys.extend([&account.user, &account.password]);
    }
    if let Some(reseed) = &server.reseed {
        keys.extend([&reseed.user, &reseed.password]);
        keys.extend(&reseed.tls.ca);
    }
    keys
}
