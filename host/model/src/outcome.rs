//! What a pass over a resource ended with. In: what happened. Out: a stable reason, and a message with the next step.

use crate::check::{Refusal, Rule};
use crate::fault::FieldError;
use crate::plan::{Applied, Failure, Plan};
use crate::text::bounded;

/// Whether, and when, trying a step again may help. The hardest to get over is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// After a growing pause.
    Retry,
    /// When the resource, an object of it, the plugin or its grants change.
    WaitForChange,
    /// When a human allows something that the host does not do of itself.
    Blocked,
}

/// What a pass ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as desired.
    Settled,
    /// Something is waited for, or was done; the text says what.
    Progressing(String),
    /// A user paused the resource.
    Paused,
    /// All is done but for what a guard holds back.
    Held {
        /// The rule that holds the first of it.
        rule: Rule,
        /// What, and how to allow it.
        message: String,
    },
    /// The resource is being deleted and something is left; the text says what.
    Deleting(String),
    /// The plugin says that the resource is wrong, and where.
    Invalid(Vec<FieldError>),
    /// The plugin asks for another attempt.
    RetryAsked(String),
    /// The plugin asked to see more each time that it was shown what it asked for; the names of its last queries.
    NeedsUnending(Vec<String>),
    /// The plugin found itself in the wrong.
    PluginBroken(String),
    /// The plugin did not answer: a trap, or a limit; the text says which.
    PluginFailed {
        /// CamelCase and stable: `PluginOutOfFuel`, `PluginCrashed`.
        reason: String,
        /// For people.
        message: String,
    },
    /// The plugin keeps changing its mind about this item though no user changed anything; the text names the item, and the
    /// field where it is known.
    Flapping(String),
    /// No plugin serves the kind.
    PluginMissing,
    /// The check refused the decision.
    Refused(Refusal),
    /// A read or write failed.
    Failed(Failure),
}

impl Outcome {
    /// Of a plan that was acted on. A failure counts before all else, of several the one that is hardest to get over.
    pub fn of_plan(plan: &Plan<Applied>, deleting: bool) -> Self {
        if let Some((step, failure)) = plan.failures().max_by_key(|(_, failure)| failure.class) {
            let message = format!("item {}: {} failed: {}", step.item, step.action.verb(), failure.message);
            return Outcome::Failed(Failure { message, ..failure.clone() });
        }
        if plan.paused() {
            return Outcome::Paused;
        }
        if let Some(first) = plan.blocked().first() {
            let held = plan.blocked().iter();
            let held = held.map(|one| format!("item {} ({}) stays: {}", one.item, one.target, one.message));
            return Outcome::Held { rule: first.rule, message: list(held) };
        }
        // What is waited for says more than what was done, and changes less often: each new text is a write.
        let progress = match plan.waiting() {
            [] => list(plan.steps().iter().map(ToString::to_string)),
            waiting => list(waiting.iter().map(|waiting| format!("{}: {}", waiting.item, waiting.why))),
        };
        if deleting {
            let left = format!("{} items are left", plan.inventory().entries.len());
            return Outcome::Deleting(if progress.is_empty() { left } else { progress });
        }
        if progress.is_empty() { Outcome::Settled } else { Outcome::Progressing(progress) }
    }

    /// CamelCase and stable: for conditions, events and metrics.
    pub fn reason(&self) -> &str {
        match self {
            Outcome::Settled => "AsDesired",
            Outcome::Progressing(_) => "Progressing",
            Outcome::Paused => "Paused",
            Outcome::Held { rule, .. } => rule.word(),
            Outcome::Deleting(_) => "Deleting",
            Outcome::Invalid(_) => "Invalid",
            Outcome::RetryAsked(_) => "PluginRetries",
            Outcome::NeedsUnending(_) => "NeedsUnending",
            Outcome::PluginBroken(_) => "PluginBroken",
            Outcome::PluginFailed { reason, .. } => reason,
            Outcome::Flapping(_) => "DecisionFlapping",
            Outcome::PluginMissing => "PluginMissing",
            Outcome::Refused(refusal) => refusal.reason(),
            Outcome::Failed(failure) => &failure.reason,
        }
    }

    /// What there is to say, and what happens next or what to do. Bounded and escaped.
    pub fn message(&self) -> String {
        let text = match self {
            Outcome::Settled => "everything that the plugin wants exists as it wants it".into(),
            Outcome::Progressing(what) => what.clone(),
            Outcome::Paused => {
                format!("nothing is done until annotation {} is removed", crate::names::ANNOTATION_PAUSED)
            }
            Outcome::Held { message, .. } => message.clone(),
            Outcome::Deleting(what) => format!("is being torn down: {what}"),
            Outcome::Invalid(errors) => {
                format!("{}; correct the resource", list(errors.iter().map(ToString::to_string)))
            }
            Outcome::RetryAsked(why) => format!("the plugin asks to be asked again: {why}"),
            Outcome::NeedsUnending(queries) => {
                let names = list(queries.iter().cloned());
                format!("the plugin asked for more each time it was shown what it asked for: {names}")
            }
            Outcome::PluginBroken(why) => format!("the plugin cannot decide until it or the resource changes: {why}"),
            Outcome::PluginFailed { message, .. } => message.clone(),
            Outcome::Flapping(item) => format!(
                "the plugin keeps changing item {item} though nothing that a user set changed; nothing more is written \
                 until the resource or the plugin changes"
            ),
            Outcome::PluginMissing => {
                "no plugin that serves this kind is loaded; install it, or see why it was not loaded".into()
            }
            Outcome::Refused(refusal) => refusal.to_string(),
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
            | Outcome::RetryAsked(_) => false,
            Outcome::Held { .. }
            | Outcome::Invalid(_)
            | Outcome::NeedsUnending(_)
            | Outcome::PluginBroken(_)
            | Outcome::PluginFailed { .. }
            | Outcome::Flapping(_)
            | Outcome::PluginMissing
            | Outcome::Refused(_)
            | Outcome::Failed(_) => true,
        }
    }

    /// Whether there is an answer to the newest spec, be it a refusal, so that `observedGeneration` may say so.
    pub fn observed(&self) -> bool {
        match self {
            Outcome::Settled
            | Outcome::Progressing(_)
            | Outcome::Paused
            | Outcome::Held { .. }
            | Outcome::Deleting(_)
            | Outcome::Invalid(_)
            | Outcome::PluginBroken(_)
            | Outcome::Flapping(_)
            | Outcome::Refused(_)
            | Outcome::Failed(_) => true,
            Outcome::RetryAsked(_)
            | Outcome::NeedsUnending(_)
            | Outcome::PluginFailed { .. }
            | Outcome::PluginMissing => false,
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
