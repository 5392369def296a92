//! What goes wrong: rules that tests add while the server runs, and observers that hear of every write before and after it
//! is carried out and may cut it off.

use crate::arm::operation::Outcome;
use crate::error::ApiError;
use crate::message::{Request, Site};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Names a rule, to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// Which requests a rule is about; what is absent matches everything.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// Upper-case.
    pub method: Option<String>,
    /// The service.
    pub site: Option<Site>,
    /// A part of the path, in whatever case.
    pub path: Option<String>,
}

impl Match {
    /// Requests with this method and a path that contains this.
    pub fn of(method: &str, path: &str) -> Self {
        Match { method: Some(method.to_owned()), path: Some(path.to_owned()), site: None }
    }

    fn holds(&self, site: &Site, request: &Request) -> bool {
        let part = |part: &String| request.path.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.site.as_ref().is_none_or(|wanted| wanted == site)
            && self.path.as_ref().is_none_or(part)
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Nothing happens, and this is the answer.
    FailBefore(ApiError),
    /// The request is carried out, and this is the answer nevertheless.
    FailAfter(ApiError),
    /// Nothing happens and the connection is cut.
    CutBefore,
    /// The request is carried out and the connection is cut before the answer.
    CutAfter,
    /// The request waits before it is carried out. This is real (tokio's) time.
    Delay(Duration),
    /// The operation that the request starts ends like this.
    Operation(Outcome),
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which requests.
    pub matches: Match,
    /// What goes wrong.
    pub effect: Effect,
    /// How many matches pass unharmed first.
    pub skip: u64,
    /// How many matches are harmed, all when absent.
    pub times: Option<u64>,
}

impl Fault {
    /// Every match is harmed.
    pub fn always(matches: Match, effect: Effect) -> Self {
        Fault { matches, effect, skip: 0, times: None }
    }

    /// Only the first match is harmed.
    pub fn once(matches: Match, effect: Effect) -> Self {
        Fault { matches, effect, skip: 0, times: Some(1) }
    }

    /// Only after this many matches passed unharmed.
    #[must_use]
    pub fn after(mut self, matches: u64) -> Self {
        self.skip = matches;
        self
    }
}

/// When an observer is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the write is carried out.
    Before,
    /// After it was carried out, before the answer.
    After,
}

/// A write as an observer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The how many-th write since the observer was added, counted from 1.
    pub k: u64,
    /// Before or after.
    pub phase: Phase,
    /// The service.
    pub site: Site,
    /// PUT, PATCH, POST or DELETE.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Status of the answer, after the write.
    pub status: Option<u16>,
}

/// What an observer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Cut the connection: before the write it does not happen, after it the client never hears of it.
    Cut,
}

type Callback = Arc<dyn Fn(&Observed) -> Verdict + Send + Sync>;

struct Active {
    id: RuleId,
    fault: Fault,
    seen: u64,
    fired: u64,
}

#[derive(Default)]
struct Rules {
    active: Vec<Active>,
    next: u64,
    observers: Vec<(Callback, u64)>,
}

/// All rules and observers.
#[derive(Default)]
pub struct Faults(Mutex<Rules>);

impl Faults {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule. All rules that match have their effect, in the order in which they were added.
    pub fn add(&self, fault: Fault) -> RuleId {
        let mut rules = self.rules();
        rules.next += 1;
        let id = RuleId(rules.next);
        rules.active.push(Active { id, fault, seen: 0, fired: 0 });
        id
    }

    /// Removes a rule.
    pub fn remove(&self, id: RuleId) {
        self.rules().active.retain(|active| active.id != id);
    }

    /// How often a rule had its effect.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.rules().active.iter().find(|active| active.id == id).map_or(0, |active| active.fired)
    }

    /// Removes all rules and observers.
    pub fn clear(&self) {
        *self.rules() = Rules::default();
    }

    /// Calls a closure before and after every write to ARM and the vaults.
    pub fn on_write(&self, call: impl Fn(&Observed) -> Verdict + Send + Sync + 'static) {
        self.rules().observers.push((Arc::new(call), 0));
    }

    /// The effects on a request, which is counted.
    pub(crate) fn admit(&self, site: &Site, request: &Request) -> Vec<Effect> {
        let mut effects = Vec::new();
        for active in &mut self.rules().active {
            if !active.fault.matches.holds(site, request) {
                continue;
            }
            active.seen += 1;
            let left = active.fault.times.is_none_or(|times| active.fired < times);
            if active.seen > active.fault.skip && left {
                active.fired += 1;
                effects.push(active.fault.effect.clone());
            }
        }
        effects
    }

    /// The observers of a write, each with its number; none for anything else.
    pub(crate) fn observe(&self, site: &Site, request: &Request) -> Watched {
        let asks = request.path.to_ascii_lowercase().ends_with("checknameavailability");
        let writes = matches!(request.method.as_str(), "PUT" | "PATCH" | "POST" | "DELETE");
        if !writes || asks || matches!(site, Site::Login | Site::Imds) {
            return Watched(Vec::new());
        }
        let mut rules = self.rules();
        Watched(
            rules
                .observers
                .iter_mut()
                .map(|(call, writes)| {
                    *writes += 1;
                    (call.clone(), *writes)
                })
                .collect(),
        )
    }
}

/// The observers of one write.
pub(crate) struct Watched(Vec<(Callback, u64)>);

impl Watched {
    /// Tells them; whether one of them cuts the connection.
    pub fn cut(&self, phase: Phase, site: &Site, request: &Request, status: Option<u16>) -> bool {
        let mut cut = false;
        for (call, k) in &self.0 {
            let observed = Observed {
                k: *k,
                phase,
                site: site.clone(),
                method: request.method.clone(),
                path: request.path.clone(),
                status,
            };
            cut |= call(&observed) == Verdict::Cut;
        }
        cut
    }
}
