//! How a new version takes over: what the spec says, and whether a shadow run lets it. What was found in; go, or why not and
//! how to approve, out. Pure.

use super::or_default;
use crate::decide::Digest;
use model::related::Selector;
use model::shadow::{Entry, Severity, Summary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Approves one version on the `Plugin`, by its digest.
pub const ANNOTATION_APPROVE: &str = "windlass.dev/approve";
/// Parts that are taken where the spec names none.
const STEPS: [u8; 2] = [10, 50];
/// Seconds between two parts where the spec does not say.
const PAUSE: u32 = 60;

/// How a new version takes over from the one that serves. In any case it is first asked about every resource, without
/// effects, and what it would do otherwise is in `status.rollout`; what fails, or would delete or make anew what holds
/// state, waits for approval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// When it takes over.
    #[serde(default, deserialize_with = "or_default")]
    pub strategy: Strategy,
    /// For `Percentage`: parts in percent of the resources, by their uid. All follow in the end. Without it 10 and 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    #[schemars(length(max = 20), inner(range(min = 1, max = 100)))]
    pub steps: Vec<u8>,
    /// For `Percentage`: seconds that a part decides before the next one follows. Without it 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604800))]
    pub pause_seconds: Option<u32>,
    /// For `Selector`: labels of the resources that it decides for: `track=canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub selector: Option<String>,
    /// Approves one version, as `status.rollout.approve` names it: a digest. The annotation `windlass.dev/approve` does the
    /// same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub approved: Option<String>,
}

/// When a new version takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// For all resources, as soon as the shadow run ended well.
    #[default]
    AllAtOnce,
    /// For a growing part of the resources, while those in it are in order; back to the old version when one fails.
    Percentage,
    /// For resources with certain labels, until the strategy is another one.
    Selector,
    /// When a person approves it.
    Manual,
    /// For all resources at once, without a shadow run.
    Immediate,
}

impl Rollout {
    /// What is wrong with it, with the field.
    pub(super) fn problem(&self) -> Option<String> {
        if let Some(step) = self.steps.iter().find(|step| !(1..=100).contains(*step)) {
            return Some(format!("spec.rollout.steps: {step} is no part; write percent from 1 to 100"));
        }
        match (&self.selector, self.strategy) {
            (None, Strategy::Selector) => {
                Some("spec.rollout.selector: the strategy Selector needs one, like track=canary".into())
            }
            (Some(selector), _) => {
                Selector::parse(selector).err().map(|error| format!("spec.rollout.selector: {error}"))
            }
            _ => None,
        }
    }

    /// Parts in percent.
    pub fn steps(&self) -> &[u8] {
        if self.steps.is_empty() { &STEPS } else { &self.steps }
    }

    /// Milliseconds between two parts.
    pub fn pause(&self) -> u64 {
        u64::from(self.pause_seconds.unwrap_or(PAUSE)) * 1000
    }
}

/// What approves a version: its digest, and with other settings or grants than those that serve a word for them, so that
/// an approval is of what was looked at.
pub fn token(digest: &Digest, changed: Option<(&str, &str)>) -> String {
    match changed {
        None => format!("sha256:{digest}"),
        Some((settings, grants)) => {
            let mut hash = Sha256::new();
            hash.update(settings.as_bytes());
            hash.update([0]);
            hash.update(grants.as_bytes());
            let hash: [u8; 32] = hash.finalize().into();
            let head: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{digest}+{head}")
        }
    }
}

/// Whether a version may take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the strategy says.
    Go,
    /// Not now: reason and message.
    Stop(&'static str, String),
}

/// Judges a shadow run that ended. `plugin` is the name of the `Plugin`, for the message.
pub fn verdict(rollout: &Rollout, approved: bool, token: &str, plugin: &str, summary: &Summary) -> Verdict {
    if approved {
        return Verdict::Go;
    }
    let approve = format!(
        "kubectl annotate plugin {plugin} --overwrite {ANNOTATION_APPROVE}={token}, or the same in spec.rollout.approved"
    );
    let words = summary.words();
    if summary.failing > 0 {
        let first = named(summary, Severity::Fails);
        let message = format!(
            "{words}. It fails for {}: {first}. Mend it; or approve it nevertheless: {approve}",
            summary.failing
        );
        return Verdict::Stop("ShadowFailed", message);
    }
    if summary.destroys > 0 {
        let first = named(summary, Severity::Destroys);
        let message =
            format!("{words}. It would take away what holds state: {first}. If that is meant, approve it: {approve}");
        return Verdict::Stop("DestroysState", message);
    }
    if summary.unknown() > 0 {
        let message = format!(
            "{words}. What cannot be judged is looked at again; mend what does not answer, or approve it as it is: {approve}"
        );
        return Verdict::Stop("NotJudged", message);
    }
    if rollout.strategy == Strategy::Manual {
        return Verdict::Stop("AwaitingApproval", format!("{words}. To let it take over: {approve}"));
    }
    Verdict::Go
}

