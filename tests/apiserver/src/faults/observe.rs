//! Observers of writes: a closure that hears of each write of a client before and after it happens, and may cut it off.

use super::{Faults, Subject};
use crate::http::request::Target;
use std::sync::Arc;

/// When an observer is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the write is carried out.
    Before,
    /// After it was carried out, before the answer.
    After,
}

/// A write as an observer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The how many-th write of this client since the observer was added, counted from 1.
    pub k: u64,
    /// Before or after.
    pub phase: Phase,
    /// create, update, patch, delete, deletecollection.
    pub verb: String,
    /// What it is about.
    pub target: Target,
    /// Status of the answer, after the write.
    pub status: Option<u16>,
}

/// What an observer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Cut the connection: before the write it does not happen, after it the client never hears of it.
    Cut,
}

type Callback = Arc<dyn Fn(&Observed) -> Verdict + Send + Sync>;

pub(super) struct Observer {
    user_agent: String,
    writes: u64,
    call: Callback,
}

/// A write that observers know of.
pub(crate) struct Watched {
    calls: Vec<(Callback, u64)>,
    verb: String,
    target: Target,
}

impl Faults {
    /// Call a closure before and after every write of clients whose user agent contains a text.
    pub fn on_write(&self, user_agent: &str, call: impl Fn(&Observed) -> Verdict + Send + Sync + 'static) {
        let observer = Observer { user_agent: user_agent.to_owned(), writes: 0, call: Arc::new(call) };
        self.state().observers.push(observer);
    }

    /// Remove all observers.
    pub fn remove_observers(&self) {
        self.state().observers.clear();
    }

    /// Note a write; nothing when nobody observes it.
    pub(crate) fn observe(&self, subject: &Subject) -> Option<Watched> {
        if !subject.is_write() {
            return None;
        }
        let mut state = self.state();
        let mut calls = Vec::new();
        for observer in state.observers.iter_mut().filter(|o| subject.user_agent.contains(&o.user_agent)) {
            observer.writes += 1;
            calls.push((observer.call.clone(), observer.writes));
        }
        drop(state);
        (!calls.is_empty()).then(|| Watched { calls, verb: subject.verb.clone(), target: subject.target.clone() })
    }
}

impl Watched {
    /// Tell the observers; whether one of them cuts the connection.
    pub(crate) fn tell(&self, phase: Phase, status: Option<u16>) -> Verdict {
        let mut verdict = Verdict::Continue;
        for (call, k) in &self.calls {
            let observed = Observed { k: *k, phase, verb: self.verb.clone(), target: self.target.clone(), status };
            if call(&observed) == Verdict::Cut {
                verdict = Verdict::Cut;
            }
        }
        verdict
    }
}
