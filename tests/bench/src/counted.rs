//! A decider that counts how often it is called.

use futures::future::BoxFuture;
use model::{Decision, Description, Fault, FieldError, Snapshot, snapshot::Json};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use windlass::decide::decider::{Breakdown, Decider};

/// Passes everything on.
pub(crate) struct Counted {
    inner: Arc<dyn Decider>,
    calls: Arc<AtomicU64>,
}

impl Counted {
    /// Counts into `calls`.
    pub(crate) fn new(inner: Arc<dyn Decider>, calls: Arc<AtomicU64>) -> Self {
        Counted { inner, calls }
    }
}

impl Decider for Counted {
    fn digest(&self) -> String {
        self.inner.digest()
    }

    fn description(&self) -> &Description {
        self.inner.description()
    }

    fn validate<'a>(
        &'a self,
        old: Option<&'a Json>,
        new: &'a Json,
    ) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.validate(old, new)
    }

    fn decide<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.decide(snapshot)
    }

    fn decide_twice<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        self.calls.fetch_add(2, Ordering::Relaxed);
        self.inner.decide_twice(snapshot)
    }
}
