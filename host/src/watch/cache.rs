//! Lists and events of watched kinds come in; objects by key, owner and selector go out. One shared copy of each object.
//!
//! A kind is filled by one *feed*, or by one for each namespace that the host is limited to. What a feed says never
//! moves the view of an object backwards (B4), and a list replaces the feed's part at once, without a gap (C4, C5).

use super::object::Object;
use model::{Kind, ObjectKey, related::Selector};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What one ListWatch fills: a kind, in one namespace or in all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Feed {
    /// The kind.
    pub kind: Kind,
    /// The namespace; none for all of them and for cluster-scoped kinds.
    pub namespace: Option<String>,
}

/// How far the view of a kind is to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Nobody watches the kind.
    #[default]
    Unwatched,
    /// The first list is not complete: nothing is known.
    Listing,
    /// Complete as of the version that [`Cache::seen`] tells.
    Synced,
    /// The API server does not serve the kind (its definition is not installed): there are no such objects.
    Missing,
    /// The API server does not let us see the kind; the text says what to grant.
    Forbidden(String),
}

/// What happened to one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// As it was; none for a new object.
    pub old: Option<Arc<Object>>,
    /// As it is; none for one that is gone.
    pub new: Option<Arc<Object>>,
    /// It was told by the first list of its kind: nothing happened, we only began to look.
    pub first: bool,
}

impl Change {
    /// The object, as it is or as it last was.
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// The shared cache of all watched kinds.
#[derive(Debug, Default)]
pub struct Cache {
    kinds: RwLock<HashMap<Kind, Part>>,
}

/// One kind. Objects by namespace (empty for cluster-scoped) and name, so that lists are in order and cheap.
#[derive(Debug, Default)]
struct Part {
    objects: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
    count: usize,
    owned: HashMap<Box<str>, Vec<Arc<Object>>>,
    feeds: BTreeMap<Option<String>, Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    sync: Sync,
    seen: u64,
}

impl Cache {
    /// An empty cache.
    pub fn new() -> Self {
        Cache::default()
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.read().get(&key.kind)?.get(key.namespace.as_deref(), &key.name).cloned()
    }

    /// All objects of all watched kinds that belong to a uid, by owner reference or by the host's label, ordered by key.
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<Object>> {
        let kinds = self.read();
        let mut owned: Vec<_> = kinds.values().filter_map(|part| part.owned.get(uid)).flatten().cloned().collect();
        owned.sort_by(|a, b| a.key.cmp(&b.key));
        owned
    }

    /// Objects of a kind: in a namespace or, for `None`, in all; that match the selector; and whose name is among
    /// `names`, where `names` is not empty. Ordered by namespace and name.
    pub fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: &Selector,
        names: &[String],
    ) -> Vec<Arc<Object>> {
        let kinds = self.read();
        let Some(part) = kinds.get(kind) else { return Vec::new() };
        let spaces: Vec<_> = match namespace {
            Some(namespace) => part.objects.get(namespace).into_iter().collect(),
            None => part.objects.values().collect(),
        };
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut found = Vec::new();
        for space in spaces {
            // What is named is not searched for among a whole fleet.
            let named = names.iter().filter_map(|name| space.get(*name));
            let all = space.values().filter(|_| names.is_empty());
            found.extend(named.chain(all).filter(|object| selector.matches(&object.labels)).cloned());
        }
        found
    }

    /// Keys of all objects of a kind.
    pub fn keys(&self, kind: &Kind) -> Vec<ObjectKey> {
        let kinds = self.read();
        let objects = kinds.get(kind).into_iter().flat_map(|part| part.objects.values()).flat_map(BTreeMap::values);
        objects.map(|object| object.key.clone()).collect()
    }

    /// How many objects of each kind there are.
    pub fn counts(&self) -> Vec<(Kind, usize)> {
        self.read().iter().map(|(kind, part)| (kind.clone(), part.count)).collect()
    }

    /// Whether the view of the kind is complete: every feed has had its first list.
    pub fn synced(&self, kind: &Kind) -> bool {
        self.sync(kind) == Sync::Synced
    }

