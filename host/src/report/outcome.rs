//! What a pass came to, in the words of a condition, and what there is to tell. A plan that was acted on in; a
//! [`Verdict`] and news out.

use super::{
    events::News,
    status::{RECONCILED, TEARDOWN_BY_INVENTORY},
};
use model::{
    Condition, Decision, Truth,
    plan::{Action, Applied, Plan, Reason, Step, StepResult},
};

/// What the host has to say about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the resource is as its plugin wants it.
    pub reconciled: Truth,
    /// CamelCase, stable.
    pub reason: String,
    /// What is wrong, and what will happen or what to do.
    pub message: String,
    /// Why the plugin cannot be asked about the teardown that goes on without it.
    pub without_plugin: Option<(String, String)>,
}

impl Verdict {
    /// Something stands in the way.
    pub fn no(reason: &str, message: impl Into<String>) -> Self {
        Verdict { reconciled: Truth::No, reason: reason.into(), message: message.into(), without_plugin: None }
    }

    /// Everything is as desired.
    pub fn yes() -> Self {
        Verdict {
            reconciled: Truth::Yes,
            reason: "Converged".into(),
            message: "everything that the plugin wants exists as it wants it".into(),
            without_plugin: None,
        }
    }

    /// Nobody looks: a user paused the resource.
    pub fn paused() -> Self {
        Verdict {
            reconciled: Truth::Unknown,
            reason: "Paused".into(),
            message: "nothing is done while the annotation windlass.dev/paused is \"true\"; remove it to go on".into(),
            without_plugin: None,
        }
    }

    /// The host's conditions.
    pub fn condition(&self) -> Vec<Condition> {
        let mut conditions = vec![Condition {
            type_: RECONCILED.into(),
            status: self.reconciled,
            reason: self.reason.clone(),
            message: self.message.clone(),
        }];
        if let Some((reason, message)) = &self.without_plugin {
            conditions.push(Condition {
                type_: TEARDOWN_BY_INVENTORY.into(),
                status: Truth::Yes,
                reason: reason.clone(),
                message: message.clone(),
            });
        }
        conditions
    }
}

/// The verdict over a plan that was acted on: the first failure, else what is held back, else what is waited for.
pub fn verdict_of(plan: &Plan<Applied>, deleting: bool) -> Verdict {
    let waiting = |reason: &str| {
        let texts: Vec<&str> = plan.waiting().iter().take(5).map(|waiting| waiting.why.as_str()).collect();
        let more = plan.waiting().len().saturating_sub(5);
        let tail = if more > 0 { format!("; and {more} more") } else { String::new() };
        Verdict::no(reason, format!("{}{tail}", texts.join("; ")))
    };
    if let Some((step, outcome)) = plan.failures().next() {
        return Verdict::no(
            &outcome.reason,
            format!("item {}: {} failed: {}", step.item, step.action.verb(), outcome.message),
        );
    }
    if let Some(blocked) = plan.blocked().first() {
        return Verdict::no(
            blocked.rule.word(),
            format!("item {} ({}) stays: {}", blocked.item, blocked.target, blocked.message),
        );
    }
    if deleting {
        let left = plan.inventory().entries.len();
        return match plan.waiting() {
            [] => Verdict::no("Deleting", format!("{left} items are left to tear down")),
            _ => waiting("Deleting"),
        };
    }
    if !plan.waiting().is_empty() {
        return waiting("Progressing");
    }
    if !plan.steps().is_empty() {
        return Verdict::no("Progressing", format!("{} items were created or changed", plan.steps().len()));
    }
    Verdict::yes()
}

/// What users are told of a pass: what the plugin says, what went, what was taken back, what failed. That children were
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
        (Action::Apply { .. } | Action::AddSecretValues { .. }, Reason::Drifted(paths)) => {
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
            | Action::Mysql(_)
            | Action::Azure(_)
            | Action::Vault(_),
            _,
        ) => return None,
    };
    Some(News::occurrence(false, reason, message))
}
