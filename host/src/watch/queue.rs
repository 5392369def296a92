//! Keys of resources come in, with why; out they go one at a time to whoever has hands free. A key is never out twice
//! at a time, and coming in ten times it goes out once.
//!
//! Kinds take turns, so that a kind with many resources does not hold up another (K2). The last quarter of the hands goes
//! only to kinds that have less than their even share out, so that kinds whose passes take long, however many there are,
//! leave hands for the others. Within a kind a user's edit goes
//! before other changes, and both before a routine look; routine looks never take the last free hands. A key that
//! failed waits longer each time, and only an edit ends the wait at once.

mod state;

use crate::entropy::Entropy;
use model::{Kind, ObjectKey};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::driver::Next;

/// Why a resource is looked at, least urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A routine look although nothing changed.
    Resync,
    /// Something that it owns or reads changed, or its time has come.
    Change,
    /// Somebody changed the resource itself.
    Edit,
}

/// How many keys are out at a time, and how long failed ones wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keys out at a time.
    pub total: usize,
    /// Of these, of one kind. The rest goes to kinds that have less than their even share.
    pub per_kind: usize,
    /// First pause of a key that failed; doubled with each failure.
    pub first_pause: Duration,
    /// Longest pause of a key that failed.
    pub longest_pause: Duration,
    /// A change that is no edit shortens the pause of a failed key to this at most.
    pub pause_after_change: Duration,
}

impl Limits {
    /// `total` keys at a time, three quarters of them of one kind.
    pub fn of(total: usize) -> Self {
        let total = total.max(2);
        Limits {
            total,
            per_kind: (total * 3 / 4).max(2),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(300),
            pause_after_change: Duration::from_secs(1),
        }
    }

    /// Pause after the given number of failures in a row, with up to half of it more so that failures at one time do
    /// not come back at one time (K3).
    fn pause(&self, failures: u32, entropy: &Entropy) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let pause = doubled.min(self.longest_pause);
        pause + entropy.within(pause / 2)
    }
}

/// A key that is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The resource to look at.
    pub key: ObjectKey,
    /// Why.
    pub cause: Cause,
    /// Failures in a row up to now.
    pub failures: u32,
}

/// The queue. Its time is `tokio::time`.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    news: Notify,
    limits: Limits,
    entropy: Arc<Entropy>,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits, entropy: Arc<Entropy>) -> Self {
        Queue { state: Mutex::new(State::new(limits)), news: Notify::new(), limits, entropy }
    }

    /// Puts a key in.
    pub fn push(&self, key: &ObjectKey, cause: Cause) {
        self.lock().push(key, cause, Instant::now());
        self.news.notify_one();
    }

    /// Puts a key in for a routine look after a delay.
    pub fn resync_after(&self, key: &ObjectKey, delay: Duration) {
        self.lock().resync_at(key, Instant::now() + delay);
        self.news.notify_one();
    }

    /// Takes the next key, waiting for one; none once the queue is closed. Each key that is taken must be given back
    /// with [`Queue::done`].
    pub async fn next(&self) -> Option<Taken> {
        loop {
            let news = self.news.notified();
            let until = {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                let now = Instant::now();
                state.fire(now);
                if let Some(taken) = state.take() {
                    // There may be more, and hands for it.
                    self.news.notify_one();
                    return Some(taken);
                }
                state.next_timer()
            };
            match until {
                Some(until) => drop(tokio::time::timeout_at(until, news).await),
                None => news.await,
            }
        }
    }

    /// Gives a key back, with when it is to be looked at again.
    pub fn done(&self, key: &ObjectKey, next: &Next) {
        let now = Instant::now();
        let mut state = self.lock();
        match next {
            Next::Done { wake } => state.succeeded(key, wake.map(|wake| now + wake)),
            Next::Parked => state.succeeded(key, None),
            Next::WaitForCache => state.waits(key, now),
            Next::Retry { after, .. } => {
                let failures = state.failures(key) + 1;
                let pause = after.unwrap_or_else(|| self.limits.pause(failures, &self.entropy));
                state.failed(key, failures, now, pause);
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// Lets nothing out any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.news.notify_waiters();
        self.news.notify_one();
    }

    /// Keys that wait to be taken now, by kind.
    pub fn depths(&self) -> Vec<(Kind, usize)> {
        self.lock().depths()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
