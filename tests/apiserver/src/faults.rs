//! The fault layer: tests add rules at run time, and requests and watches that match go wrong in the way that the rule
//! says. Also counts requests and tells observers of writes before and after they happen.

mod observe;
mod rule;
mod watches;

pub use observe::{Observed, Phase, Verdict};
pub use rule::{Effect, Match, Rule, RuleId};
pub(crate) use watches::{EventFate, Interruption};

use crate::http::request::Target;
use observe::Observer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What a request looks like to the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// get, list, watch, create, update, patch, delete, deletecollection; empty for other paths.
    pub verb: String,
    /// What it is about.
    pub target: Target,
    /// The client's user agent.
    pub user_agent: String,
}

impl Subject {
    /// Whether the request writes.
    pub fn is_write(&self) -> bool {
        let writes = matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        writes && !matches!(self.target.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
    }
}

struct Active {
    id: RuleId,
    rule: Rule,
    seen: u64,
    fired: u64,
}

#[derive(Default)]
struct State {
    rules: Vec<Active>,
    next: u64,
    counts: BTreeMap<(String, String), u64>,
    observers: Vec<Observer>,
    expire_continue: bool,
}

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// The rules of a server. Clones share them. A fresh one lets everything pass.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<Inner>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { inner: Arc::new(Inner { state: Mutex::default(), changed: watch::channel(0).0 }) }
    }
}

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.inner.changed.send_modify(|n| *n += 1);
    }

    /// A channel that changes when rules do: held watches look again.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Add a rule. Rules are tried in the order in which they were added; all that match have their effect.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.state();
        state.next += 1;
        let id = RuleId(state.next);
        state.rules.push(Active { id, rule, seen: 0, fired: 0 });
        drop(state);
        self.wake();
        id
    }

    /// Remove a rule; what it held back goes on.
    pub fn remove(&self, id: RuleId) {
        self.state().rules.retain(|r| r.id != id);
        self.wake();
    }

    /// Remove all rules and observers, and let continue tokens live.
    pub fn clear(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.observers.clear();
        state.expire_continue = false;
        drop(state);
        self.wake();
    }

    /// How often a rule had its effect.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.state().rules.iter().find(|r| r.id == id).map_or(0, |r| r.fired)
    }

    /// Answer every request with this status until the rule is removed.
    pub fn refuse_everything(&self, status: u16, retry_after: Option<u64>) -> RuleId {
        self.add(Rule::new(Match::default(), Effect::FailBefore { status, retry_after }))
    }

    /// Whether every continue token counts as expired from now on.
    pub fn expire_continue_tokens(&self, expire: bool) {
        self.state().expire_continue = expire;
    }

    pub(crate) fn continue_expired(&self, _target: &Target) -> bool {
        self.state().expire_continue
    }

    /// Count a request and collect the effects of the rules that match it.
    pub(crate) fn admit(&self, subject: &Subject) -> Vec<Effect> {
        let mut state = self.state();
        *state.counts.entry((subject.verb.clone(), subject.target.resource.clone())).or_default() += 1;
        let mut effects = Vec::new();
        for active in state.rules.iter_mut().filter(|a| a.rule.effect.is_for_requests()) {
            if active.matches(subject) {
                effects.push(active.rule.effect.clone());
            }
        }
        effects
    }

    /// Requests so far by verb and resource.
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.state().counts.clone()
    }

    /// Requests so far with one verb to one resource.
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.state().counts.get(&(verb.to_owned(), resource.to_owned())).copied().unwrap_or(0)
    }

    /// Count requests from zero again.
    pub fn reset_requests(&self) {
        self.state().counts.clear();
    }
}

impl Active {
    /// Whether the rule takes effect on this subject now; counts the match.
    fn matches(&mut self, subject: &Subject) -> bool {
        if !self.rule.matches.holds(subject) {
            return false;
        }
        self.seen += 1;
        let due = self.seen > self.rule.skip && self.rule.times.is_none_or(|times| self.fired < times);
        if due {
            self.fired += 1;
        }
        due
    }
}
