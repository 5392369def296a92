//! What was decided before and need not be decided again: one slot for each resource, within a budget of memory.
//!
//! A decision holds as long as plugin, settings and snapshot are the same, and until its `wake`. The snapshot's time is not
//! part of its identity: that is what `wake` is for.

use super::plugin::Digest;
use model::{Decision, Fault, snapshot::Instant};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// What a decision was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoKey {
    /// The plugin.
    pub plugin: Digest,
    /// Revision of the operator's settings for it.
    pub settings: u64,
    /// Hash of the snapshot without its time.
    pub snapshot: [u8; 32],
}

/// Outcomes by resource. The least recently used go first when the budget is used up.
pub struct Memo {
    slots: Mutex<Slots>,
}

struct Slots {
    by_resource: HashMap<Arc<str>, Slot>,
    /// Resources by the turn of their last use.
    by_use: BTreeMap<u64, Arc<str>>,
    turn: u64,
    bytes: usize,
    budget: usize,
}

struct Slot {
    key: MemoKey,
    outcome: Arc<Result<Decision, Fault>>,
    bytes: usize,
    used: u64,
}

impl Memo {
    /// Holds about `budget` bytes of decisions, by the length of their JSON and what it takes to find them.
    pub fn new(budget: usize) -> Self {
        let slots = Slots { by_resource: HashMap::new(), by_use: BTreeMap::new(), turn: 0, bytes: 0, budget };
        Memo { slots: Mutex::new(slots) }
    }

    /// What was decided for this resource from the same, if it still holds at `now`.
    pub fn get(&self, resource: &str, key: &MemoKey, now: Instant) -> Option<Arc<Result<Decision, Fault>>> {
        self.with(|slots| {
            let slot = slots.by_resource.get(resource)?;
            let wake = slot.outcome.as_ref().as_ref().ok().and_then(|decision| decision.wake);
            if slot.key != *key || wake.is_some_and(|wake| wake <= now) {
                return None;
            }
            let outcome = slot.outcome.clone();
            slots.touch(resource);
            Some(outcome)
        })
    }

    /// Keeps an outcome in the resource's slot. Faults that ask to be asked again are not kept, and empty the slot.
    pub fn put(&self, resource: &str, key: MemoKey, outcome: Arc<Result<Decision, Fault>>) {
        let keep = match outcome.as_ref() {
            Ok(_) | Err(Fault::Invalid(_) | Fault::Broken(_)) => true,
            Err(Fault::Retry(_) | Fault::Needs(_)) => false,
        };
        let bytes = resource.len() + size(&outcome);
        self.with(|slots| {
            slots.remove(resource);
            if keep && bytes <= slots.budget {
                slots.insert(resource.into(), key, outcome, bytes);
            }
        });
    }

    /// Empties the slot of a resource that is gone.
    pub fn forget(&self, resource: &str) {
        self.with(|slots| slots.remove(resource));
    }

    /// Outcomes that are held.
    pub fn len(&self) -> usize {
        self.with(|slots| slots.by_resource.len())
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are held, as they are counted against the budget.
    pub fn bytes(&self) -> usize {
        self.with(|slots| slots.bytes)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Slots) -> R) -> R {
        // Nothing that runs under the lock panics; a lost memo would only be decided again.
        work(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Slots {
    fn touch(&mut self, resource: &str) {
        self.turn += 1;
        if let Some(slot) = self.by_resource.get_mut(resource)
            && let Some(name) = self.by_use.remove(&slot.used)
        {
            slot.used = self.turn;
            self.by_use.insert(self.turn, name);
        }
    }

    fn insert(&mut self, resource: Arc<str>, key: MemoKey, outcome: Arc<Result<Decision, Fault>>, bytes: usize) {
        self.turn += 1;
        self.bytes += bytes;
        self.by_use.insert(self.turn, resource.clone());
        self.by_resource.insert(resource, Slot { key, outcome, bytes, used: self.turn });
        while self.bytes > self.budget {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, resource: &str) {
        if let Some(slot) = self.by_resource.remove(resource) {
            self.by_use.remove(&slot.used);
            self.bytes -= slot.bytes;
        }
    }
}

/// Bytes of an outcome: its JSON, counted without being made, and the maps around it.
fn size(outcome: &Result<Decision, Fault>) -> usize {
    /// A slot and its two keys, without the name.
    const AROUND: usize = 256;
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(AROUND);
    // Counting does not fail, and nothing in the model refuses to be serialised.
    let _ = match outcome {
        Ok(decision) => serde_json::to_writer(&mut count, decision),
        Err(fault) => serde_json::to_writer(&mut count, fault),
    };
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(snapshot: u8) -> MemoKey {
        MemoKey { plugin: Digest::of(b"plugin"), settings: 1, snapshot: [snapshot; 32] }
    }

    fn waking(wake: Option<Instant>) -> Arc<Result<Decision, Fault>> {
        Arc::new(Ok(Decision { wake, ..Decision::default() }))
    }

    #[test]
    fn the_same_snapshot_is_not_decided_again_until_its_wake() {
        let memo = Memo::new(10_000);
        memo.put("a", key(1), waking(Some(100)));
        assert!(memo.get("a", &key(1), 99).is_some());
        assert!(memo.get("a", &key(1), 100).is_none());
        memo.put("a", key(1), waking(None));
        assert!(memo.get("a", &key(1), u64::MAX).is_some());
    }

    #[test]
    fn another_snapshot_plugin_or_setting_is_decided() {
        let memo = Memo::new(10_000);
        memo.put("a", key(1), waking(None));
        assert!(memo.get("a", &key(2), 0).is_none());
        assert!(memo.get("a", &MemoKey { settings: 2, ..key(1) }, 0).is_none());
        assert!(memo.get("a", &MemoKey { plugin: Digest::of(b"other"), ..key(1) }, 0).is_none());
        assert!(memo.get("b", &key(1), 0).is_none());
    }

    #[test]
    fn a_resource_has_one_slot() {
        let memo = Memo::new(10_000);
        for snapshot in 0..100 {
            memo.put("a", key(snapshot), waking(None));
        }
        assert_eq!(memo.len(), 1);
        memo.forget("a");
        assert_eq!((memo.len(), memo.bytes()), (0, 0));
    }

    #[test]
    fn memory_is_bounded_and_the_least_recently_used_goes_first() {
        let one = Memo::new(usize::MAX);
        one.put("0", key(1), waking(None));
        let memo = Memo::new(one.bytes() * 3);
        for resource in ["0", "1", "2"] {
            memo.put(resource, key(1), waking(None));
        }
        assert!(memo.get("0", &key(1), 0).is_some());
        memo.put("3", key(1), waking(None));
        assert!(memo.get("1", &key(1), 0).is_none());
        assert!(memo.get("0", &key(1), 0).is_some());
        assert_eq!(memo.len(), 3);
    }

    #[test]
    fn a_fault_that_asks_to_be_asked_again_empties_the_slot() {
        let memo = Memo::new(10_000);
        memo.put("a", key(1), Arc::new(Err(Fault::Invalid(vec![]))));
        assert_eq!(memo.len(), 1);
        memo.put("a", key(1), Arc::new(Err(Fault::Retry("later".into()))));
        assert_eq!((memo.len(), memo.bytes()), (0, 0));
    }

    #[test]
    fn what_is_larger_than_the_budget_is_not_kept() {
        let memo = Memo::new(10);
        memo.put("a", key(1), waking(None));
        assert_eq!((memo.len(), memo.bytes()), (0, 0));
    }
}
