//! What stands in for a plugin that is not there.

use crate::decide::decider::{Breakdown, Decider};
use futures::future::{BoxFuture, FutureExt};
use model::{Decision, Description, Fault, FieldError, Snapshot, description::Backends, snapshot::Json};

/// Decides nothing.
pub(super) struct Missing(Description);

impl Default for Missing {
    fn default() -> Self {
        Missing(Description {
            name: "missing".into(),
            version: "0.0.0".into(),
            serves: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            backends: Backends::default(),
        })
    }
}

fn breakdown() -> Breakdown {
    let message = "no plugin that serves this kind is loaded; install it, or see why it was not loaded".into();
    Breakdown { reason: Breakdown::MISSING, message, may_pass: false }
}

impl Decider for Missing {
    fn digest(&self) -> String {
        "missing".into()
    }

    fn description(&self) -> &Description {
        &self.0
    }

    fn validate<'a>(&'a self, _: Option<&'a Json>, _: &'a Json) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>> {
        async { Err(breakdown()) }.boxed()
    }

    fn decide<'a>(&'a self, _: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        async { Err(breakdown()) }.boxed()
    }
}