/// The first few entries of a severity, in words.
fn named(summary: &Summary, severity: Severity) -> String {
    const MOST: usize = 3;
    let all: Vec<String> = summary.worst().iter().filter(|it| it.severity == severity).map(sentence).collect();
    let more = all.len().saturating_sub(MOST);
    let mut text = all.iter().take(MOST).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str("; and more in status.rollout.shadow.worst");
    }
    text
}

fn sentence(entry: &Entry) -> String {
    let Entry { resource, item, happens, target, note, .. } = entry;
    let what = if target.is_empty() { item.clone() } else { format!("{item} ({target})") };
    let what = if what.is_empty() { String::new() } else { format!(" {what}") };
    let note = if note.is_empty() { String::new() } else { format!(": {note}") };
    format!("{resource}: {}{what}{note}", happens.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::shadow::{Judgement, NotJudged, Outlook, judge};

    fn failing() -> Summary {
        let mut summary = Summary::default();
        let as_is = Outlook::AsIs(serde_json::Value::Null);
        summary.add("shop/db", &judge(&as_is, &Outlook::undecided("PluginCrashed", "it crashed"), None));
        summary
    }

    #[test]
    fn a_version_that_fails_waits_for_a_person_whatever_the_strategy() {
        let rollout = Rollout::default();
        let Verdict::Stop(reason, message) = verdict(&rollout, false, "sha256:ab", "db", &failing()) else { panic!() };
        assert_eq!(reason, "ShadowFailed");
        assert!(message.contains("shop/db") && message.contains("windlass.dev/approve=sha256:ab"), "{message}");
        assert_eq!(verdict(&rollout, true, "sha256:ab", "db", &failing()), Verdict::Go);
    }

    #[test]
    fn what_cannot_be_judged_is_not_taken_for_equal_but_what_is_paused_does_not_hold_up() {
        let mut summary = Summary::default();
        summary.add("a", &Judgement::NotJudged(NotJudged::Paused));
        assert_eq!(verdict(&Rollout::default(), false, "", "db", &summary), Verdict::Go);
        summary.add("b", &Judgement::NotJudged(NotJudged::BackendUnknown));
        assert!(matches!(verdict(&Rollout::default(), false, "", "db", &summary), Verdict::Stop("NotJudged", _)));
    }

    #[test]
    fn by_hand_means_by_hand_also_where_nothing_differs() {
        let rollout = Rollout { strategy: Strategy::Manual, ..Rollout::default() };
        assert!(matches!(
            verdict(&rollout, false, "", "db", &Summary::default()),
            Verdict::Stop("AwaitingApproval", _)
        ));
    }

    #[test]
    fn an_approval_is_of_a_digest_and_of_its_settings_where_they_are_new() {
        let digest = Digest::of(b"code");
        assert_eq!(token(&digest, None), format!("sha256:{digest}"));
        let (one, two) = (token(&digest, Some(("{}", "a"))), token(&digest, Some(("{\"x\":1}", "a"))));
        assert!(one.starts_with(&format!("sha256:{digest}+")) && one != two);
    }

    #[test]
    fn a_rollout_that_means_nothing_is_named() {
        let problem = |rollout: Rollout| rollout.problem().unwrap_or_default();
        let selector = Rollout { strategy: Strategy::Selector, ..Rollout::default() };
        assert!(problem(selector.clone()).contains("spec.rollout.selector"));
        assert!(problem(Rollout { selector: Some("a in (".into()), ..selector }).contains("not understood"));
        assert!(problem(Rollout { steps: vec![0], ..Rollout::default() }).contains("spec.rollout.steps"));
    }
}
