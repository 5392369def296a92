//! Our own writes come in; out comes whether the cache has seen them. A resource is not acted on from a view that is
//! older than what was last written for it (B3), so that nothing is created twice or judged by a stale state.
//!
//! The idea is that of KEP-5647: each write returns a resource version; the view is fresh once it has reached it.

use super::cache::Cache;
use model::ObjectKey;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Whether the cache has seen the last writes for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It has seen them all.
    Fresh,
    /// It has not seen one of them.
    Behind {
        /// The object that was written.
        object: ObjectKey,
        /// When it was written, on the monotonic clock.
        since: Instant,
    },
}

/// Writes that the cache may not have seen, by the resource that they were made for.
#[derive(Debug, Default)]
pub struct Ledger {
    writes: Mutex<HashMap<ObjectKey, BTreeMap<ObjectKey, Write>>>,
}

#[derive(Clone, Debug)]
struct Write {
    at: Instant,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Written, and has this version since.
    Version(u64),
    /// Deletion was asked for.
    Deleted { uid: String },
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Ledger::default()
    }

    /// Notes that `object` was written for `owner` and has `resource_version` since. A version that is no number has no
    /// order and is not waited for.
    pub fn wrote(&self, owner: &ObjectKey, object: &ObjectKey, resource_version: &str) {
        let Ok(version) = resource_version.parse() else { return };
        self.note(owner, object, What::Version(version));
    }

    /// Notes that the deletion of `object` with `uid` was accepted.
    pub fn deleted(&self, owner: &ObjectKey, object: &ObjectKey, uid: &str) {
        self.note(owner, object, What::Deleted { uid: uid.to_owned() });
    }

    /// Whether the cache has seen all that was written for `owner`. What it has seen is forgotten.
    pub fn fresh(&self, owner: &ObjectKey, cache: &Cache) -> Freshness {
        let mut writes = self.lock();
        let Some(pending) = writes.get_mut(owner) else { return Freshness::Fresh };
        pending.retain(|object, write| !write.seen(object, cache));
        let oldest = pending.iter().min_by_key(|(_, write)| write.at);
        let Some((object, write)) = oldest else {
            writes.remove(owner);
            return Freshness::Fresh;
        };
        Freshness::Behind { object: object.clone(), since: write.at }
    }

    /// Forgets a write: a live read has shown what became of it.
    pub fn settle(&self, owner: &ObjectKey, object: &ObjectKey) {
        if let Some(pending) = self.lock().get_mut(owner) {
            pending.remove(object);
        }
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, owner: &ObjectKey) {
        self.lock().remove(owner);
    }

    fn note(&self, owner: &ObjectKey, object: &ObjectKey, what: What) {
        let write = Write { at: Instant::now(), what };
        self.lock().entry(owner.clone()).or_default().insert(object.clone(), write);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, BTreeMap<ObjectKey, Write>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write {
    fn seen(&self, object: &ObjectKey, cache: &Cache) -> bool {
        let cached = cache.get(object);
        match &self.what {
            // Any later event of the kind, and a bookmark, tell that this one was told as well.
            What::Version(version) => {
                cached.and_then(|cached| cached.version()).is_some_and(|cached| cached >= *version)
                    || cache.seen(&object.kind, object.namespace.as_deref()) >= *version
            }
            // Finalizers and grace periods keep an object for a while, marked.
            What::Deleted { uid } => cached.is_none_or(|cached| cached.uid != *uid || cached.is_deleting()),
        }
    }
}

#[cfg(test)]
mod tests;
