//! How far a host has come, for the readiness probe.

use crate::context::Plugins;
use crate::serve::Health;
use crate::watch::cache::Sync;
use crate::watch::{Cache, Watches};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How far a host has come.
#[derive(Default)]
pub(super) struct Progress {
    views: OnceLock<(Arc<Watches>, Arc<Cache>, Arc<Plugins>)>,
    /// Definitions that are not installed yet.
    pending: Mutex<Option<BTreeSet<String>>>,
}

impl Progress {
    pub fn new() -> Self {
        Progress::default()
    }

    pub fn watch(&self, watches: Arc<Watches>, cache: Arc<Cache>, plugins: Arc<Plugins>) {
        // Set once by construction.
        let _ = self.views.set((watches, cache, plugins));
    }

    /// These definitions are to be installed.
    pub fn installing(&self, names: impl IntoIterator<Item = String>) {
        *self.pending() = Some(names.into_iter().collect());
    }

    /// This one is installed, or never will be.
    pub fn settled(&self, name: &str) {
        if let Some(pending) = self.pending().as_mut() {
            pending.remove(name);
        }
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Option<BTreeSet<String>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Progress {
    fn unready(&self) -> Option<String> {
        let Some((watches, cache, plugins)) = self.views.get() else {
            return Some("waiting for the API server and for plugins to load".into());
        };
        match self.pending().as_ref() {
            None => return Some("waiting for plugins to load".into()),
            Some(pending) => {
                if let Some(name) = pending.first() {
                    return Some(format!("waiting for definition {name} to be installed"));
                }
            }
        }
        watches.kinds().into_iter().find_map(|kind| match cache.sync(&kind) {
            Sync::Synced | Sync::Missing => None,
            Sync::Listing | Sync::Unwatched => Some(format!("waiting for the first list of {kind}")),
            // Of other kinds, each resource that needs one reports it.
            Sync::Forbidden(message) => plugins.serving(&kind).map(|_| message),
        })
    }
}
