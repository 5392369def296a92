//! The ways in which a pass ends before there is a plan: the view is old, a user said stop, or there is no decision.

use crate::{
    act,
    context::{Context, Memory, Quiet, Served},
    decide::{decider::Breakdown, question::NoDecision},
    driver::Next,
    observe::Look,
    report::{self, News, Report},
};
use model::{
    ObjectKey, Outcome, Refusal,
    facts::ResourceFacts,
    inventory::Target,
    names,
    status::{TEARDOWN_BY_INVENTORY, holds_since},
};
use std::time::Duration;

/// How long a condition says that a teardown will go on without its plugin before it does.
const GRACE: Duration = Duration::from_secs(30);
/// A refusal may end because something changed that the resource has no part in.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// A pass that only a user or an operator can unblock is still looked at from time to time.
const STUCK_PAUSE: Duration = Duration::from_secs(300);

impl Context {
    pub(super) fn forget(&self, key: &ObjectKey) -> Next {
        self.memories.forget(key);
        self.ledger.forget(key);
        Next::Done { wake: None }
    }

    /// Paused, abandoned, and deleted without anything of ours: the plugin is not asked.
    pub(super) async fn without_asking(
        &self,
        look: &Look,
        resource: &ResourceFacts,
        memory: &mut Memory,
    ) -> Option<Next> {
        if resource.paused() {
            let report = Report::undecided(&look.resource, Some(Outcome::Paused), Vec::new());
            return Some(self.stop(look, memory, report, Next::Parked, true).await);
        }
        if resource.deleting && !resource.has_finalizer() {
            return Some(Next::Parked);
        }
        if resource.deleting && resource.abandoned() {
            let elsewhere = look.inventory.entries.iter().filter_map(|entry| match &entry.target {
                Target::External { name, .. } => Some(name.clone()),
                Target::Object(_) | Target::Secret(_) => None,
            });
            let left: Vec<String> = look.owned.iter().map(|object| object.key.to_string()).chain(elsewhere).collect();
            let text =
                if left.is_empty() { "nothing is left".into() } else { format!("left behind: {}", left.join(", ")) };
            let message = format!("let go without teardown by annotation {}: {text}", names::ANNOTATION_ABANDON);
            let news = vec![News::state(true, "Abandoned", message)];
            let report = Report::undecided(&look.resource, None, news);
            // Only the status can fail, and none is written.
            let _ = report::report(self, memory, report).await;
            return Some(self.let_go(resource).await);
        }
        None
    }

    /// Why a deleted resource is torn down by its inventory: its plugin is gone or broken, and a condition has said for a
    /// while that this would happen.
    pub(super) fn teardown_without_plugin(
        &self,
        look: &Look,
        resource: &ResourceFacts,
        why: &NoDecision,
    ) -> Option<(String, String)> {
        let reason = unable(why).filter(|_| resource.deleting)?;
        let document = look.resource.value();
        let since = holds_since(document.get("status")?, TEARDOWN_BY_INVENTORY)?;
        let since = chrono::DateTime::parse_from_rfc3339(since).ok()?.timestamp_millis();
        let grace = u64::try_from(since).ok()?.saturating_add(GRACE.as_millis() as u64);
        (self.clock.now() >= grace).then(|| announcement(&reason))
    }

