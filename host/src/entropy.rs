//! The only place of this crate that makes randomness. The host holds one [`Entropy`]; tests seed theirs.

use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A source of random bytes fit for secrets (ChaCha, seeded by the operating system), and of jitter.
#[derive(Debug)]
pub struct Entropy(Mutex<StdRng>);

impl Entropy {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system gives no randomness; nothing may run without it.
    pub fn from_system() -> Result<Self, rand::rand_core::OsError> {
        let mut seed = [0; 32];
        rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut seed)?;
        Ok(Entropy(Mutex::new(StdRng::from_seed(seed))))
    }

    /// Always the same sequence. Never for secrets.
    pub fn seeded(seed: u64) -> Self {
        Entropy(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }

    /// A number from 0 to `end`, without `end`; 0 where `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        if end == 0 {
            return 0;
        }
        // Numbers beyond the last multiple of `end` would make small results likelier.
        let limit = u64::MAX - u64::MAX % end;
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let number = rng.next_u64();
            if number < limit {
                return number % end;
            }
        }
    }

    /// A duration between `1 - spread` and `1 + spread` of `around`; `spread` from 0 to 1.
    pub fn jitter(&self, around: Duration, spread: f64) -> Duration {
        let unit = self.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        around.mul_f64((1.0 + spread.clamp(0.0, 1.0) * (2.0 * unit - 1.0)).max(0.0))
    }

    /// A duration from zero to `end`, without `end`: where something within a period falls.
    pub fn within(&self, end: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(end.as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_spread() {
        let entropy = Entropy::seeded(1);
        for _ in 0..1000 {
            let jittered = entropy.jitter(Duration::from_secs(10), 0.2);
            assert!((8.0..=12.0).contains(&jittered.as_secs_f64()), "{jittered:?}");
        }
    }

    #[test]
    fn a_number_is_below_its_end() {
        let entropy = Entropy::seeded(2);
        assert_eq!(entropy.below(0), 0);
        assert_eq!(entropy.below(1), 0);
        assert!((0..1000).all(|_| entropy.below(7) < 7));
    }
}
