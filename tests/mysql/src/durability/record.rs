//! What clients tried and what they were told. In: attempts, each with a number of its own. Out: which rows must be
//! there, which may, which must not, and how long nobody was told yes. Pure but for a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// An acknowledged write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Pod of the server that said yes.
    pub pod: String,
    /// When the client sent the statement.
    pub began: Instant,
    /// When the client had the answer.
    pub ended: Instant,
}

/// Everything that was tried. Shared by all clients of a cluster.
#[derive(Default)]
pub struct Record {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    open: BTreeSet<u64>,
    acknowledged: BTreeMap<u64, Acknowledged>,
    refused: BTreeSet<u64>,
    /// Ends of acknowledgements to clients that follow the Service, in the order in which they came.
    answers: Vec<Instant>,
}

/// Numbers of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows whose client was told yes.
    pub acknowledged: usize,
    /// Rows whose client was told nothing, or nothing definite.
    pub unknown: usize,
    /// Rows that a server refused because it was read-only.
    pub refused: usize,
}

impl Record {
    /// A number for the next row. Until its outcome is noted it is unknown.
    pub fn begin(&self) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        let number = inner.next;
        inner.open.insert(number);
        number
    }

    /// The client was told yes. `follows`: it is one that goes where the Service points.
    pub fn acknowledge(&self, number: u64, follows: bool, answer: Acknowledged) {
        let mut inner = self.lock();
        inner.open.remove(&number);
        if follows {
            inner.answers.push(answer.ended);
        }
        inner.acknowledged.insert(number, answer);
    }

    /// The server refused it before it did anything.
    pub fn refuse(&self, number: u64) {
        let mut inner = self.lock();
        inner.open.remove(&number);
        inner.refused.insert(number);
    }

    /// Rows that must be there, as of now.
    pub fn acknowledged(&self) -> BTreeMap<u64, Acknowledged> {
        self.lock().acknowledged.clone()
    }

    /// Rows that must not be there, as of now.
    pub fn refused(&self) -> BTreeSet<u64> {
        self.lock().refused.clone()
    }

    /// How many of each.
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts { acknowledged: inner.acknowledged.len(), unknown: inner.open.len(), refused: inner.refused.len() }
    }

    /// How many acknowledgements clients that follow the Service got since then.
    pub fn answers_since(&self, since: Instant) -> usize {
        self.lock().answers.iter().rev().take_while(|at| **at >= since).count()
    }

    /// The longest time without an acknowledgement to anybody who follows the Service, between two moments.
    pub fn longest_silence(&self, from: Instant, to: Instant) -> Duration {
        let inner = self.lock();
        let mut last = from;
        let mut longest = Duration::ZERO;
        let within = inner.answers.iter().copied().filter(|at| *at > from && *at < to);
        for at in within.chain([to]) {
            longest = longest.max(at.duration_since(last));
            last = at;
        }
        longest
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes(at: Instant) -> Acknowledged {
        Acknowledged { pod: "db-0".into(), began: at, ended: at }
    }

    #[test]
    fn what_nobody_was_told_of_is_unknown() {
        let (record, now) = (Record::default(), Instant::now());
        let (first, second, _third) = (record.begin(), record.begin(), record.begin());
        record.acknowledge(first, true, yes(now));
        record.refuse(second);
        assert_eq!(record.counts(), Counts { acknowledged: 1, unknown: 1, refused: 1 });
        assert!(record.acknowledged().contains_key(&first) && record.refused().contains(&second));
    }

    #[test]
    fn silence_is_measured_between_answers_and_up_to_both_ends() {
        let (record, start) = (Record::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(record.longest_silence(start, at(7)), Duration::from_secs(7));
        for seconds in [1, 2, 5] {
            let number = record.begin();
            record.acknowledge(number, true, yes(at(seconds)));
        }
        assert_eq!(record.longest_silence(start, at(6)), Duration::from_secs(3));
        assert_eq!(record.longest_silence(start, at(20)), Duration::from_secs(15));
        assert_eq!(record.longest_silence(at(5), at(6)), Duration::from_secs(1));
        assert_eq!(record.answers_since(at(2)), 2);
    }

    #[test]
    fn clients_that_stick_to_one_server_do_not_break_the_silence() {
        let (record, start) = (Record::default(), Instant::now());
        let number = record.begin();
        record.acknowledge(number, false, yes(start + Duration::from_secs(1)));
        assert_eq!(record.longest_silence(start, start + Duration::from_secs(4)), Duration::from_secs(4));
    }
}
