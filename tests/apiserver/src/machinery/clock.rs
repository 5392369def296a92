//! The one place where the controllers and the node read the time. In: nothing. Out: timestamps.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

/// A source of the current time, so that tests and replays choose their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self(Arc::new(|| {
            #[expect(clippy::disallowed_methods, reason = "this module is where the controllers read the time")]
            let now = chrono::Utc::now();
            Timestamp::new(now.timestamp(), now.timestamp_subsec_nanos() as i32).unwrap_or(Timestamp::UNIX_EPOCH)
        }))
    }

    /// A clock that answers whatever `read` returns.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Now, to the nanosecond.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// Now in whole seconds, as `metav1.Time` stores it.
    pub fn time(&self) -> Time {
        Time(Timestamp::from_second(self.now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Now in whole microseconds, as `metav1.MicroTime` stores it.
    pub fn micro_time(&self) -> MicroTime {
        MicroTime(Timestamp::from_microsecond(self.now().as_microsecond()).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
