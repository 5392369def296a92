//! What tests ask the store after a run: every object, and how often each was written.

use super::{EventKind, ObjectKey, Store, TableKey};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often an object was created, updated and deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Creations.
    pub creates: u64,
    /// Changes.
    pub updates: u64,
    /// Removals.
    pub deletes: u64,
}

impl Counts {
    pub(super) fn count(&mut self, kind: EventKind) {
        match kind {
            EventKind::Added => self.creates += 1,
            EventKind::Modified => self.updates += 1,
            EventKind::Deleted => self.deletes += 1,
        }
    }
}

/// `plural.group/namespace/name`, without the parts that are empty.
pub(super) fn name(table: &TableKey, key: &ObjectKey) -> String {
    let mut out = table.plural.clone();
    if !table.group.is_empty() {
        out.push('.');
        out.push_str(&table.group);
    }
    for part in [&key.0, &key.1] {
        if !part.is_empty() {
            out.push('/');
            out.push_str(part);
        }
    }
    out
}

impl Store {
    /// Every object by `plural.group/namespace/name`.
    pub fn dump(&self) -> BTreeMap<String, Arc<Value>> {
        let inner = self.lock();
        inner
            .tables
            .iter()
            .flat_map(|(table, content)| {
                content.objects.iter().map(move |(key, object)| (name(table, key), object.value.clone()))
            })
            .collect()
    }

    /// How often each object was written since the start or the last [`Store::reset_counts`].
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        self.lock().counts.clone()
    }

    /// Number of writes since the start.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Forget the counts (not the number of writes).
    pub fn reset_counts(&self) {
        self.lock().counts.clear();
    }
}
