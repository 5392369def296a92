//! An indexed copy of all objects of one kind. In: watch events and the answers to our own writes. Out: lookups by
//! key, by controlling owner and by namespace, none of which scans the whole store.
//!
//! The copy is never older than our own last write (B3): the answer to a write goes in at once, an older watch event
//! for the same object is ignored, and an object whose deletion we were told of does not come back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use super::key::Key;

/// Deletions that are remembered, so that the answer to a write of ours that arrives after the watch said "gone" does not
/// bring an object back for ever. More than this many deletions never overtake one answer.
const BURIED: usize = 4096;

/// The indexed objects of one kind.
pub(crate) struct Store<K> {
    inner: RwLock<Inner<K>>,
}

struct Inner<K> {
    objects: HashMap<Key, Arc<K>>,
    /// By the uid of the controlling owner.
    owned: HashMap<String, HashSet<Key>>,
    /// Objects without a controlling owner, by namespace: the ones that may be adopted.
    loose: HashMap<String, HashSet<Key>>,
    by_namespace: HashMap<String, HashSet<Key>>,
    /// Uids that we created and no watch has shown yet; a relist from before the creation must not lose them.
    unconfirmed: HashSet<String>,
    /// Uids that we know to be gone; a late watch event must not bring them back.
    gone: HashSet<String>,
    /// Uids that the watch lately showed to be gone, oldest first.
    buried: VecDeque<String>,
}

/// What a change did to the store: the object before and after.
pub(crate) struct Change<K> {
    pub(crate) old: Option<Arc<K>>,
    pub(crate) new: Option<Arc<K>>,
}

/// The uid of the owner that controls the object.
pub(crate) fn controller_uid(meta: &ObjectMeta) -> Option<&str> {
    meta.owner_references.iter().flatten().find(|o| o.controller == Some(true)).map(|o| o.uid.as_str())
}

/// The resource version as a number. The API guarantees comparable versions within a kind since 1.35; before that every
/// server that stores in etcd had them.
fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(u64::MAX)
}

impl<K> Default for Inner<K> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            owned: HashMap::new(),
            loose: HashMap::new(),
            by_namespace: HashMap::new(),
            unconfirmed: HashSet::new(),
            gone: HashSet::new(),
            buried: VecDeque::new(),
        }
    }
}

impl<K: Resource> Inner<K> {
    fn put(&mut self, object: Arc<K>) -> Option<Arc<K>> {
        let key = Key::of(&*object);
        let old = self.take(&key);
        match controller_uid(object.meta()) {
            Some(uid) => self.owned.entry(uid.to_owned()).or_default().insert(key.clone()),
            None => self.loose.entry(key.namespace.clone()).or_default().insert(key.clone()),
        };
        self.by_namespace.entry(key.namespace.clone()).or_default().insert(key.clone());
        self.objects.insert(key, object);
        old
    }

    fn take(&mut self, key: &Key) -> Option<Arc<K>> {
        fn unlink(index: &mut HashMap<String, HashSet<Key>>, at: &str, key: &Key) {
            if let Some(set) = index.get_mut(at) {
                set.remove(key);
                if set.is_empty() {
                    index.remove(at);
                }
            }
        }
        let old = self.objects.remove(key)?;
        match controller_uid(old.meta()) {
            Some(uid) => unlink(&mut self.owned, uid, key),
            None => unlink(&mut self.loose, &key.namespace, key),
        }
        unlink(&mut self.by_namespace, &key.namespace, key);
        Some(old)
    }

    fn resolve(&self, keys: Option<&HashSet<Key>>) -> Vec<Arc<K>> {
        keys.into_iter().flatten().filter_map(|k| self.objects.get(k).cloned()).collect()
    }
}

impl<K: Resource> Store<K> {
    /// An empty store.
    pub(crate) fn new() -> Self {
        Self { inner: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of this name.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.read().objects.get(key).cloned()
    }

    /// The objects whose controlling owner has this uid.
    pub(crate) fn owned_by(&self, uid: &str) -> Vec<Arc<K>> {
        let inner = self.read();
        inner.resolve(inner.owned.get(uid))
    }

    /// The objects of a namespace that nothing controls.
    pub(crate) fn loose_in(&self, namespace: &str) -> Vec<Arc<K>> {
        let inner = self.read();
        inner.resolve(inner.loose.get(namespace))
    }

    /// The objects of a namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let inner = self.read();
        inner.resolve(inner.by_namespace.get(namespace))
    }

