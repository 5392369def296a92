//! What the queue knows: values in, values out, the time passed in.

use super::{Cause, Limits, Taken};
use model::{Kind, ObjectKey};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Every this many keys of a kind, the least urgent goes first, so that it comes to its turn at all.
const TURN_OF_THE_LAST: u32 = 8;

/// A moment and a number, so that two timers of one moment stay two.
type Timer = (Instant, u64);

#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    kinds: HashMap<Kind, Lanes>,
    /// Kinds that have keys waiting, in turn.
    turns: VecDeque<Kind>,
    keys: HashMap<ObjectKey, Entry>,
    timers: BTreeMap<Timer, (ObjectKey, Cause)>,
    timer_number: u64,
    out: usize,
    out_resync: usize,
    pub(super) closed: bool,
}

/// Keys of one kind that wait. A key whose cause became more urgent is in two lanes; the entry says which one counts.
#[derive(Debug, Default)]
struct Lanes {
    edits: VecDeque<ObjectKey>,
    changes: VecDeque<ObjectKey>,
    resyncs: VecDeque<ObjectKey>,
    out: usize,
    out_resync: usize,
    taken: u32,
}

impl Lanes {
    fn lane(&mut self, cause: Cause) -> &mut VecDeque<ObjectKey> {
        match cause {
            Cause::Edit => &mut self.edits,
            Cause::Change => &mut self.changes,
            Cause::Resync => &mut self.resyncs,
        }
    }
}