    /// How far the view of the kind is to be trusted: what its least trusted feed says.
    pub fn sync(&self, kind: &Kind) -> Sync {
        let kinds = self.read();
        let Some(part) = kinds.get(kind) else { return Sync::Unwatched };
        let rank = |sync: &Sync| match sync {
            Sync::Unwatched => 0,
            Sync::Forbidden(_) => 1,
            Sync::Listing => 2,
            Sync::Missing => 3,
            Sync::Synced => 4,
        };
        part.feeds.values().map(|progress| &progress.sync).min_by_key(|sync| rank(sync)).cloned().unwrap_or_default()
    }

    /// The resource version that the view of a kind has reached in a namespace, by list, event or bookmark; 0 for none.
    pub fn seen(&self, kind: &Kind, namespace: Option<&str>) -> u64 {
        let kinds = self.read();
        let Some(part) = kinds.get(kind) else { return 0 };
        let feed = part.feeds.get(&namespace.map(str::to_owned)).or_else(|| part.feeds.get(&None));
        feed.map_or(0, |progress| progress.seen)
    }

    // ---------------------------------------------------------------------------------------------- fed by the watches

    /// Says how far a feed is to be trusted.
    pub fn set_sync(&self, feed: &Feed, sync: Sync) {
        self.write().entry(feed.kind.clone()).or_default().feed(feed).sync = sync;
    }

    /// Takes a complete list: what it has is there, what it lacks is gone, unless `keep` names it (objects that the
    /// list has but that could not be read). Returns what changed. A list that is older than the view stands for a
    /// cluster that was put back from a backup; whether it does, the caller has to know.
    pub fn replace(&self, feed: &Feed, objects: Vec<Object>, keep: &[ObjectKey], version: Option<u64>) -> Vec<Change> {
        let mut kinds = self.write();
        let part = kinds.entry(feed.kind.clone()).or_default();
        let mut gone: BTreeMap<ObjectKey, Arc<Object>> =
            part.of_feed(feed).map(|object| (object.key.clone(), object.clone())).collect();
        if version.is_some_and(|version| version < part.feed(feed).seen) {
            return part.restore(feed, gone, objects, version);
        }
        let first = part.feed(feed).sync != Sync::Synced && gone.is_empty();
        let mut changes = Vec::new();
        for object in objects {
            gone.remove(&object.key);
            changes.extend(part.put(object).map(|change| Change { first, ..change }));
        }
        for key in keep {
            gone.remove(key);
        }
        for object in gone.into_values() {
            part.remove(&object.key);
            changes.push(Change { old: Some(object), new: None, first: false });
        }
        let progress = part.feed(feed);
        progress.sync = Sync::Synced;
        progress.seen = version.unwrap_or(progress.seen);
        changes
    }

    /// Takes an object of an event. Nothing happens when the view has passed the event already (C2, B4).
    pub fn apply(&self, feed: &Feed, object: Object) -> Option<Change> {
        let mut kinds = self.write();
        let part = kinds.entry(feed.kind.clone()).or_default();
        if !part.feed(feed).advance(object.version()) {
            return None;
        }
        part.put(object)
    }

    /// Takes the deletion of an object. Nothing happens when the view has passed the event already.
    pub fn delete(&self, feed: &Feed, key: &ObjectKey, version: Option<u64>) -> Option<Change> {
        let mut kinds = self.write();
        let part = kinds.entry(feed.kind.clone()).or_default();
        if !part.feed(feed).advance(version) {
            return None;
        }
        part.remove(key).map(|old| Change { old: Some(old), new: None, first: false })
    }

    /// Takes a bookmark: everything up to the version has been told.
    pub fn bookmark(&self, feed: &Feed, version: u64) {
        self.write().entry(feed.kind.clone()).or_default().feed(feed).advance(Some(version));
    }

    /// Takes one object as a live read showed it, or that it is gone. The view of other objects does not move.
    pub fn reread(&self, key: &ObjectKey, object: Option<Object>) -> Option<Change> {
        let mut kinds = self.write();
        let part = kinds.get_mut(&key.kind)?;
        match object {
            Some(object) => part.put(object),
            None => part.remove(key).map(|old| Change { old: Some(old), new: None, first: false }),
        }
    }

