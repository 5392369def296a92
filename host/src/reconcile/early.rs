//! The ways in which a pass ends before there is a plan: the view is old, a user said stop, or there is no decision.

use crate::{
    act,
    context::{Context, Memory, Quiet},
    decide::question::NoDecision,
    driver::Next,
    observe::Look,
    report::{self, News, Report, Verdict, status},
};
use model::{ObjectKey, Refusal, facts::ResourceFacts, names};
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
            return Some(self.stop(look, memory, Verdict::paused(), Vec::new(), Next::Parked, true).await);
        }
        if resource.deleting && !resource.has_finalizer() {
            return Some(Next::Parked);
        }
        if resource.deleting && resource.abandoned() {
            let left: Vec<String> = look.owned.iter().map(|object| object.key.to_string()).collect();
            let text =
                if left.is_empty() { "nothing is left".into() } else { format!("left behind: {}", left.join(", ")) };
            let message = format!("let go without teardown by annotation {}: {text}", names::ANNOTATION_ABANDON);
            let news = vec![News::state(true, "Abandoned", message)];
            let report = Report { resource: &look.resource, decision: None, verdict: None, news };
            // Only the status can fail, and none is written.
            let _ = report::report(self, memory, report).await;
            return Some(self.let_go(resource, memory).await);
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
        let since = status::holds_since(document.get("status")?, status::TEARDOWN_BY_INVENTORY)?;
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
        let (mut verdict, next, final_) = match &why {
            NoDecision::Invalid(errors) => {
                let shown: Vec<String> = errors.iter().take(10).map(ToString::to_string).collect();
                (Verdict::no("Invalid", shown.join("; ")), Next::Parked, true)
            }
            NoDecision::Later(message) => {
                (Verdict::no("RetryLater", message.clone()), Next::Retry { after: None, reason: "RetryLater" }, false)
            }
            NoDecision::Needs(queries) => {
                let names: Vec<&str> = queries.iter().take(10).map(|query| query.name.as_str()).collect();
                let text =
                    format!("the plugin asked for more each time it was shown what it asked for: {}", names.join(", "));
                (Verdict::no("NeedsUnending", text), stuck("NeedsUnending"), false)
            }
            NoDecision::Broken(message) => (Verdict::no("PluginBroken", message.clone()), Next::Parked, true),
            NoDecision::Breakdown(breakdown) if breakdown.may_pass => (
                Verdict::no(breakdown.reason, breakdown.message.clone()),
                Next::Retry { after: None, reason: breakdown.reason },
                false,
            ),
            NoDecision::Breakdown(breakdown) => {
                (Verdict::no(breakdown.reason, breakdown.message.clone()), stuck(breakdown.reason), true)
            }
            NoDecision::Flapping(item) => {
                let text = format!(
                    "the plugin keeps changing item {item} though nothing that a user set changed; nothing more is \
                     written until the resource or the plugin changes"
                );
                (Verdict::no("DecisionFlapping", text), stuck("DecisionFlapping"), false)
            }
        };
        let mut news = vec![News::state(true, &verdict.reason, verdict.message.clone())];
        if matches!(why, NoDecision::Later(_)) {
            news.clear();
        }
        let (mut next, mut final_) = (next, final_);
        if let Some(reason) = unable(&why).filter(|_| resource.deleting) {
            let announced = announcement(&reason);
            news.push(News::state(true, status::TEARDOWN_BY_INVENTORY, announced.1.clone()));
            verdict.without_plugin = Some(announced);
            (next, final_) = (Next::Done { wake: Some(GRACE + Duration::from_secs(1)) }, false);
        }
        self.stop(look, memory, verdict, news, next, final_).await
    }

    /// Tells which rule a decision breaks. Nothing of it was done.
    pub(super) async fn refused(&self, look: &Look, memory: &mut Memory, refusal: &Refusal) -> Next {
        self.metrics.refusal(&look.resource.key.kind, refusal.reason());
        let verdict = Verdict::no(refusal.reason(), refusal.to_string());
        let news = refusal
            .problems()
            .iter()
            .map(|problem| News::state(true, problem.rule.word(), problem.to_string()))
            .collect();
        let next = Next::Retry { after: Some(REFUSED_PAUSE), reason: refusal.reason() };
        self.stop(look, memory, verdict, news, next, false).await
    }

    /// Tells a verdict without a decision, and ends the pass. After a `final_` one only a change is a reason to look.
    async fn stop(
        &self,
        look: &Look,
        memory: &mut Memory,
        verdict: Verdict,
        news: Vec<News>,
        next: Next,
        final_: bool,
    ) -> Next {
        let report = Report { resource: &look.resource, decision: None, verdict: Some(verdict), news };
        match report::report(self, memory, report).await {
            Ok(written) => {
                memory.quiet = (final_ && !written).then_some(Quiet { identity: look.identity, until: None });
                next
            }
            Err(failure) => Next::Retry { after: act::pause(failure.class()), reason: failure.reason() },
        }
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
