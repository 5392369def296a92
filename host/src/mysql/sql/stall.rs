//! Whether a server can commit, as far as that shows without a write of ours: the sessions that wait in their commits at
//! one look after the other in; since when nothing gets on out. Pure.
//!
//! A session in its commit is nothing unusual. One that was there at the last look already, while the server committed
//! nothing in between, waits for an acknowledgement that does not come or for space that is not there.

use model::snapshot::Instant;
use std::collections::BTreeSet;

/// Milliseconds. Two looks may come right after each other.
const SHORTEST: u64 = 500;

/// What is remembered of the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    since: Instant,
    sessions: BTreeSet<u64>,
    executed: String,
}

impl Stall {
    /// Takes in a look: the connections that wait in their commit, and what was executed. Answers since when the server
    /// cannot commit; none while it can, as far as is known.
    pub fn note(&mut self, sessions: BTreeSet<u64>, executed: &str, now: Instant) -> Option<Instant> {
        let waited: BTreeSet<u64> = self.sessions.intersection(&sessions).copied().collect();
        if waited.is_empty() || self.executed != executed {
            *self = Stall { since: now, sessions, executed: executed.to_owned() };
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
        assert_eq!(stall.note(sessions(&[7]), "a:1", 1000), None);
        assert_eq!(stall.note(sessions(&[7]), "a:1", 1010), None);
        assert_eq!(stall.note(sessions(&[7, 8]), "a:1", 1500), Some(1000));
        assert_eq!(stall.note(sessions(&[7, 8]), "a:1", 3000), Some(1000));
        assert_eq!(stall.note(sessions(&[]), "a:1", 4000), None);
    }

    #[test]
    fn a_busy_server_is_no_stall() {
        let mut stall = Stall::default();
        for now in 0..100 {
            // One connection is in a commit whenever one looks, and each time another transaction was committed.
            assert_eq!(stall.note(sessions(&[7]), &format!("a:1-{now}"), now * 1000), None);
        }
    }

    #[test]
    fn different_sessions_are_no_stall() {
        let mut stall = Stall::default();
        for now in 0..100 {
            assert_eq!(stall.note(sessions(&[now]), "a:1", now * 1000), None);
        }
    }
}