    /// Forgets a feed and its objects.
    pub fn forget(&self, feed: &Feed) {
        let mut kinds = self.write();
        let Some(part) = kinds.get_mut(&feed.kind) else { return };
        let keys: Vec<_> = part.of_feed(feed).map(|object| object.key.clone()).collect();
        for key in keys {
            part.remove(&key);
        }
        part.feeds.remove(&feed.namespace);
        if part.feeds.is_empty() {
            kinds.remove(&feed.kind);
        }
    }

    /// Forgets a kind.
    pub fn forget_kind(&self, kind: &Kind) {
        self.write().remove(kind);
    }

    // A panic while the lock was held leaves single maps whole, so the cache stays usable (A8).
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Kind, Part>> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Kind, Part>> {
        self.kinds.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// False when the view has passed the version already. Versions that are no numbers have no order: all are taken.
    fn advance(&mut self, version: Option<u64>) -> bool {
        let Some(version) = version else { return true };
        let news = version > self.seen;
        self.seen = self.seen.max(version);
        news
    }
}

impl Part {
    fn feed(&mut self, feed: &Feed) -> &mut Progress {
        self.feeds.entry(feed.namespace.clone()).or_default()
    }

    fn of_feed(&self, feed: &Feed) -> impl Iterator<Item = &Arc<Object>> {
        let spaces =
            self.objects.iter().filter(|(space, _)| feed.namespace.as_ref().is_none_or(|wanted| wanted == *space));
        spaces.flat_map(|(_, objects)| objects.values())
    }

    fn get(&self, namespace: Option<&str>, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(namespace.unwrap_or_default())?.get(name)
    }

    fn restore(
        &mut self,
        feed: &Feed,
        old: BTreeMap<ObjectKey, Arc<Object>>,
        objects: Vec<Object>,
        version: Option<u64>,
    ) -> Vec<Change> {
        let mut changes: BTreeMap<ObjectKey, Change> = BTreeMap::new();
        for (key, object) in old {
            self.remove(&key);
            changes.insert(key, Change { old: Some(object), new: None, first: false });
        }
        for object in objects {
            let key = object.key.clone();
            let new = self.put(object).and_then(|change| change.new);
            changes.entry(key).or_insert(Change { old: None, new: None, first: false }).new = new;
        }
        let progress = self.feed(feed);
        progress.sync = Sync::Synced;
        progress.seen = version.unwrap_or(0);
        changes.into_values().collect()
    }

    /// Nothing happens when the view of this object is of the same or a later version.
    fn put(&mut self, object: Object) -> Option<Change> {
        let old = self.get(object.key.namespace.as_deref(), &object.key.name).cloned();
        if let Some(old) = &old {
            let older = object.version().zip(old.version()).is_some_and(|(new, old)| new <= old);
            if older || object.resource_version == old.resource_version {
                return None;
            }
            self.disown(old);
        } else {
            self.count += 1;
        }
        let new = Arc::new(object);
        for uid in owners(&new) {
            let owned = self.owned.entry(uid.into()).or_default();
            let at = owned.partition_point(|other| other.key < new.key);
            owned.insert(at, new.clone());
        }
        let space = new.key.namespace.clone().unwrap_or_default();
        self.objects.entry(space).or_default().insert(new.key.name.clone(), new.clone());
        Some(Change { old, new: Some(new), first: false })
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Object>> {
        let space = key.namespace.as_deref().unwrap_or_default();
        let objects = self.objects.get_mut(space)?;
        let old = objects.remove(&key.name)?;
        if objects.is_empty() {
            self.objects.remove(space);
        }
        self.count -= 1;
        self.disown(&old);
        Some(old)
    }

    fn disown(&mut self, object: &Arc<Object>) {
        for uid in owners(object) {
            let Some(owned) = self.owned.get_mut(uid) else { continue };
            owned.retain(|other| other.key != object.key);
            if owned.is_empty() {
                self.owned.remove(uid);
            }
        }
    }
}

/// Uids that an object belongs to, each once.
fn owners(object: &Object) -> impl Iterator<Item = &str> {
    let label = object.owner_label().filter(|label| !object.owner_uids.iter().any(|uid| uid == label));
    let mut uids: Vec<&str> = object.owner_uids.iter().map(String::as_str).chain(label).collect();
    uids.sort_unstable();
    uids.dedup();
    uids.into_iter()
}

#[cfg(test)]
mod tests;
