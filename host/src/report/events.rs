//! Kubernetes events about a resource: news in, Event objects out, each told once or counted up, at a bounded rate.
//!
//! Events are core/v1: `kubectl describe` lists them by `involvedObject`. Limits of the API server: 1024 bytes of note
//! and 128 of reason (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).

use crate::{
    clock::rfc3339,
    watch::{Object, discovery::Resource},
};
use model::{Kind, ObjectKey, digest::Digest, snapshot::Instant, text};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Different events of one resource that are remembered.
const REMEMBERED: usize = 32;
/// Events of one resource at once, and milliseconds until one more is allowed: the figures of client-go's recorder.
const BURST: u32 = 25;
const REFILL: u64 = 5 * 60 * 1000;

/// How every API server serves events.
pub(super) fn served_as() -> Resource {
    Resource { kind: Kind::new("", "v1", "Event"), plural: "events".into(), namespaced: true, subresources: Vec::new() }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// CamelCase, stable.
    pub reason: String,
    /// For people.
    pub message: String,
    /// It is an occurrence, and counts each time; otherwise a state, and is told once.
    pub again: bool,
}

impl News {
    /// A state that is told once.
    pub fn state(warning: bool, reason: &str, message: String) -> Self {
        News { warning, reason: reason.into(), message, again: false }
    }

    /// An occurrence that counts each time.
    pub fn occurrence(warning: bool, reason: &str, message: String) -> Self {
        News { warning, reason: reason.into(), message, again: true }
    }
}

/// What one resource's users were told already.
#[derive(Clone, Debug, Default)]
pub struct Told {
    recent: VecDeque<Entry>,
    /// When the allowance would be full again.
    full_at: Instant,
}

#[derive(Clone, Debug)]
struct Entry {
    digest: Digest,
    count: u64,
}

/// An event that is to be stored.
#[derive(Clone, Debug)]
pub struct Telling {
    news: News,
    digest: Digest,
    count: u64,
}

impl Told {
    /// Picks what is to be told now: repeated states and what goes beyond the rate are left out.
    pub fn admit(&mut self, uid: &str, news: Vec<News>, now: Instant) -> Vec<Telling> {
        let mut tellings = Vec::new();
        for news in aggregate(news) {
            let digest = Digest::of_texts(&[uid, &news.reason, &news.message]);
            let known = self.recent.iter().position(|entry| entry.digest == digest);
            if (known.is_some() && !news.again) || !self.allowed(now) {
                continue;
            }
            let mut entry = match known.and_then(|at| self.recent.remove(at)) {
                Some(entry) => entry,
                None => Entry { digest, count: 0 },
            };
            entry.count += 1;
            tellings.push(Telling { news, digest, count: entry.count });
            self.recent.push_back(entry);
            if self.recent.len() > REMEMBERED {
                self.recent.pop_front();
            }
        }
        tellings
    }

    /// Notes how often an event was told by now, as the API server has it.
    pub fn stored(&mut self, telling: &Telling, times: u64) {
        if let Some(entry) = self.recent.iter_mut().find(|entry| entry.digest == telling.digest) {
            entry.count = times;
        }
    }

    fn allowed(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + REFILL;
        let allowed = full_at <= now + REFILL * u64::from(BURST);
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

/// One event for each reason: what happened to many items at once is one thing to a reader.
fn aggregate(news: Vec<News>) -> Vec<News> {
    let mut aggregated: Vec<News> = Vec::new();
    for mut one in news {
        one.reason = text::bounded(&one.reason, text::EVENT_REASON_BYTES);
        match aggregated.iter_mut().find(|other| other.reason == one.reason && other.warning == one.warning) {
            Some(other) if other.message.len() < text::EVENT_NOTE_BYTES => {
                other.message.push_str("; ");
                other.message.push_str(&one.message);
            }
            Some(_) => {}
            None => aggregated.push(one),
        }
    }
    for one in &mut aggregated {
        one.message = text::bounded(&one.message, text::EVENT_NOTE_BYTES);
    }
    aggregated
}

impl Telling {
    /// The same event of the same resource has the same name, so that a host that was restarted finds what it told
    /// before: a state is not told again, and an occurrence is counted up.
    pub fn name(&self, resource: &str) -> String {
        // 253 bytes less the digest and a dot.
        let resource: String = resource.chars().take(220).collect();
        format!("{}.{}", resource.trim_end_matches(['.', '-']), &self.digest.to_string()[..16])
    }

    /// It was stored before by this process and is counted up.
    pub fn counted(&self) -> bool {
        self.count > 1
    }

    /// It counts each time, whichever process stored it first.
    pub fn counts(&self) -> bool {
        self.news.again
    }

    /// The patch that counts it up, where `before` is how often it was told before this time.
    pub fn once_more(&self, before: u64, now: Instant) -> Value {
        json!({ "count": before + 1, "lastTimestamp": rfc3339(now) })
    }

    /// How often it was told before this time, as far as this process knows.
    pub fn before(&self) -> u64 {
        self.count.saturating_sub(1)
    }

    /// The object to store.
    pub fn body(&self, key: &ObjectKey, resource: &Object, now: Instant) -> Value {
        let time = rfc3339(now);
        let ObjectKey { kind, namespace, name } = &resource.key;
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": key.name, "namespace": key.namespace },
            "involvedObject": {
                "apiVersion": kind.api_version(), "kind": kind.kind, "namespace": namespace, "name": name,
                "uid": resource.uid,
            },
            "type": if self.news.warning { "Warning" } else { "Normal" },
            "reason": self.news.reason, "message": self.news.message,
            "source": { "component": "windlass" }, "reportingComponent": "windlass", "reportingInstance": "",
            "firstTimestamp": time, "lastTimestamp": time, "count": 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_once_and_an_occurrence_is_counted() {
        let mut told = Told::default();
        let state = News::state(true, "Refused", "no".into());
        let drift = News::occurrence(false, "DriftCorrected", "spec.replicas".into());
        assert_eq!(told.admit("uid", vec![state.clone(), drift.clone()], 0).len(), 2);
        let again = told.admit("uid", vec![state, drift], 1);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].count, 2);
    }

    #[test]
    fn events_of_a_reason_are_one_event_within_the_limit_of_the_note() {
        let news = (0..500).map(|item| News::occurrence(false, "Deleted", format!("deleted item-{item}"))).collect();
        let tellings = Told::default().admit("uid", news, 0);
        assert_eq!(tellings.len(), 1);
        assert!(tellings[0].news.message.len() <= text::EVENT_NOTE_BYTES);
    }

    #[test]
    fn the_rate_and_the_memory_of_one_resource_are_bounded() {
        let mut told = Told::default();
        let stored: usize =
            (0..1000).map(|n| told.admit("uid", vec![News::state(false, "Spam", format!("{n}"))], 0).len()).sum();
        assert_eq!(stored, BURST as usize);
        assert!(told.recent.len() <= REMEMBERED);
        assert_eq!(told.admit("uid", vec![News::state(false, "Spam", "later".into())], REFILL).len(), 1);
    }

    #[test]
    fn an_event_has_the_same_name_after_a_restart() {
        let tell = || Told::default().admit("uid", vec![News::state(true, "Refused", "no".into())], 7);
        assert_eq!(tell()[0].name("db"), tell()[0].name("db"));
        assert!(tell()[0].name(&"x".repeat(253)).len() <= 253);
    }
}
