//! What this process remembers of one resource between passes. Nothing here decides what is written: every pass starts
//! from what is observed, and a process that forgot everything ends in the same state. It saves work, and it counts what
//! only shows over time.

use crate::{
    act::Past,
    decide::flapping::Flapping,
    mysql::Lease,
    observe::{Credentials, Identity, cloud, servers},
    report::Told,
    watch::Object,
};
use model::{
    Decision, Inventory, ItemId, ObjectKey,
    decision::MysqlServer,
    description::RelatedQuery,
    facts::LastWrite,
    snapshot::{Instant, Json},
    status::StatusWrite,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The memories of all resources.
#[derive(Default)]
pub struct Memories(Mutex<HashMap<ObjectKey, Memory>>);

/// What is remembered of one resource.
#[derive(Default)]
pub struct Memory {
    uid: String,
    inventory: Option<(Box<str>, Arc<Inventory>)>,
    /// When each owned object became ready, or stopped to be, by uid.
    readiness: BTreeMap<Box<str>, (bool, Instant)>,
    quiet: Option<Quiet>,
    /// The decision for a view that still has something to be done about. A quiet resource has none: of a large fleet
    /// nearly all are quiet, and none of them needs it before something changes.
    pub decided: Option<(Identity, Arc<Decision>)>,
    /// How the MySQL servers of the last decision should be: what is asked before the next.
    pub servers: BTreeMap<ItemId, Arc<MysqlServer>>,
    /// Held while there are such servers.
    pub lease: Option<Lease>,
    /// Values of the Secrets that those servers name.
    pub credentials: Credentials,
    /// What is remembered of things in Azure.
    pub cloud: super::Cloud,
    /// What servers and Azure answered last, where anything was asked.
    pub answers: Option<Arc<Answers>>,
    /// What the plugin asked for last by `needs`.
    pub needs: Vec<RelatedQuery>,
    /// Objects in the way of its items, and objects of its inventory that do not carry its marks.
    pub strangers: Vec<ObjectKey>,
    /// The resource as it was last accepted, and by which plugin: generation, [`crate::context::Served::identity`].
    pub accepted: Option<(i64, u64, Json)>,
    /// Objects of others that items of the last decision are laid over.
    pub overlaid: BTreeMap<ItemId, ObjectKey>,
    /// What was applied last, by item.
    pub last_writes: BTreeMap<ItemId, LastWrite>,
    /// Why the last change of an item failed.
    pub errors: BTreeMap<ItemId, String>,
    /// What acting taught.
    pub past: Past,
    /// How often each item changed its mind.
    pub flapping: Flapping,
    /// What users were told already.
    pub told: Told,
    /// The status as it was last written, and as the server stored it.
    pub status: Option<StatusWrite>,
}

/// What servers answered, and what was seen in Azure.
pub type Answers = (Arc<servers::Asked>, Arc<cloud::Asked>);

/// A pass that found nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// What it looked at.
    pub identity: Identity,
    /// Until when that holds if nothing changes; none: for ever.
    pub until: Option<Instant>,
}

impl Memories {
    /// Takes the memory of a resource out; a pass puts it back. There is one pass at a time for a key, and one that
    /// panics loses the memory, which is safe.
    pub fn take(&self, key: &ObjectKey, uid: &str) -> Memory {
        let memory = self.lock().remove(key).filter(|memory| memory.uid == uid);
        memory.unwrap_or_else(|| Memory::of(uid))
    }

    /// What a look at a resource needs that is no pass; the memory stays where it is. None while a pass has it, and before
    /// the first one.
    pub fn glimpse(&self, key: &ObjectKey, uid: &str) -> Option<Memory> {
        let memories = self.lock();
        let memory = memories.get(key).filter(|memory| memory.uid == uid)?;
        Some(Memory {
            inventory: memory.inventory.clone(),
            readiness: memory.readiness.clone(),
            decided: memory.decided.clone(),
            answers: memory.answers.clone(),
            needs: memory.needs.clone(),
            accepted: memory.accepted.clone(),
            overlaid: memory.overlaid.clone(),
            last_writes: memory.last_writes.clone(),
            errors: memory.errors.clone(),
            ..Memory::of(uid)
        })
    }

