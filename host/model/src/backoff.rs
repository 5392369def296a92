//! Growing pauses between attempts. In: the number of attempts that failed, and a random number. Out: a duration.

use std::time::Duration;

/// An exponential backoff: `base`, twice that, and so on up to `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first failure.
    pub base: Duration,
    /// No pause is longer.
    pub limit: Duration,
}

impl Default for Backoff {
    /// From half a second to five minutes.
    fn default() -> Self {
        Backoff { base: Duration::from_millis(500), limit: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The pause after `failures` failed attempts in a row. It lies between half of the full pause and all of it, where
    /// `random` says (any value; uniform values spread uniformly), so that many keys that failed together do not try
    /// again together. No failure: no pause.
    pub fn pause(&self, failures: u32, random: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.base.checked_mul(factor).unwrap_or(self.limit).min(self.limit);
        let half = full / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let part = u128::from(spread) * u128::from(random) / u128::from(u32::MAX);
        half.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))).min(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let backoff = Backoff { base: Duration::from_secs(1), limit: Duration::from_secs(10) };
        let full = |failures| backoff.pause(failures, u32::MAX).as_secs();
        assert_eq!([full(0), full(1), full(2), full(4), full(5), full(40), full(u32::MAX)], [0, 1, 2, 8, 10, 10, 10]);
        assert_eq!(backoff.pause(1, 0), Duration::from_millis(500));
    }

    proptest! {
        #[test]
        fn a_pause_lies_between_half_and_all(failures: u32, random: u32, base in 0_u64..1_000_000, limit in 0_u64..10_000_000) {
            let backoff = Backoff { base: Duration::from_millis(base), limit: Duration::from_millis(limit) };
            let pause = backoff.pause(failures, random);
            prop_assert!(pause <= backoff.limit);
            prop_assert!(failures == 0 || pause >= backoff.pause(failures, 0));
        }
    }
}
