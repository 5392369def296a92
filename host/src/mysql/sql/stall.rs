//! Whether a server can commit, as far as that shows without a write of ours: the sessions that wait in their commits at
//! one look after the other in; since when nothing gets on out. Pure.
//!
//! A session in its commit is nothing unusual. One that was there at the last look already, while the server committed
//! nothing in between, waits for an acknowledgement that does not come or for space that is not there.

use model::snapshot::Instant;
use std::collections::BTreeSet;

/// Milliseconds. Two looks may come right after each other.
const SHORTEST: u64 = 500;
/// Bytes that must have been moved to count as getting on: more than what clients that give up and come again leave, and
/// what a source says to its replicas when it has nothing to say.
const PROGRESS: u64 = 256 << 10;

/// What is remembered of the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    since: Instant,
    sessions: BTreeSet<u64>,
    executed: String,
    moved: u64,
}

impl Stall {
    /// Takes in a look: the connections that wait in their commit, what was executed, and how many bytes the server has
    /// written to its binary log and sent to its replicas so far. Answers since when the server cannot commit; none while
    /// it can, as far as is known: one that still writes or sends a large transaction does.
    pub fn note(&mut self, sessions: BTreeSet<u64>, executed: &str, moved: u64, now: Instant) -> Option<Instant> {
        let waited: BTreeSet<u64> = self.sessions.intersection(&sessions).copied().collect();
        let gets_on = moved.saturating_sub(self.moved) >= PROGRESS;
        if waited.is_empty() || self.executed != executed || gets_on {
            *self = Stall { since: now, sessions, executed: executed.to_owned(), moved };
            return None;
        }
        // Only those that wait since then, so that a series never goes over from one session to another.
        self.sessions = waited;
        (now.saturating_sub(self.since) >= SHORTEST).then_some(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(ids: &[u64]) -> BTreeSet<u64> {
        ids.iter().copied().collect()
    }

    #[test]
    fn a_session_that_waits_at_two_looks_while_nothing_commits_is_a_stall_since_the_first() {
        let mut stall = Stall::default();
        assert_eq!(stall.note(sessions(&[7]), "a:1", 0, 1000), None);
        assert_eq!(stall.note(sessions(&[7]), "a:1", 0, 1010), None);
        assert_eq!(stall.note(sessions(&[7, 8]), "a:1", 0, 1500), Some(1000));
        assert_eq!(stall.note(sessions(&[7, 8]), "a:1", 0, 3000), Some(1000));
        assert_eq!(stall.note(sessions(&[]), "a:1", 0, 4000), None);
    }

    #[test]
    fn a_busy_server_is_no_stall() {
        let mut stall = Stall::default();
        for now in 0..100 {
            // One connection is in a commit whenever one looks, and each time another transaction was committed.
            assert_eq!(stall.note(sessions(&[7]), &format!("a:1-{now}"), 0, now * 1000), None);
        }
    }

    #[test]
    fn different_sessions_are_no_stall() {
        let mut stall = Stall::default();
        for now in 0..100 {
            assert_eq!(stall.note(sessions(&[now]), "a:1", 0, now * 1000), None);
        }
    }

    #[test]
    fn a_large_transaction_that_is_still_sent_is_no_stall() {
        let mut stall = Stall::default();
        for now in 0..100 {
            assert_eq!(stall.note(sessions(&[7]), "a:1", now * PROGRESS, now * 1000), None);
        }
        // The replicas are cut off: what goes on is what is said when there is nothing to say.
        assert_eq!(stall.note(sessions(&[7]), "a:1", 99 * PROGRESS + 100, 100_000), Some(99_000));
        assert_eq!(stall.note(sessions(&[7]), "a:1", 99 * PROGRESS + 9_000, 101_000), Some(99_000));
    }
}