    /// Every object.
    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    /// Whether the store holds anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().objects.is_empty()
    }

    /// Takes the answer to our own write.
    pub(crate) fn wrote(&self, object: Arc<K>) {
        let mut inner = self.write();
        let Some(uid) = object.meta().uid.clone() else { return };
        let key = Key::of(&*object);
        match inner.objects.get(&key) {
            Some(held) if version(held.meta()) >= version(object.meta()) => {}
            Some(_) => drop(inner.put(object)),
            None if inner.gone.contains(&uid) || inner.buried.contains(&uid) => {}
            None => {
                inner.unconfirmed.insert(uid);
                inner.put(object);
            }
        }
    }

    /// Takes the news, from the answer to our own request, that the object with this uid is gone.
    pub(crate) fn removed(&self, key: &Key, uid: &str) {
        let mut inner = self.write();
        if inner.objects.get(key).is_some_and(|held| held.meta().uid.as_deref() == Some(uid)) {
            inner.take(key);
            inner.unconfirmed.remove(uid);
            inner.gone.insert(uid.to_owned());
        }
    }

    /// Takes a watch event for an object that exists. `None` when it told nothing new.
    pub(crate) fn applied(&self, object: Arc<K>) -> Option<Change<K>> {
        let mut inner = self.write();
        let uid = object.meta().uid.clone().unwrap_or_default();
        inner.unconfirmed.remove(&uid);
        if inner.gone.contains(&uid) {
            return None;
        }
        let held = inner.objects.get(&Key::of(&*object)).cloned();
        if let Some(held) = held
            && version(held.meta()) > version(object.meta())
        {
            return None;
        }
        let old = inner.put(object.clone());
        Some(Change { old, new: Some(object) })
    }

    /// Takes a watch event for an object that is gone. An object of the same name made meanwhile stays.
    pub(crate) fn deleted(&self, object: Arc<K>) -> Change<K> {
        let mut inner = self.write();
        let uid = object.meta().uid.clone().unwrap_or_default();
        inner.gone.remove(&uid);
        inner.unconfirmed.remove(&uid);
        inner.buried.push_back(uid.clone());
        if inner.buried.len() > BURIED {
            inner.buried.pop_front();
        }
        let key = Key::of(&*object);
        if inner.objects.get(&key).is_some_and(|held| held.meta().uid.as_ref() == Some(&uid)) {
            inner.take(&key);
        }
        Change { old: Some(object), new: None }
    }

    /// Replaces everything by a complete list; what the list lacks is gone, but for objects we made after it was taken.
    pub(crate) fn replaced(&self, list: Vec<Arc<K>>) -> Vec<Change<K>> {
        let mut inner = self.write();
        let newest = list.iter().map(|o| version(o.meta())).filter(|v| *v != u64::MAX).max().unwrap_or(0);
        let mut fresh = Inner {
            gone: std::mem::take(&mut inner.gone),
            buried: std::mem::take(&mut inner.buried),
            ..Inner::default()
        };
        let listed: HashSet<&str> = list.iter().filter_map(|o| o.meta().uid.as_deref()).collect();
        // A uid that the list lacks can only come back in an event from before the list, which the watch never sends.
        fresh.gone.retain(|uid| listed.contains(uid.as_str()));
        let mut changes = Vec::new();
        for object in list {
            let uid = object.meta().uid.clone().unwrap_or_default();
            if fresh.gone.contains(&uid) {
                continue;
            }
            let old = inner.take(&Key::of(&*object));
            let newer_held = old
                .as_ref()
                .filter(|old| old.meta().uid.as_ref() == Some(&uid) && version(old.meta()) > version(object.meta()));
            let object = newer_held.cloned().unwrap_or(object);
            fresh.put(object.clone());
            changes.push(Change { old, new: Some(object) });
        }
        for object in std::mem::take(&mut inner.objects).into_values() {
            let uid = object.meta().uid.clone().unwrap_or_default();
            if inner.unconfirmed.contains(&uid) && version(object.meta()) > newest {
                fresh.unconfirmed.insert(uid);
                fresh.put(object);
            } else {
                changes.push(Change { old: Some(object), new: None });
            }
        }
        *inner = fresh;
        changes
    }
}

#[cfg(test)]
mod tests;
