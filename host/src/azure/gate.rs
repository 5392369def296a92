//! Throttling: before each request one asks here, and after each answer one tells. All resources of a subscription share
//! one gate for each class of requests, so that a pause that Azure asks of one is kept by all.
//!
//! ARM counts requests in token buckets and says with each answer how many are left
//! (<https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>). No more requests
//! fly at a time than are left, and only one while that is not known: whoever is refused is refused alone, and nobody's
//! request arrives before the time that an answer named. Those who come while a pause lasts are sent away for longer the
//! more of them there are: after a pause there is room for few, and each that comes costs a look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Requests that fly at a time where Azure does not say how many are left, as vaults do not.
const UNCOUNTED: u32 = 8;
/// Requests that fly at a time, at most.
const MOST: u32 = 32;
/// Of those who wait for the end of a pause, each comes this part of the pause later than the one before.
const APART: u32 = 8;
/// Nobody waits longer for those before: so many pauses, and no longer than this.
const LONGEST: (u32, Duration) = (16, Duration::from_secs(120));

/// Classes of requests that Azure counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// GET.
    Read,
    /// PUT, PATCH, POST.
    Write,
    /// DELETE.
    Delete,
}

impl Class {
    /// The class of a method.
    pub fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::GET | http::Method::HEAD => Class::Read,
            http::Method::DELETE => Class::Delete,
            _ => Class::Write,
        }
    }

    /// The header with how many requests are left.
    pub fn header(self) -> &'static str {
        match self {
            Class::Read => "x-ms-ratelimit-remaining-subscription-reads",
            Class::Write => "x-ms-ratelimit-remaining-subscription-writes",
            Class::Delete => "x-ms-ratelimit-remaining-subscription-deletes",
        }
    }
}

/// The gates of all subscriptions and vaults.
#[derive(Clone, Debug, Default)]
pub struct Gates(Arc<Mutex<HashMap<(String, Class), Gate>>>);

#[derive(Debug)]
struct Gate {
    closed_until: Option<Instant>,
    /// How long the last pause was.
    pause: Duration,
    /// How many were sent away during it.
    sent_away: u32,
    flying: u32,
    /// How many may fly at a time.
    room: u32,
    turn: Arc<Notify>,
}

/// Azure asked for a pause: come back after this, when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed(pub Duration);

/// One request may fly. Dropped without an answer, nothing was learned.
#[derive(Debug)]
pub struct Permit {
    gates: Gates,
    key: (String, Class),
}

impl Gates {
    fn all(&self) -> MutexGuard<'_, HashMap<(String, Class), Gate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is closed, without a wish to pass at once.
    ///
    /// # Errors
    /// As [`Gates::admit`].
    pub fn passable(&self, scope: &str, class: Class) -> Result<(), Closed> {
        self.all().get_mut(&(scope.to_ascii_lowercase(), class)).map_or(Ok(()), Gate::passable)
    }

    /// Waits until a request may fly; not while Azure's pause lasts, which is an error at once.
    ///
    /// # Errors
    /// When the gate is closed, with the time until it opens.
    pub async fn admit(&self, scope: &str, class: Class) -> Result<Permit, Closed> {
        let key = (scope.to_ascii_lowercase(), class);
        loop {
            let turn = {
                let mut all = self.all();
                let gate = all.entry(key.clone()).or_insert_with(Gate::open);
                gate.passable()?;
                if gate.flying < gate.room {
                    gate.flying += 1;
                    return Ok(Permit { gates: self.clone(), key });
                }
                gate.turn.clone().notified_owned()
            };
            turn.await;
        }
    }
}

impl Gate {
    fn open() -> Self {
        Gate { closed_until: None, pause: Duration::ZERO, sent_away: 0, flying: 0, room: 1, turn: Arc::default() }
    }

    fn passable(&mut self) -> Result<(), Closed> {
        let left = self.closed_until.and_then(|until| until.checked_duration_since(Instant::now()));
        let Some(left) = left.filter(|left| !left.is_zero()) else { return Ok(()) };
        // Round and round, so that those who wait longest do not come all at once.
        let behind = (self.pause / APART).saturating_mul(self.sent_away % (LONGEST.0 * APART)).min(LONGEST.1);
        self.sent_away = self.sent_away.wrapping_add(1);
        Err(Closed(left + behind))
    }
}

impl Permit {
    /// Takes in an answer: how many requests are left, as far as it says, and for how long nothing may be sent.
    pub fn answered(self, remaining: Option<u32>, pause: Option<Duration>) {
        let mut all = self.gates.all();
        let Some(gate) = all.get_mut(&self.key) else { return };
        if let Some(pause) = pause {
            let until = Instant::now() + pause;
            gate.closed_until = Some(gate.closed_until.map_or(until, |before| before.max(until)));
            (gate.pause, gate.sent_away, gate.room) = (pause, 0, 1);
            return;
        }
        // Those that fly were not counted yet, perhaps; one of them is this.
        let others = gate.flying.saturating_sub(1);
        gate.room = remaining.map_or(UNCOUNTED, |left| left.saturating_sub(others)).clamp(1, MOST);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.gates.all().get_mut(&self.key) {
            gate.flying = gate.flying.saturating_sub(1);
            gate.turn.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_one_was_asked_for_is_kept_by_all() {
        let gates = Gates::default();
        gates.admit("s", Class::Write).await.unwrap().answered(None, Some(Duration::from_secs(7)));
        assert_eq!(gates.admit("S", Class::Write).await.unwrap_err(), Closed(Duration::from_secs(7)));
        assert!(gates.admit("s", Class::Read).await.is_ok() && gates.admit("t", Class::Write).await.is_ok());
        tokio::time::advance(Duration::from_secs(7)).await;
        assert!(gates.admit("s", Class::Write).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_the_end_of_a_pause_come_one_after_another() {
        let gates = Gates::default();
        gates.admit("s", Class::Write).await.unwrap().answered(None, Some(Duration::from_secs(8)));
        let away = |seconds| Err(Closed(Duration::from_secs(seconds)));
        assert_eq!([(); 3].map(|()| gates.passable("s", Class::Write)), [away(8), away(9), away(10)]);
        for _ in 0..1_000 {
            let Closed(wait) = gates.passable("s", Class::Write).unwrap_err();
            assert!(wait <= Duration::from_secs(8 + 120));
        }
        assert_eq!(gates.passable("s", Class::Read), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_fly_than_are_left() {
        let gates = Gates::default();
        let first = gates.admit("s", Class::Write).await.unwrap();
        let second = gates.admit("s", Class::Write);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending(), "one alone, while nobody knows how many are left");
        first.answered(Some(2), None);
        let second = second.await.unwrap();
        let third = gates.admit("s", Class::Write).await.unwrap();
        let fourth = gates.admit("s", Class::Write);
        tokio::pin!(fourth);
        assert!(futures::poll!(&mut fourth).is_pending());
        drop(third);
        assert!(fourth.await.is_ok(), "what ended without an answer makes room");
        drop(second);
    }
}