    /// The plugin, by [`crate::context::Served::identity`], that last accepted and decided for a resource. None while a pass
    /// is under way.
    pub fn decided_by(&self, key: &ObjectKey) -> Option<u64> {
        self.lock().get(key)?.accepted.as_ref().map(|(_, plugin, _)| *plugin)
    }

    /// Puts the memory of a resource back.
    pub fn keep(&self, key: &ObjectKey, memory: Memory) {
        self.lock().insert(key.clone(), memory);
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Of a resource of which nothing is known yet.
    pub fn of(uid: &str) -> Self {
        Memory { uid: uid.into(), ..Memory::default() }
    }

    /// The inventory that an annotation holds, read once for each new text. One that cannot be read is empty here.
    pub fn inventory(&mut self, text: Option<&str>) -> Arc<Inventory> {
        let text = text.unwrap_or_default();
        match &self.inventory {
            Some((known, inventory)) if **known == *text => inventory.clone(),
            _ => {
                let read =
                    if text.is_empty() { Inventory::default() } else { Inventory::read(text).unwrap_or_default() };
                let inventory = Arc::new(read);
                self.inventory = Some((text.into(), inventory.clone()));
                inventory
            }
        }
    }

    /// Since when an object is ready, or is not; zero where this process has not seen it change.
    pub fn ready_since(&mut self, uid: &str, ready: bool, now: Instant) -> Instant {
        match self.readiness.get_mut(uid) {
            Some((before, since)) => {
                if *before != ready {
                    (*before, *since) = (ready, now);
                }
                *since
            }
            None => {
                self.readiness.insert(uid.into(), (ready, 0));
                0
            }
        }
    }

    /// Notes whether the pass found nothing to do and nothing to say. From then on only what a later pass cannot find
    /// out again is kept, and no document but the one that the cache holds.
    pub fn rest(&mut self, quiet: Option<Quiet>, resource: &Object) {
        self.quiet = quiet;
        if quiet.is_none() {
            return;
        }
        self.decided = None;
        if let Some((generation, _, document)) = &mut self.accepted
            && *generation == resource.generation
        {
            *document = resource.json.clone();
        }
    }

    /// Whether the last pass looked at the same and had nothing to do, and that still holds; then until when.
    pub fn still_quiet(&self, identity: Identity, now: Instant) -> Option<Option<Instant>> {
        let quiet = self.quiet.filter(|quiet| quiet.identity == identity)?;
        quiet.until.is_none_or(|until| now < until).then_some(quiet.until)
    }

    /// Forgets the readiness of objects that are not there any more, once more are remembered than there are.
    pub fn forget_others<'a>(&mut self, count: usize, uids: impl FnOnce() -> BTreeSet<&'a str>) {
        if self.readiness.len() > count {
            let uids = uids();
            self.readiness.retain(|uid, _| uids.contains(&**uid));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Kind;

    #[test]
    fn a_later_resource_of_the_same_name_inherits_nothing() {
        let key = ObjectKey { kind: Kind::new("x", "v1", "X"), namespace: None, name: "x".into() };
        let memories = Memories::default();
        let mut memory = memories.take(&key, "one");
        memory.errors.insert("item".into(), "failed".into());
        memories.keep(&key, memory);
        assert_eq!(memories.take(&key, "two").errors.len(), 0);
    }

    #[test]
    fn readiness_counts_from_the_change_that_was_seen() {
        let mut memory = Memory::default();
        assert_eq!(memory.ready_since("a", false, 10), 0);
        assert_eq!(memory.ready_since("a", true, 20), 20);
        assert_eq!(memory.ready_since("a", true, 30), 20);
        memory.forget_others(0, BTreeSet::new);
        assert_eq!(memory.ready_since("a", true, 40), 0);
    }
}
