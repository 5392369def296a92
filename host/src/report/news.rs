//! What users are told of a pass: a plan that was acted on in, news out.

use super::events::News;
use model::{
    Decision,
    plan::{Action, Applied, Plan, Reason, Step, StepResult},
};

/// What users are told of a pass: what the plugin says, what went, what was left alone, what was taken back, what failed. That children were
/// made as they should be is no news.
pub fn news_of(plan: &Plan<Applied>, decision: &Decision) -> Vec<News> {
    let mut news: Vec<News> =
        decision.events.iter().map(|event| News::state(event.warning, &event.reason, event.message.clone())).collect();
    for (step, result) in plan.results() {
        match result {
            StepResult::Done(_) => news.extend(done(step)),
            StepResult::Failed(outcome) => {
                news.push(News::state(true, &outcome.reason, format!("item {}: {}", step.item, outcome.message)));
            }
            StepResult::Already(_) | StepResult::Skipped(_) => {}
        }
    }
    for let_be in plan.forgotten() {
        let text = format!("item {} ({}) is left alone from now on: {}", let_be.item, let_be.target, let_be.why);
        news.push(News::occurrence(false, "LeftAlone", text));
    }
    for blocked in plan.blocked() {
        news.push(News::state(
            true,
            blocked.rule.word(),
            format!("item {} ({}) stays: {}", blocked.item, blocked.target, blocked.message),
        ));
    }
    news
}

fn done(step: &Step) -> Option<News> {
    let object = step.action.key().map_or_else(|| step.item.clone(), ToString::to_string);
    let why = match &step.reason {
        Reason::Teardown => "the resource is being deleted",
        Reason::Undesired => "it is no longer desired",
        Reason::Missing
        | Reason::Changed(_)
        | Reason::Drifted(_)
        | Reason::Adopted
        | Reason::Values(_)
        | Reason::External => "it has to be made again",
    };
    let (reason, message) = match (&step.action, &step.reason) {
        (Action::Apply { .. } | Action::AddSecretValues { .. } | Action::Overlay { .. }, Reason::Drifted(paths)) => {
            ("DriftCorrected", format!("{object}: {}", paths.join(", ")))
        }
        (Action::Adopt { .. }, _) => ("Adopted", format!("took over {object}")),
        (Action::Delete { .. } | Action::Recreate { .. } | Action::RemoveExternal { .. }, _) => {
            ("Deleted", format!("deleted {object}: {why}"))
        }
        (Action::Release { .. }, _) => ("Released", format!("let go of {object}, which stays: {why}")),
        (Action::AddSecretValues { rotate, .. }, _) if !rotate.is_empty() => {
            ("SecretRotated", format!("made new values in {object}; the old ones stay under KEY.previous"))
        }
        (
            Action::Apply { .. }
            | Action::AddSecretValues { .. }
            | Action::CreateSecret { .. }
            | Action::Overlay { .. }
            | Action::Mysql(_)
            | Action::Azure(_)
            | Action::Vault(_),
            _,
        ) => return None,
    };
    Some(News::occurrence(false, reason, message))
}
