//! Turns the wheel: takes keys from the queue, one pass at a time for each, and puts them back as the pass asks.
//!
//! A pass that panics or takes too long fails alone (A8). When the host stops, no new pass begins; those that run
//! finish or are cut off (A9).

use crate::serve::Metrics;
use crate::watch::queue::Taken;
use crate::watch::{Cache, Freshness, Ledger, Queue, Watches};
use futures::FutureExt as _;
use model::ObjectKey;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

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

impl Next {
    fn outcome(&self) -> &'static str {
        match self {
            Next::Done { .. } => "done",
            Next::Retry { reason, .. } => reason,
            Next::WaitForCache => "waiting",
            Next::Parked => "parked",
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// One pass.
    pub pass: Duration,
    /// Passes that run when the host stops.
    pub drain: Duration,
    /// After this time an event about our own write is overdue, and the object is read from the API server itself.
    pub event: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { pass: Duration::from_secs(300), drain: Duration::from_secs(25), event: Duration::from_secs(10) }
    }
}

/// What the wheel turns on.
pub struct Driver<R> {
    /// Where keys come from.
    pub queue: Arc<Queue>,
    /// Looks at a key.
    pub reconciler: Arc<R>,
    /// Whether the cache has seen our own last writes.
    pub freshness: Arc<dyn Fresh>,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// Counts passes.
    pub metrics: Arc<Metrics>,
}

/// Tells whether the view that a pass would start from is as new as our own last writes for it (B3).
pub trait Fresh: Send + Sync + 'static {
    /// What the ledger says.
    fn freshness(&self, key: &ObjectKey) -> Freshness;
    /// Reads an object whose event is overdue from the API server itself. True when there was an answer.
    fn read_overdue<'a>(&'a self, owner: &'a ObjectKey, object: &'a ObjectKey) -> futures::future::BoxFuture<'a, bool>;
}

/// The cache, what it was told, and the way to ask past it.
pub struct View {
    /// What was seen.
    pub cache: Arc<Cache>,
    /// What was written.
    pub ledger: Arc<Ledger>,
    /// Asks past the cache.
    pub watches: Arc<Watches>,
}

impl Fresh for View {
    fn freshness(&self, key: &ObjectKey) -> Freshness {
        self.ledger.fresh(key, &self.cache)
    }

    fn read_overdue<'a>(&'a self, owner: &'a ObjectKey, object: &'a ObjectKey) -> futures::future::BoxFuture<'a, bool> {
        async move {
            match self.watches.refresh(object).await {
                Ok(_) => {
                    self.ledger.settle(owner, object);
                    true
                }
                Err(error) => {
                    tracing::warn!(resource = %owner, "{}", crate::watch::page::chain(&error));
                    false
                }
            }
        }
        .boxed()
    }
}

impl<R: Reconciler> Driver<R> {
    /// Runs passes until `stop` is cancelled and the last pass has ended. Dropping the future ends all passes at once.
    pub async fn run(self, stop: CancellationToken) {
        let deadlines = self.deadlines;
        let driver = Arc::new(self);
        let mut passes = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Ended passes are taken out, so that the set does not grow.
                Some(_) = passes.join_next() => {}
                taken = driver.queue.next() => match taken {
                    Some(taken) => {
                        let driver = driver.clone();
                        passes.spawn(async move { driver.pass(&taken).await });
                    }
                    None => break,
                },
            }
        }
        driver.queue.close();
        let drain = async { while passes.join_next().await.is_some() {} };
        if tokio::time::timeout(deadlines.drain, drain).await.is_err() {
            tracing::warn!(passes = passes.len(), "passes were cut off, the host did not stop in time otherwise");
            passes.shutdown().await;
        }
    }

    async fn pass(&self, taken: &Taken) {
        let Taken { key, cause, failures } = taken;
        let id = pass_id(key, Instant::now());
        // The pass knows which plugin it asks, and fills that in.
        let (plugin, version) = (tracing::field::Empty, tracing::field::Empty);
        let span = tracing::info_span!("pass", resource = %key, kind = %key.kind, plugin, version, pass = %id, cause = ?cause, failures);
        let began = Instant::now();
        let (next, outcome) = self.guarded_pass(key).instrument(span.clone()).await;
        let took = began.elapsed();
        self.metrics.pass(&key.kind, outcome, took);
        span.in_scope(|| match &next {
            Next::Retry { after, reason } => tracing::info!(reason, ?after, ?took, "pass failed, will try again"),
            other => tracing::debug!(outcome, ?took, next = ?other, "pass ended"),
        });
        self.queue.done(key, &next);
    }

    async fn guarded_pass(&self, key: &ObjectKey) -> (Next, &'static str) {
        if !self.is_fresh(key).await {
            self.metrics.stale_skip(&key.kind);
            return (Next::WaitForCache, "stale");
        }
        let pass = AssertUnwindSafe(self.reconciler.reconcile(key)).catch_unwind();
        match tokio::time::timeout(self.deadlines.pass, pass).await {
            Ok(Ok(next)) => {
                let outcome = next.outcome();
                (next, outcome)
            }
            Ok(Err(_)) => {
                tracing::error!("a pass panicked; this is a defect of the host, other resources go on");
                (Next::Retry { after: None, reason: "Panicked" }, "Panicked")
            }
            Err(_) => {
                tracing::error!(deadline = ?self.deadlines.pass, "a pass was given up because it took too long");
                (Next::Retry { after: None, reason: "TookTooLong" }, "TookTooLong")
            }
        }
    }

    async fn is_fresh(&self, key: &ObjectKey) -> bool {
        // Each live read settles one write or ends the loop.
        loop {
            match self.freshness.freshness(key) {
                Freshness::Fresh => return true,
                Freshness::Behind { object, since } if since.elapsed() >= self.deadlines.event => {
                    tracing::warn!(%object, "waiting for cache: the event of our own write is overdue, asking directly");
                    if !self.freshness.read_overdue(key, &object).await {
                        return false;
                    }
                }
                Freshness::Behind { .. } => return false,
            }
        }
    }
}

/// Tells passes apart in logs; nothing depends on it.
fn pass_id(key: &ObjectKey, now: Instant) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    now.hash(&mut hasher);
    format!("{:08x}", hasher.finish() & 0xffff_ffff)
}

#[cfg(test)]
mod tests;
