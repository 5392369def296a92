//! A plugin in use, with what its calls cost and how they ended: questions are passed on to the component, and each
//! answer is noted. A version that crashes or hits its limits again and again is found here.

use crate::decide::decider::{Breakdown, Decider};
use crate::decide::{Cost, DecideError, Plugin};
use futures::future::{BoxFuture, FutureExt};
use model::{Decision, Description, Fault, FieldError, Snapshot, snapshot::Json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Calls in a row without an answer that make a storm.
pub const STORM: u32 = 12;

/// What the calls of one version came to.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Decisions asked for.
    pub calls: u64,
    /// Decisions without an answer: crashes and limits.
    pub breakdowns: u64,
    /// Breakdowns since the last answer.
    pub in_a_row: u32,
    /// The last breakdown.
    pub last_breakdown: Option<Breakdown>,
    /// Cost of the last decision.
    pub last_cost: Option<Cost>,
}

/// A version of a plugin.
pub struct Watched {
    plugin: Plugin,
    account: Mutex<Account>,
    storm: Arc<Notify>,
}

impl Watched {
    /// `storm` is notified when the version breaks down [`STORM`] times in a row.
    pub fn new(plugin: Plugin, storm: Arc<Notify>) -> Self {
        Watched { plugin, account: Mutex::default(), storm }
    }

    /// The component.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What the calls came to so far.
    pub fn account(&self) -> Account {
        self.lock().clone()
    }

    /// The last breakdown, while there is a storm.
    pub fn storm(&self) -> Option<Breakdown> {
        let account = self.lock();
        account.last_breakdown.clone().filter(|_| account.in_a_row >= STORM)
    }

    async fn ask(&self, snapshot: &Snapshot, twice: bool) -> Result<Result<Decision, Fault>, Breakdown> {
        let asked = match twice {
            true => self.plugin.decide_twice(snapshot).await,
            false => self.plugin.decide(snapshot).await,
        };
        self.note(asked.as_ref().map(|decided| decided.cost));
        Ok(asked?.outcome)
    }

    fn note(&self, asked: Result<Cost, &DecideError>) {
        let mut account = self.lock();
        account.calls += 1;
        match asked {
            Ok(cost) => {
                account.last_cost = Some(cost);
                account.in_a_row = 0;
            }
            // A fault of the host says nothing about the plugin.
            Err(DecideError::Sandbox { .. }) => {}
            Err(error) => {
                account.breakdowns += 1;
                account.in_a_row += 1;
                account.last_breakdown = Some(Breakdown::from(error.clone()));
                if account.in_a_row == STORM {
                    self.storm.notify_one();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decider for Watched {
    fn digest(&self) -> String {
        self.plugin.digest().to_string()
    }

    fn description(&self) -> &Description {
        self.plugin.description()
    }

    fn validate<'a>(
        &'a self,
        old: Option<&'a Json>,
        new: &'a Json,
    ) -> BoxFuture<'a, Result<Vec<FieldError>, Breakdown>> {
        Decider::validate(&self.plugin, old, new)
    }

    fn decide<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        self.ask(snapshot, false).boxed()
    }

    fn decide_twice<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<Result<Decision, Fault>, Breakdown>> {
        self.ask(snapshot, true).boxed()
    }
}
