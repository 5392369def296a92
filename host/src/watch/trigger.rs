//! Changes of objects come in, keys of the resources that they concern go out: the object itself, what it belongs to,
//! and every resource whose last decision read it.

use super::cache::{Cache, Change};
use super::object::Object;
use super::queue::Cause;
use model::description::RelatedQuery;
use model::{Kind, ObjectKey, related::Selector};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Knows which resources a change concerns.
#[derive(Debug, Default)]
pub struct Trigger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    served: HashSet<Kind>,
    /// Resources of served kinds by uid.
    uids: HashMap<String, ObjectKey>,
    /// Who reads what, by kind and namespace; no namespace: all.
    readers: HashMap<Kind, HashMap<Option<String>, Readers>>,
    /// The same by reader, so that it can be replaced.
    reads: HashMap<ObjectKey, Vec<RelatedQuery>>,
}

/// What each resource reads of one kind in one namespace.
type Readers = HashMap<ObjectKey, Vec<Filter>>;

#[derive(Debug)]
struct Filter {
    selector: Selector,
    names: Vec<String>,
}

impl Filter {
    fn matches(&self, object: &Object) -> bool {
        (self.names.is_empty() || self.names.contains(&object.key.name)) && self.selector.matches(&object.labels)
    }
}

impl Trigger {
    /// Serves no kind yet.
    pub fn new() -> Self {
        Trigger::default()
    }

    /// From now on objects of this kind are resources. Returns those that the cache has.
    pub fn serve(&self, kind: &Kind, cache: &Cache) -> Vec<ObjectKey> {
        let mut state = self.lock();
        state.served.insert(kind.clone());
        let keys = cache.keys(kind);
        for object in keys.iter().filter_map(|key| cache.get(key)) {
            state.uids.insert(object.uid.clone(), object.key.clone());
        }
        keys
    }

    /// Objects of this kind are resources no more.
    pub fn stop_serving(&self, kind: &Kind) {
        let mut state = self.lock();
        state.served.remove(kind);
        state.uids.retain(|_, key| key.kind != *kind);
        let readers: Vec<_> = state.reads.keys().filter(|key| key.kind == *kind).cloned().collect();
        for reader in readers {
            state.set_reads(&reader, &[]);
        }
    }

    /// The kinds whose objects are resources.
    pub fn served(&self) -> Vec<Kind> {
        self.lock().served.iter().cloned().collect()
    }

    /// Notes what the last decision about a resource read, instead of what it read before. A query without a namespace
    /// is about the resource's own.
    pub fn reads(&self, resource: &ObjectKey, queries: &[RelatedQuery]) {
        let mut state = self.lock();
        if state.reads.get(resource).map_or(&[][..], Vec::as_slice) != queries {
            state.set_reads(resource, queries);
        }
    }

    /// The kinds that some resource's last decision read.
    pub fn kinds_read(&self) -> HashSet<Kind> {
        self.lock().readers.keys().cloned().collect()
    }

    /// The resources that a change concerns, each once, with why.
    pub fn keys(&self, change: &Change) -> Vec<(ObjectKey, Cause)> {
        let mut state = self.lock();
        let Some(object) = change.object() else { return Vec::new() };
        let mut keys = BTreeMap::new();
        if state.served.contains(&object.key.kind) {
            state.note_uid(change);
            if is_edit(change) {
                // After a start, edits of users must not wait behind all that is there anyway.
                let cause = if change.first { Cause::Change } else { Cause::Edit };
                keys.insert(object.key.clone(), cause);
            }
        }
        if !is_visible(change) {
            return keys.into_iter().collect();
        }
        for object in change.old.iter().chain(&change.new) {
            let uids = object.owner_uids.iter().map(String::as_str).chain(object.owner_label());
            for owner in uids.filter_map(|uid| state.uids.get(uid)) {
                keys.entry(owner.clone()).or_insert(Cause::Change);
            }
            for reader in state.readers_of(object) {
                keys.entry(reader.clone()).or_insert(Cause::Change);
            }
        }
        keys.into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody changed what the resource asks for, or its metadata. Its status is what we write ourselves.
fn is_edit(change: &Change) -> bool {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => old.uid != new.uid || old.content != new.content,
        _ => true,
    }
}

/// Something moved that a decision about another resource may depend on.
fn is_visible(change: &Change) -> bool {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => {
            let parts = |object: &Object| (object.content, object.status, object.owned_fields, object.generation);
            old.uid != new.uid || parts(old) != parts(new)
        }
        _ => true,
    }
}

impl State {
    fn note_uid(&mut self, change: &Change) {
        if let Some(old) = &change.old {
            self.uids.remove(&old.uid);
        }
        match (&change.new, change.object()) {
            (Some(new), _) => {
                self.uids.insert(new.uid.clone(), new.key.clone());
            }
            (None, Some(gone)) => {
                let key = gone.key.clone();
                self.set_reads(&key, &[]);
            }
            (None, None) => {}
        }
    }

    fn readers_of<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a ObjectKey> {
        let spaces = self.readers.get(&object.key.kind).into_iter().flatten();
        // An object without a namespace is seen from every one.
        let near = spaces
            .filter(|(space, _)| space.is_none() || object.key.namespace.is_none() || **space == object.key.namespace);
        let readers = near.flat_map(|(_, readers)| readers);
        readers.filter(|(_, filters)| filters.iter().any(|filter| filter.matches(object))).map(|(reader, _)| reader)
    }

    fn set_reads(&mut self, resource: &ObjectKey, queries: &[RelatedQuery]) {
        for query in self.reads.remove(resource).unwrap_or_default() {
            let Some(spaces) = self.readers.get_mut(&query.kind) else { continue };
            for readers in spaces.values_mut() {
                readers.remove(resource);
            }
            spaces.retain(|_, readers| !readers.is_empty());
            if spaces.is_empty() {
                self.readers.remove(&query.kind);
            }
        }
        for query in queries {
            // A selector that does not parse matches nothing; observation reports it.
            let Ok(selector) = Selector::parse(query.label_selector.as_deref().unwrap_or_default()) else { continue };
            let space = query.namespace.clone().or_else(|| resource.namespace.clone());
            let readers = self.readers.entry(query.kind.clone()).or_default().entry(space).or_default();
            let filter = Filter { selector, names: query.names.clone() };
            readers.entry(resource.clone()).or_default().push(filter);
        }
        if !queries.is_empty() {
            self.reads.insert(resource.clone(), queries.to_vec());
        }
    }
}

#[cfg(test)]
mod tests;
