//! What a pass over a resource ended with, and what that means for the next one. In: what happened. Out: a class, a stable
//! reason, and a message with the next step.

use crate::check::Refusal;
use crate::fault::{Fault, FieldError};
use crate::plan::{Applied, Checked, Failure, Plan};
use crate::text::bounded;

/// Whether, and when, trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// After a growing pause.
    Retry,
    /// When the resource, an object of it, the plugin or its grants change.
    WaitForChange,
    /// When a human allows something that the host does not do of itself.
    Blocked,
    /// Not in this process.
    Fatal,
}

/// What a pass ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as desired.
    Settled,
    /// Something was done, or is waited for; the text says what.
    Progressing(String),
    /// A user paused the resource.
    Paused,
    /// All is done but for what a guard holds back; the text says what, and how to allow it.
    Held(String),
    /// The resource is being deleted and what is left is on its way; the text says what is waited for.
    Deleting(String),
    /// The resource was deleted and nothing is left.
    Finished,
    /// The plugin says that the resource is wrong, and where.
    Invalid(Vec<FieldError>),
    /// The plugin asks for another attempt.
    RetryAsked(String),
    /// The plugin has to see related objects first; the host fetches them.
    Needs(usize),
    /// The plugin found itself in the wrong.
    PluginBroken(String),
    /// The plugin did not answer: a trap, or a limit; the text says which.
    PluginFailed {
        /// CamelCase and stable: `FuelExhausted`, `Trapped`.
        reason: String,
        /// For people.
        message: String,
    },
    /// No plugin serves the kind.
    PluginMissing,
    /// The check refused the decision.
    Refused(Refusal),
    /// The host's view is older than its own last write.
    Stale(String),
    /// A read or write failed.
    Failed(Failure),
}