    /// Tells why there is no decision. Nothing is changed or deleted.
    pub(super) async fn no_decision(
        &self,
        look: &Look,
        resource: &ResourceFacts,
        memory: &mut Memory,
        why: NoDecision,
    ) -> Next {
        let outcome = outcome_of(&why);
        let (mut next, mut final_) = match &why {
            NoDecision::Invalid(_) | NoDecision::Broken(_) => (Next::Parked, true),
            NoDecision::Later(_) => (Next::Retry { after: None, reason: why.word() }, false),
            NoDecision::Needs(_) | NoDecision::Flapping(_) => (stuck(why.word()), false),
            NoDecision::Breakdown(breakdown) if breakdown.may_pass => {
                (Next::Retry { after: None, reason: breakdown.reason }, false)
            }
            NoDecision::Breakdown(breakdown) => (stuck(breakdown.reason), true),
        };
        let mut news = Vec::new();
        if outcome.warning() {
            news.push(News::state(true, outcome.reason(), outcome.message()));
        }
        let mut report = Report::undecided(&look.resource, Some(outcome), news);
        if let Some(reason) = unable(&why).filter(|_| resource.deleting) {
            let (reason, message) = announcement(&reason);
            report.news.push(News::state(true, TEARDOWN_BY_INVENTORY, message.clone()));
            report.teardown = Some((reason, message));
            (next, final_) = (Next::Done { wake: Some(GRACE + Duration::from_secs(1)) }, false);
        }
        self.stop(look, memory, report, next, final_).await
    }

    /// Tells which rule a decision breaks. Nothing of it was done.
    pub(super) async fn refused(&self, look: &Look, served: &Served, memory: &mut Memory, refusal: Refusal) -> Next {
        let reason = refusal.reason();
        self.metrics.refusal(served.decider.name(), &look.resource.key.kind, reason);
        let news = refusal
            .problems()
            .iter()
            .map(|problem| News::state(true, problem.rule.word(), problem.to_string()))
            .collect();
        let report = Report::undecided(&look.resource, Some(Outcome::Refused(refusal)), news);
        self.stop(look, memory, report, Next::Retry { after: Some(REFUSED_PAUSE), reason }, false).await
    }

    /// Reports, and ends the pass. After a `final_` one only a change is a reason to look.
    async fn stop(&self, look: &Look, memory: &mut Memory, report: Report<'_>, next: Next, final_: bool) -> Next {
        match report::report(self, memory, report).await {
            Ok(written) => {
                let quiet = Quiet { identity: look.identity, until: None };
                memory.rest((final_ && !written).then_some(quiet), &look.resource);
                next
            }
            Err(failure) => Next::Retry { after: act::pause(failure.class()), reason: failure.reason() },
        }
    }
}

fn outcome_of(why: &NoDecision) -> Outcome {
    match why {
        NoDecision::Invalid(errors) => Outcome::Invalid(errors.clone()),
        NoDecision::Later(why) => Outcome::RetryAsked(why.clone()),
        NoDecision::Needs(queries) => Outcome::NeedsUnending(queries.iter().map(|query| query.name.clone()).collect()),
        NoDecision::Broken(why) => Outcome::PluginBroken(why.clone()),
        NoDecision::Breakdown(breakdown) if breakdown.reason == Breakdown::MISSING => Outcome::PluginMissing,
        NoDecision::Breakdown(Breakdown { reason, message, .. }) => {
            Outcome::PluginFailed { reason: (*reason).into(), message: message.clone() }
        }
        NoDecision::Flapping(flap) => Outcome::Flapping(flap.to_string()),
    }
}

/// Why the plugin cannot be asked about a teardown, if that is so.
fn unable(why: &NoDecision) -> Option<String> {
    match why {
        NoDecision::Broken(_) => Some("PluginBroken".into()),
        NoDecision::Breakdown(breakdown) => Some(breakdown.reason.into()),
        NoDecision::Invalid(_) => Some("Invalid".into()),
        NoDecision::Flapping(_) => Some("DecisionFlapping".into()),
        NoDecision::Later(_) | NoDecision::Needs(_) => None,
    }
}

fn announcement(reason: &str) -> (String, String) {
    let message = format!(
        "the plugin cannot be asked about the teardown; {} s after this condition was set, what the inventory names is \
         deleted in reverse order without it",
        GRACE.as_secs()
    );
    (reason.into(), message)
}

fn stuck(reason: &'static str) -> Next {
    Next::Retry { after: Some(STUCK_PAUSE), reason }
}
