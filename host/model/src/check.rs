//! What stands between a plugin and the world. In: a proposed plan, the facts, what the operator granted and what the
//! plugin described. Out: a plan that may be acted on, or a refusal as a whole, with each rule and item.

mod budget;
mod grants;
pub(crate) mod graph;
pub(crate) mod object;
mod reach;
mod rule;
pub(crate) mod secret;
pub(crate) mod size;
mod steps;

pub(crate) use budget::holds_state;
pub use grants::{azure_granted, vault_granted};
pub use reach::{namespace, not_readable, read_granted, reads, secret_granted, sent_secrets, server_secrets};
pub use rule::Rule;
pub(crate) use steps::{verify_steps, without_backends};

use crate::decision::ItemId;
use crate::description::Description;
use crate::facts::Facts;
use crate::grant::Grants;
use crate::plan::{Checked, Plan, Proposed};
use crate::text::bounded;
use std::fmt;

/// Checks a plan against the grants, the limits and the deletion budget.
///
/// A decision that breaks a rule is refused as a whole. Removals that the budget does not cover are taken out of the plan
/// and are in [`Plan::blocked`]; the rest of the plan goes on, because creations and changes take nothing away. A plan
/// for a paused resource has no steps and is never refused.
pub fn check(
    plan: Plan<Proposed>,
    facts: &Facts,
    grants: &Grants,
    description: &Description,
    limits: &CheckLimits,
) -> Result<Plan<Checked>, Refusal> {
    let Plan { mut body, state } = plan;
    if !body.paused {
        let mut problems = state.problems.clone();
        problems.extend(size::problems(&state.desired, &body.inventory, limits));
        problems.extend(grants::problems(&state.desired, facts, grants, description, limits));
        Refusal::unless_empty(problems)?;
        budget::enforce(&mut body, &state, facts);
        without_backends(&mut body, limits);
        Refusal::unless_empty(grants::verbs(&body.steps, grants, &facts.plugin))?;
        Refusal::unless_empty(verify_steps(&body.steps, facts))?;
    }
    Ok(Plan { body, state: Checked(()) })
}

/// Limits on what one decision may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// Items of a decision.
    pub items: usize,
    /// Bytes of one item as JSON. The API server takes 1.5 MiB, and defaults and managed fields come on top.
    pub item_bytes: usize,
    /// Bytes of all items as JSON.
    pub total_bytes: usize,
    /// Maps and lists inside each other.
    pub depth: usize,
    /// Bytes of the inventory annotation. All annotations of an object together may have 256 KiB.
    pub inventory_bytes: usize,
    /// Backends besides Kubernetes that this host can act on.
    pub backends: crate::description::Backends,
}

impl Default for CheckLimits {
    fn default() -> Self {
        CheckLimits {
            items: 1_000,
            item_bytes: 1 << 20,
            total_bytes: 8 << 20,
            depth: 64,
            inventory_bytes: 192 << 10,
            backends: crate::description::Backends::default(),
        }
    }
}

/// Why a decision is refused as a whole. Nothing of it is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Everything that is wrong, in order of the items; never empty.
    problems: Vec<Problem>,
}

/// One thing that is wrong with a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule that it breaks.
    pub rule: Rule,
    /// The item; empty where it is the decision as a whole.
    pub item: ItemId,
    /// What is wrong and what to do, for people. Bounded, escaped, without secrets.
    pub message: String,
}

/// How many problems a refusal names; one decision may break a rule with each of its items.
const MOST_PROBLEMS: usize = 20;

/// Most bytes of a problem's message.
const MESSAGE_BYTES: usize = 512;

impl Problem {
    /// A problem; what others wrote in the message and id is bounded and escaped here.
    pub(crate) fn new(rule: Rule, item: &str, message: &str) -> Self {
        Problem { rule, item: bounded(item, 100), message: bounded(message, MESSAGE_BYTES) }
    }
}

impl Refusal {
    /// A refusal, unless nothing is wrong.
    pub(crate) fn unless_empty(mut problems: Vec<Problem>) -> Result<(), Refusal> {
        problems.truncate(MOST_PROBLEMS);
        if problems.is_empty() { Ok(()) } else { Err(Refusal { problems }) }
    }

    /// Everything that is wrong, at least one thing, at most twenty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The stable word of the first problem, for the condition and the event.
    pub fn reason(&self) -> &'static str {
        self.problems.first().map_or("Refused", |problem| problem.rule.word())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.item.is_empty() {
            write!(f, "{}: {}", self.rule, self.message)
        } else {
            write!(f, "{}: item {}: {}", self.rule, self.item, self.message)
        }
    }
}

impl fmt::Display for Refusal {
    /// The first problems, each with its rule and item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plugin's decision was refused, nothing of it was done: ")?;
        for (index, problem) in self.problems.iter().take(3).enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        match self.problems.len().saturating_sub(3) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Refusal {}
