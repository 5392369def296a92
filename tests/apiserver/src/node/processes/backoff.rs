//! How long a container that ended waits until it is started again. In: how often and how long it ran. Out: a time. Pure;
//! the rules are the kubelet's: at once for the first time, then longer and longer.

use std::time::Duration;

/// How long to wait between the end of a container and its next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second restart; it doubles from there. Zero: never wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// A container that ran for so long starts afresh.
    pub forgotten_after: Duration,
}

impl Default for Backoff {
    /// The kubelet's times.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            forgotten_after: Duration::from_secs(600),
        }
    }
}

impl Backoff {
    /// The wait before the next start of a container that `ran` for this long and waited `last` before it did, none for
    /// the first time.
    pub(super) fn next(&self, ran: Duration, last: Option<Duration>) -> Duration {
        match last {
            Some(last) if ran < self.forgotten_after => (last * 2).clamp(self.first, self.longest.max(self.first)),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_when_a_container_runs_well() {
        let backoff = Backoff::default();
        let mut waits = Vec::new();
        let mut last = None;
        for _ in 0..8 {
            let wait = backoff.next(Duration::from_secs(1), last);
            waits.push(wait.as_secs());
            last = Some(wait);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.next(Duration::from_secs(601), last), Duration::ZERO);
        let never = Backoff { first: Duration::ZERO, longest: Duration::ZERO, ..backoff };
        assert_eq!(never.next(Duration::ZERO, Some(Duration::ZERO)), Duration::ZERO);
    }
}
