//! The seam between the loop and whatever decides: a component of some version of the contract, or, in tests, a closure.
//! A snapshot in, a decision or the reason for none out; no I/O.

use super::{DecideError, Plugin, determinism};
use futures::future::{BoxFuture, FutureExt};
use model::{Decision, Description, Fault, FieldError, Snapshot, snapshot::Json};

/// Decides for the kinds of one plugin. Each version of the contract has one adapter that implements this.
pub trait Decider: Send + Sync + 'static {
    /// Identity of the code: other digest, maybe other decisions.
    fn digest(&self) -> String;

    /// The name that its operator gave it: what metrics go by, for what a plugin calls itself it can change.
    fn name(&self) -> &str {
        &self.description().name
    }

    /// What it said about itself when it was loaded.
    fn description(&self) -> &Description;

    /// A resource that was not decided for in this form before. `old` is the last form that was accepted.
    fn validate<'a>(
        &'a self,
        old: Option<&'a Json>,
        new: &'a Json,
    ) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>>;

    /// What should be. The same snapshot gives the same answer.
    fn decide<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>>;

    /// As [`Decider::decide`], asked twice; two different answers are a breakdown (G8).
    fn decide_twice<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        async {
            let (first, second) = (self.decide(snapshot).await?, self.decide(snapshot).await?);
            match determinism::first_difference(&first, &second) {
                None => Ok(first),
                Some(difference) => Err(difference.into()),
            }
        }
        .boxed()
    }
}

/// A call that gave no answer at all: a crash, a limit, an answer that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Breakdown {
    /// A stable word for conditions, events and metrics.
    pub reason: &'static str,
    /// What happened, with the limit and its value where it was one. Bounded, escaped.
    pub message: String,
    /// The same call may go otherwise another time.
    pub may_pass: bool,
}

impl Breakdown {
    /// The reason where there is nobody to call.
    pub const MISSING: &'static str = "PluginMissing";
}

impl From<DecideError> for Breakdown {
    fn from(error: DecideError) -> Self {
        let message = match &error {
            // What it decided is another each time. A condition that said it would be as restless as the plugin.
            DecideError::Nondeterministic { path, .. } => {
                format!("the plugin decides differently on the same snapshot, first in {path}; nothing of it was done")
            }
            error => error.to_string(),
        };
        Breakdown { reason: error.reason(), message, may_pass: error.may_pass_by_itself() }
    }
}

impl Decider for Plugin {
    fn digest(&self) -> String {
        Plugin::digest(self).to_string()
    }

    fn name(&self) -> &str {
        Plugin::name(self)
    }

    fn description(&self) -> &Description {
        Plugin::description(self)
    }

    fn validate<'a>(
        &'a self,
        old: Option<&'a Json>,
        new: &'a Json,
    ) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>> {
        async move {
            let judged = Plugin::validate(self, old.map(|old| &**old), new).await?;
            Ok(judged.err().unwrap_or_default())
        }
        .boxed()
    }

    fn decide<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        async move { Ok(Plugin::decide(self, snapshot).await?.outcome) }.boxed()
    }

    fn decide_twice<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        async move { Ok(Plugin::decide_twice(self, snapshot).await?.outcome) }.boxed()
    }
}
