//! Teardown without a decision: the plugin is missing or broken and the resource is being deleted. In: the facts, above
//! all the inventory. Out: a checked plan that only deletes and releases, in reverse order.

use super::{Checked, Plan, propose};
use crate::check::{CheckLimits, Refusal, verify_steps, without_backends};
use crate::decision::Decision;
use crate::facts::Facts;

/// What to remove of a resource that is being deleted, from its inventory alone. Everything that it names goes in reverse
/// order of its creation, but for what its policy keeps or protects. For a resource that is not being deleted the plan
/// has no steps: without a decision nothing is known to be superfluous.
pub fn teardown(facts: &Facts, limits: &CheckLimits) -> Result<Plan<Checked>, Refusal> {
    if !facts.resource.deleting {
        let inventory = facts.inventory.clone().unwrap_or_default();
        let body = super::Content { inventory, ..super::Content::default() };
        return Ok(Plan { body, state: Checked(()) });
    }
    let Plan { mut body, state } = propose(facts, &Decision::default());
    let mut problems = state.problems;
    without_backends(&mut body, limits);
    problems.extend(verify_steps(&body.steps, facts));
    Refusal::unless_empty(problems)?;
    Ok(Plan { body, state: Checked(()) })
}
