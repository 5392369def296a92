//! Turns the wheel: takes keys from the queue, one pass at a time for each, and puts them back as the pass asks.

use model::ObjectKey;
use std::time::Duration;

/// Looks at one resource: one pass through observe, decide, check, act and report.
pub trait Reconciler: Send + Sync + 'static {
    /// One pass. Never called twice at a time for one key. A panic fails this pass alone.
    fn reconcile(&self, key: &ObjectKey) -> impl Future<Output = Next> + Send;
}

/// When a resource is looked at again. A change of it, of what it owns and of what it read does so in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The pass went well.
    Done {
        /// Look again after this time though nothing changed.
        wake: Option<Duration>,
    },
    /// The pass failed in a way that may pass.
    Retry {
        /// Look again after this time; none: after a pause that grows with each failure.
        after: Option<Duration>,
        /// Stable word for the class of failure, for metrics and logs.
        reason: &'static str,
    },
    /// The cache has not seen all that the pass needs: look again as soon as it has.
    WaitForCache,
    /// Nothing to do until something changes: paused, invalid, or not served.
    Parked,
}