/// What is known about one key. There is none for a key that waits for nothing and never failed.
#[derive(Debug, Default)]
struct Entry {
    waiting: Option<Cause>,
    out: Option<Cause>,
    failures: u32,
    cache_waits: u32,
    /// When it is due: a pause after a failure, or a wake.
    due: Option<Timer>,
    resync: Option<Timer>,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        State {
            limits,
            kinds: HashMap::new(),
            turns: VecDeque::new(),
            keys: HashMap::new(),
            timers: BTreeMap::new(),
            timer_number: 0,
            out: 0,
            out_resync: 0,
            closed: false,
        }
    }

    pub(super) fn push(&mut self, key: &ObjectKey, cause: Cause, now: Instant) {
        let entry = self.keys.entry(key.clone()).or_default();
        if entry.out.is_some() {
            entry.waiting = entry.waiting.max(Some(cause));
            return;
        }
        if let Some(due) = entry.due.filter(|_| entry.failures > 0) {
            match cause {
                Cause::Edit => {}
                Cause::Change => {
                    let soon = now + self.limits.pause_after_change;
                    if soon < due.0 {
                        self.set_due(key, Some(soon));
                    }
                    return;
                }
                Cause::Resync => return,
            }
        }
        self.set_due(key, None);
        self.enqueue(key, cause);
    }

    pub(super) fn resync_at(&mut self, key: &ObjectKey, at: Instant) {
        let timer = self.add_timer(at, key, Cause::Resync);
        let entry = self.keys.entry(key.clone()).or_default();
        if let Some(old) = entry.resync.replace(timer) {
            self.timers.remove(&old);
        }
    }

    /// Puts in what is due.
    pub(super) fn fire(&mut self, now: Instant) {
        while let Some(timer) = self.timers.first_entry().filter(|timer| timer.key().0 <= now) {
            let (fired, (key, cause)) = timer.remove_entry();
            let Some(entry) = self.keys.get_mut(&key) else { continue };
            if entry.due == Some(fired) {
                entry.due = None;
            }
            if entry.resync == Some(fired) {
                entry.resync = None;
            }
            self.push(&key, cause, now);
        }
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(timer, _)| timer.0)
    }

    pub(super) fn take(&mut self) -> Option<Taken> {
        if self.out >= self.limits.total {
            return None;
        }
        for _ in 0..self.turns.len() {
            let kind = self.turns.pop_front()?;
            let taken = self.take_of(&kind);
            if self.kinds.get(&kind).is_some_and(|lanes| lanes.waiting() > 0) {
                self.turns.push_back(kind);
            }
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    /// Whether a kind may have one more key out. Beyond a bound for all kinds together, only those that have less than their
    /// even share may: what takes long keeps the hands that it has, and gets no more of them.
    fn has_hands_for(&self, kind: &Kind) -> bool {
        let Limits { total, per_kind, .. } = self.limits;
        let out = self.kinds.get(kind).map_or(0, |lanes| lanes.out);
        if out >= per_kind {
            return false;
        }
        if self.out < per_kind {
            return true;
        }
        let busy = self.kinds.values().filter(|lanes| lanes.out > 0 || lanes.waiting() > 0).count();
        // One share is left for a kind that has nothing to do yet.
        out < (total / (busy + 1)).max(1)
    }

    fn take_of(&mut self, kind: &Kind) -> Option<Taken> {
        if !self.has_hands_for(kind) {
            return None;
        }
        let lanes = self.kinds.get_mut(kind)?;
        let spare = |limit: usize| limit - (limit / 4).max(1);
        let resync_allowed =
            self.out_resync < spare(self.limits.total) && lanes.out_resync < spare(self.limits.per_kind);
        let mut order = [Cause::Edit, Cause::Change, Cause::Resync];
        if lanes.taken % TURN_OF_THE_LAST == TURN_OF_THE_LAST - 1 {
            order.reverse();
        }
        for cause in order {
            if cause == Cause::Resync && !resync_allowed {
                continue;
            }
            while let Some(key) = lanes.lane(cause).pop_front() {
                let Some(entry) = self.keys.get_mut(&key).filter(|entry| entry.waiting == Some(cause)) else {
                    continue; // Went out by a more urgent lane.
                };
                if entry.out.is_some() {
                    continue;
                }
                entry.waiting = None;
                entry.out = Some(cause);
                lanes.out += 1;
                lanes.taken = lanes.taken.wrapping_add(1);
                self.out += 1;
                if cause == Cause::Resync {
                    lanes.out_resync += 1;
                    self.out_resync += 1;
                }
                return Some(Taken { key, cause, failures: entry.failures });
            }
        }
        None
    }

    pub(super) fn failures(&self, key: &ObjectKey) -> u32 {
        self.keys.get(key).map_or(0, |entry| entry.failures)
    }

    pub(super) fn succeeded(&mut self, key: &ObjectKey, wake: Option<Instant>) {
        let waiting = self.give_back(key);
        self.set(key, |entry| (entry.failures, entry.cache_waits) = (0, 0));
        self.set_due(key, wake);
        self.again(key, waiting);
    }

    pub(super) fn failed(&mut self, key: &ObjectKey, failures: u32, now: Instant, pause: Duration) {
        let waiting = self.give_back(key);
        self.set(key, |entry| (entry.failures, entry.cache_waits) = (failures, 0));
        self.set_due(key, Some(now + pause));
        if let Some(cause) = waiting {
            self.push(key, cause, now);
        }
    }

    /// Tries again soon, and a little later each time: an event is likelier to come first.
    pub(super) fn waits(&mut self, key: &ObjectKey, now: Instant) {
        let waiting = self.give_back(key);
        let mut waits = 0;
        self.set(key, |entry| {
            waits = entry.cache_waits;
            entry.cache_waits += 1;
        });
        let pause = Duration::from_millis(20).saturating_mul(1 << waits.min(6)).min(Duration::from_secs(1));
        self.set_due(key, Some(now + pause));
        self.again(key, waiting);
    }

    pub(super) fn depths(&self) -> Vec<(Kind, usize)> {
        let mut depths: HashMap<&Kind, usize> = self.kinds.keys().map(|kind| (kind, 0)).collect();
        for (key, entry) in &self.keys {
            if entry.waiting.is_some() && entry.out.is_none() {
                *depths.entry(&key.kind).or_default() += 1;
            }
        }
        depths.into_iter().map(|(kind, depth)| (kind.clone(), depth)).collect()
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.keys.is_empty() && self.timers.is_empty() && self.out == 0 && self.out_resync == 0
    }

    /// The key is out no more. Returns what came in meanwhile.
    fn give_back(&mut self, key: &ObjectKey) -> Option<Cause> {
        let entry = self.keys.get_mut(key)?;
        let cause = entry.out.take()?;
        let waiting = entry.waiting.take();
        self.out -= 1;
        let resync = usize::from(cause == Cause::Resync);
        self.out_resync -= resync;
        if let Some(lanes) = self.kinds.get_mut(&key.kind) {
            lanes.out -= 1;
            lanes.out_resync -= resync;
        }
        waiting
    }

    fn again(&mut self, key: &ObjectKey, waiting: Option<Cause>) {
        if let Some(cause) = waiting {
            self.set_due(key, None);
            self.enqueue(key, cause);
        }
        let idle = |entry: &Entry| {
            let Entry { waiting, out, failures, cache_waits, due, resync } = entry;
            waiting.is_none() && out.is_none() && *failures + *cache_waits == 0 && due.is_none() && resync.is_none()
        };
        if self.keys.get(key).is_some_and(idle) {
            self.keys.remove(key);
        }
    }

    fn enqueue(&mut self, key: &ObjectKey, cause: Cause) {
        let entry = self.keys.entry(key.clone()).or_default();
        if entry.waiting >= Some(cause) {
            return;
        }
        entry.waiting = Some(cause);
        let lanes = self.kinds.entry(key.kind.clone()).or_default();
        lanes.lane(cause).push_back(key.clone());
        if !self.turns.contains(&key.kind) {
            self.turns.push_back(key.kind.clone());
        }
    }

    fn set(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Entry)) {
        change(self.keys.entry(key.clone()).or_default());
    }

    fn set_due(&mut self, key: &ObjectKey, at: Option<Instant>) {
        let timer = at.map(|at| self.add_timer(at, key, Cause::Change));
        let entry = self.keys.entry(key.clone()).or_default();
        if let Some(old) = std::mem::replace(&mut entry.due, timer) {
            self.timers.remove(&old);
        }
    }

    fn add_timer(&mut self, at: Instant, key: &ObjectKey, cause: Cause) -> Timer {
        self.timer_number += 1;
        let timer = (at, self.timer_number);
        self.timers.insert(timer, (key.clone(), cause));
        timer
    }
}

impl Lanes {
    fn waiting(&self) -> usize {
        self.edits.len() + self.changes.len() + self.resyncs.len()
    }
}
