//! A queue of keys. In: keys that changed, now or later. Out: one key at a time, never the same key to two workers at
//! once; a key that changes while it is worked on comes out again afterwards.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// First wait after a failed pass; doubles with each further failure. As in client-go's default rate limiter.
const FIRST_RETRY: Duration = Duration::from_millis(5);
/// Longest wait between two failed passes.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// A shared work queue. Clones are the same queue.
pub(crate) struct Queue<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    wake: Notify,
}

struct State<T> {
    ready: VecDeque<T>,
    queued: HashSet<T>,
    working: HashSet<T>,
    /// Keys that came again while they were worked on.
    again: HashSet<T>,
    failures: HashMap<T, u32>,
    due: BTreeSet<(Instant, T)>,
    due_at: HashMap<T, Instant>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: Clone + Eq + Hash + Ord> State<T> {
    fn add(&mut self, key: T) -> bool {
        if self.working.contains(&key) {
            self.again.insert(key);
            return false;
        }
        let new = self.queued.insert(key.clone());
        if new {
            self.ready.push_back(key);
        }
        new
    }

    fn promote_due(&mut self, now: Instant) {
        while let Some((at, key)) = self.due.first().cloned() {
            if at > now {
                break;
            }
            self.due.pop_first();
            self.due_at.remove(&key);
            self.add(key);
        }
    }
}

impl<T: Clone + Eq + Hash + Ord> Queue<T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        let state = State {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            working: HashSet::new(),
            again: HashSet::new(),
            failures: HashMap::new(),
            due: BTreeSet::new(),
            due_at: HashMap::new(),
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), wake: Notify::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a key; one that waits already stays where it is.
    pub(crate) fn add(&self, key: T) {
        if self.state().add(key) {
            self.shared.wake.notify_one();
        }
    }

    /// Adds a key after `delay`; an earlier appointment of the same key stays.
    pub(crate) fn add_after(&self, key: T, delay: Duration) {
        let at = Instant::now() + delay;
        let mut state = self.state();
        if let Some(held) = state.due_at.get(&key).copied() {
            if held <= at {
                return;
            }
            state.due.remove(&(held, key.clone()));
        }
        state.due_at.insert(key.clone(), at);
        state.due.insert((at, key));
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Waits for the next key. The caller must hand it back with [`Queue::done`].
    pub(crate) async fn next(&self) -> T {
        loop {
            let woken = self.shared.wake.notified();
            let next_due = {
                let mut state = self.state();
                state.promote_due(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.queued.remove(&key);
                    state.working.insert(key.clone());
                    if !state.ready.is_empty() {
                        self.shared.wake.notify_one();
                    }
                    return key;
                }
                state.due.first().map(|(at, _)| *at)
            };
            match next_due {
                Some(at) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => woken.await,
            }
        }
    }

    /// Hands a key back after a pass that succeeded or not; a failed one is tried again after a growing wait.
    pub(crate) fn done(&self, key: T, succeeded: bool) {
        let mut state = self.state();
        state.working.remove(&key);
        if state.again.remove(&key) && state.add(key.clone()) {
            self.shared.wake.notify_one();
        }
        if succeeded {
            state.failures.remove(&key);
            return;
        }
        let failures = state.failures.entry(key.clone()).or_insert(0);
        *failures += 1;
        let delay = FIRST_RETRY.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_RETRY);
        drop(state);
        self.add_after(key, delay);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_that_changes_while_it_is_worked_on_comes_again_afterwards() {
        let queue = Queue::new();
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert!(tokio::time::timeout(Duration::from_secs(1), queue.next()).await.is_err());
        queue.done("a", true);
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_key_waits_longer_each_time() {
        let queue = Queue::new();
        queue.add("a");
        let mut waits = Vec::new();
        for _ in 0..3 {
            let before = Instant::now();
            assert_eq!(queue.next().await, "a");
            waits.push(before.elapsed());
            queue.done("a", false);
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_two_appointments_stays() {
        let queue = Queue::new();
        queue.add_after("a", Duration::from_secs(60));
        queue.add_after("a", Duration::from_secs(2));
        queue.add_after("a", Duration::from_secs(30));
        let before = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert_eq!(before.elapsed().as_secs(), 2);
        queue.done("a", true);
        assert!(tokio::time::timeout(Duration::from_secs(120), queue.next()).await.is_err());
    }
}
