//! What follows from a plan that was acted on: what to say, whether there is anything left to do, when to look again.

use crate::{
    act::{
        self, Acted, RecordError,
        kubernetes::{Class, Failure},
    },
    context::{Context, Memory},
    driver::Next,
    observe::{Look, Seen},
    report::{self, News, Report},
};
use model::{
    Outcome, Plan,
    check::Rule,
    facts::ResourceFacts,
    plan::{Applied, StepResult},
    snapshot::Instant,
};
use std::time::Duration;

/// How often it is asked whether a kind that is not served is served by now.
const UNSERVED: Duration = Duration::from_secs(30);
/// How soon a pass follows one that no event will follow: its writes changed nothing, or the event was before it.
const AGAIN: Duration = Duration::from_millis(50);

impl Context {
    /// Nothing to do until something changes, or until then.
    pub(super) fn rest(&self, until: Option<Instant>) -> Next {
        Next::Done { wake: until.map(|until| Duration::from_millis(until.saturating_sub(self.clock.now()))) }
    }

    /// Lets go of a resource of which nothing is left.
    pub(super) async fn let_go(&self, resource: &ResourceFacts) -> Next {
        // Before: who is gone cannot say any more what was kept for it.
        let backends = self.plugins.serving(&resource.key.kind).map(|served| served.decider.description().backends);
        if backends.is_none_or(|backends| backends.azure || backends.vault) {
            match act::release(&self.actor, &self.cache, resource).await {
                Ok(()) => {}
                // Of a plugin that is gone nobody knows what it kept. An account that may not read Secrets kept none.
                Err(Failure::Forbidden(message)) if backends.is_none() => {
                    tracing::info!(resource = %resource.key, "no Secret is looked at before it goes: {message}");
                }
                Err(failure) => return retry(failure.class(), failure.reason()),
            }
        }
        match act::let_go(&self.actor, resource).await {
            Ok(()) => Next::Done { wake: None },
            Err(RecordError { failure, .. }) => retry(failure.class(), failure.reason()),
        }
    }

    /// Nothing was done, because what would exist could not be written down.
    pub(super) async fn not_recorded(&self, look: &Look, memory: &mut Memory, error: RecordError) -> Next {
        let failure = &error.failure;
        // The resource changed since it was observed, or may have: that is for a new look, and not worth a word (D1).
        if failure.class() != Class::Observe {
            let outcome = Outcome::Failed(act::step_failure(failure, error.to_string()));
            let news = vec![News::state(true, failure.reason(), error.to_string())];
            let report = Report::undecided(&look.resource, Some(outcome), news);
            if let Err(failure) = report::report(self, memory, report).await {
                return retry(failure.class(), failure.reason());
            }
        }
        retry(failure.class(), failure.reason())
    }
}

impl Memory {
    /// Takes over what a plan that was acted on taught: what was written last, and what failed. True when an item whose
    /// change had failed turned out to be as it should be: the plugin was shown the failure and has to be asked again.
    pub(super) fn learn(&mut self, plan: &Plan<Applied>) -> bool {
        for (step, result) in plan.results() {
            match result {
                StepResult::Failed(outcome) => {
                    self.errors.insert(step.item.clone(), outcome.message.clone());
                }
                StepResult::Done(_) | StepResult::Already(_) => {
                    self.errors.remove(&step.item);
                }
                StepResult::Skipped(_) => {}
            }
        }
        let written: Vec<_> = plan.last_writes().map(|(item, write)| (item.to_owned(), write.clone())).collect();
        self.last_writes.extend(written);
        let exists = |item: &String| plan.knows(item);
        self.last_writes.retain(|item, _| exists(item));
        self.past.only(exists);
        // What needs nothing is as it should be, however it came to that: a write of ours whose answer was lost, a user.
        let before = self.errors.len();
        self.errors.retain(|item, _| {
            plan.steps().iter().any(|step| step.item == *item)
                || plan.waiting().iter().any(|waiting| waiting.item == *item)
                || plan.blocked().iter().any(|blocked| blocked.item == *item)
        });
        self.errors.len() < before
    }
}

/// What to put into the status. Nothing while another pass will follow at once and say more: a status for each step of a
/// resource would be as many writes as its children.
///
/// With servers it is another matter: the plugin's next step may be one that the status has to say first.
pub(super) fn outcome(acted: &Acted, deleting: bool, servers: bool) -> Option<Outcome> {
    let on_the_way = acted.worst.is_none() && !acted.plan.steps().is_empty();
    let waits = !deleting && !acted.plan.waiting().is_empty();
    let worth_a_write = !on_the_way || waits || !acted.plan.blocked().is_empty();
    // A failure that a new look mends is no state of the resource.
    let passing = acted.worst.is_some_and(|(class, _)| class == Class::Observe);
    (servers || (worth_a_write && !passing)).then(|| Outcome::of_plan(&acted.plan, deleting))
}

/// Whether the same look would lead to nothing again: no step, no word, and no view that was missing.
pub(super) fn is_quiet(look: &Look, acted: &Acted, told: &Result<bool, Failure>) -> bool {
    let unknown = look.named.iter().any(|(_, seen)| matches!(seen, Seen::Unknown(_)));
    acted.plan.steps().is_empty() && matches!(told, Ok(false)) && !unknown
}

/// When a resource that is as it should be is looked at again. Nobody is told that a kind is served from now on, so what
/// may wait for one asks from time to time (D8).
pub(super) fn wake(look: &Look, wake: Option<Instant>, now: Instant) -> Option<Instant> {
    let appears = (!look.unserved.is_empty()).then(|| now + UNSERVED.as_millis() as u64);
    wake.into_iter().chain(appears).min()
}

/// When to look again. `servers`: the decision is about servers, which nobody else looks at.
pub(super) fn next(
    acted: &Acted,
    told: Result<bool, Failure>,
    wake: Option<Instant>,
    servers: bool,
    now: Instant,
) -> Next {
    let wake = wake.map(|wake| Duration::from_millis(wake.saturating_sub(now)));
    let failed = acted.worst.or_else(|| told.as_ref().err().map(|failure| (failure.class(), failure.reason())));
    // What became of servers is seen by looking at them, and a status that came too late is for a new decision.
    if acted.servers_changed || (servers && matches!(told, Err(Failure::Changed(_)))) {
        return again();
    }
    match (failed, wake) {
        // One object that cannot be written is no reason to leave servers alone.
        (Some((class, reason)), Some(wake)) if servers => {
            let after = act::pause(class).map_or(wake, |pause| pause.min(wake));
            return Next::Retry { after: Some(after), reason };
        }
        (Some((class, reason)), _) => return retry(class, reason),
        (None, _) => {}
    }
    let of_kubernetes = acted.plan.steps().iter().any(|step| !step.action.is_server() && !step.action.is_cloud());
    if of_kubernetes && acted.writes == 0 {
        return again();
    }
    Next::Done { wake }
}

/// What the plugin wants to see in each pass and is not granted: it decides without, and the user is told.
pub(super) fn refusals(look: &Look) -> impl Iterator<Item = News> {
    look.related.iter().filter(|answer| !answer.granted).filter_map(|answer| {
        let message = format!("query {}: {}", answer.query.name, answer.reason.as_deref()?);
        Some(News::state(true, Rule::ReadNotGranted.word(), message))
    })
}

/// A new look at once.
pub(super) fn again() -> Next {
    Next::Done { wake: Some(AGAIN) }
}

fn retry(class: Class, reason: &'static str) -> Next {
    Next::Retry { after: act::pause(class), reason }
}