impl Outcome {
    /// Of a fault.
    pub fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Invalid(errors) => Outcome::Invalid(errors.clone()),
            Fault::Retry(why) => Outcome::RetryAsked(why.clone()),
            Fault::Needs(queries) => Outcome::Needs(queries.len()),
            Fault::Broken(why) => Outcome::PluginBroken(why.clone()),
        }
    }

    /// Of a plan that was acted on. A failure counts before all else, of several the one that is hardest to get over.
    pub fn of_plan(plan: &Plan<Applied>, deleting: bool) -> Self {
        if let Some((_, failure)) = plan.failures().max_by_key(|(_, failure)| failure.class) {
            return Outcome::Failed(failure.clone());
        }
        Outcome::of_state(plan, deleting)
    }

    /// Of a plan that had nothing to act on.
    pub fn of_idle_plan(plan: &Plan<Checked>, deleting: bool) -> Self {
        Outcome::of_state(plan, deleting)
    }

    fn of_state<S>(plan: &Plan<S>, deleting: bool) -> Self {
        if plan.paused() {
            return Outcome::Paused;
        }
        if plan.finished() {
            return Outcome::Finished;
        }
        let waits = plan.waiting().iter().map(|waiting| format!("{}: {}", waiting.item, waiting.why));
        let progress = plan.steps().iter().map(ToString::to_string).chain(waits);
        let progress = list(progress);
        let held = list(plan.blocked().iter().map(|blocked| blocked.message.clone()));
        match (held.is_empty(), progress.is_empty()) {
            (false, _) => Outcome::Held(held),
            (true, false) if deleting => Outcome::Deleting(progress),
            (true, false) => Outcome::Progressing(progress),
            (true, true) => Outcome::Settled,
        }
    }

    /// What it means for the next attempt.
    pub fn class(&self) -> Class {
        match self {
            Outcome::RetryAsked(_) | Outcome::PluginFailed { .. } | Outcome::Stale(_) => Class::Retry,
            Outcome::Settled
            | Outcome::Progressing(_)
            | Outcome::Paused
            | Outcome::Deleting(_)
            | Outcome::Finished
            | Outcome::Invalid(_)
            | Outcome::Needs(_)
            | Outcome::PluginBroken(_)
            | Outcome::PluginMissing
            | Outcome::Refused(_) => Class::WaitForChange,
            Outcome::Held(_) => Class::Blocked,
            Outcome::Failed(failure) => failure.class,
        }
    }

    /// CamelCase and stable: for conditions, events and metrics.
    pub fn reason(&self) -> &str {
        match self {
            Outcome::Settled => "AsDesired",
            Outcome::Progressing(_) => "Progressing",
            Outcome::Paused => "Paused",
            Outcome::Held(_) => "Blocked",
            Outcome::Deleting(_) => "Deleting",
            Outcome::Finished => "Deleted",
            Outcome::Invalid(_) => "Invalid",
            Outcome::RetryAsked(_) => "PluginRetries",
            Outcome::Needs(_) => "LookingUpRelated",
            Outcome::PluginBroken(_) => "PluginBroken",
            Outcome::PluginFailed { reason, .. } => reason,
            Outcome::PluginMissing => "PluginMissing",
            Outcome::Refused(refusal) => refusal.reason(),
            Outcome::Stale(_) => "WaitingForCache",
            Outcome::Failed(failure) => &failure.reason,
        }
    }

    /// What there is to say, and what happens next or what to do. Bounded and escaped.
    pub fn message(&self) -> String {
        let text = match self {
            Outcome::Settled => "everything is as desired".into(),
            Outcome::Progressing(what) => what.clone(),
            Outcome::Paused => {
                format!("nothing is done until annotation {} is removed", crate::names::ANNOTATION_PAUSED)
            }
            Outcome::Held(what) => what.clone(),
            Outcome::Deleting(what) => format!("is being torn down: {what}"),
            Outcome::Finished => "everything that belonged to it is gone".into(),
            Outcome::Invalid(errors) => {
                format!("{}; correct the resource", list(errors.iter().map(ToString::to_string)))
            }
            Outcome::RetryAsked(why) => format!("the plugin asks to be asked again: {why}"),
            Outcome::Needs(count) => format!("{count} queries for related objects are answered first"),
            Outcome::PluginBroken(why) => format!("the plugin cannot decide until it or the resource changes: {why}"),
            Outcome::PluginFailed { message, .. } => format!("the plugin failed, and is tried again: {message}"),
            Outcome::PluginMissing => "no loaded plugin serves this kind; load it, and the resource is taken up".into(),
            Outcome::Refused(refusal) => refusal.to_string(),
            Outcome::Stale(why) => why.clone(),
            Outcome::Failed(failure) => failure.message.clone(),
        };
        bounded(&text, 4096)
    }

    /// Whether a person should look at it: an event about it is a warning.
    pub fn warning(&self) -> bool {
        match self {
            Outcome::Settled
            | Outcome::Progressing(_)
            | Outcome::Paused
            | Outcome::Deleting(_)
            | Outcome::Finished
            | Outcome::RetryAsked(_)
            | Outcome::Needs(_)
            | Outcome::Stale(_) => false,
            Outcome::Held(_)
            | Outcome::Invalid(_)
            | Outcome::PluginBroken(_)
            | Outcome::PluginFailed { .. }
            | Outcome::PluginMissing
            | Outcome::Refused(_)
            | Outcome::Failed(_) => true,
        }
    }

    /// Whether the newest spec was looked at to its end, so that `observedGeneration` may say so.
    pub fn observed(&self) -> bool {
        match self {
            Outcome::Settled
            | Outcome::Progressing(_)
            | Outcome::Held(_)
            | Outcome::Deleting(_)
            | Outcome::Finished
            | Outcome::Invalid(_)
            | Outcome::PluginBroken(_)
            | Outcome::Refused(_)
            | Outcome::Failed(_) => true,
            Outcome::Paused
            | Outcome::RetryAsked(_)
            | Outcome::Needs(_)
            | Outcome::PluginFailed { .. }
            | Outcome::PluginMissing
            | Outcome::Stale(_) => false,
        }
    }
}

/// The first few, and how many more there are.
fn list(texts: impl Iterator<Item = String>) -> String {
    const MOST: usize = 5;
    let mut all: Vec<String> = texts.collect();
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let mut text = all.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}
