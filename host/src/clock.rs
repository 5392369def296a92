//! The only place of this crate that reads the wall clock. Intervals are measured by `tokio::time`, which is monotonic
//! and which tests pause; wall-clock time only ever becomes a timestamp (E3).

use model::snapshot::Instant;

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch, UTC.
    fn now(&self) -> Instant;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the clock module")]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that shows what it is set to, for tests and for replay.
#[derive(Debug, Default)]
pub struct SetClock(std::sync::atomic::AtomicU64);

impl SetClock {
    /// A clock that shows `now`, in milliseconds since the Unix epoch.
    pub fn new(now: Instant) -> Self {
        SetClock(now.into())
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, now: Instant) {
        self.0.store(now, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// RFC 3339 with seconds, as Kubernetes writes `metav1.Time`.
pub fn rfc3339(at: Instant) -> String {
    let at = i64::try_from(at).ok().and_then(chrono::DateTime::from_timestamp_millis).unwrap_or_default();
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kubernetes_writes_them() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_time_out_of_range_is_written_as_the_epoch() {
        assert_eq!(rfc3339(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
