//! A plugin in use, with what its calls cost and how they ended: questions are passed on to the component, and each
//! answer is noted. A version that crashes or hits its limits again and again is found here, and told from a version that
//! does so for some resource alone: that one has a condition, and the others go on.

use crate::decide::decider::{Breakdown, Decider};
use crate::decide::{Cost, DecideError, Plugin};
use futures::future::{BoxFuture, FutureExt};
use model::{Decision, Description, Fault, FieldError, Snapshot, snapshot::Json};
use serde::Deserialize;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Calls in a row without an answer that make a storm, unless the version never answered.
const IN_A_ROW: u32 = 12;
/// Resources that have to be struck. One or two may be at fault themselves.
const STRUCK: usize = 3;

/// Tells resources apart, by uid.
pub type Mark = u64;

/// The mark of a resource.
pub fn mark(uid: &str) -> Mark {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

/// What the calls of one version came to.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Decisions asked for.
    pub calls: u64,
    /// Decisions without an answer: crashes and limits.
    pub breakdowns: u64,
    /// Breakdowns since the last answer.
    pub in_a_row: u32,
    /// Decisions with an answer, be it a fault, since it came into service.
    pub answers: u64,
    /// Resources whose last decision broke down.
    pub broken: HashSet<Mark>,
    /// Resources that were in order when it came into service.
    pub sound: HashSet<Mark>,
    /// It is a storm.
    stormy: bool,
    /// The last breakdown.
    pub last_breakdown: Option<Breakdown>,
    /// Cost of the last decision.
    pub last_cost: Option<Cost>,
}

impl Account {
    /// Whether the version is at fault, and not single resources. One that never answered is so as soon as it broke down for
    /// some resources that were in order before it came, or for all of them where they are few; any, when it breaks down
    /// again and again for a good part of its resources.
    fn is_storm(&self) -> bool {
        let struck = self.broken.intersection(&self.sound).count();
        let never = self.answers == 0 && struck > 0 && struck >= STRUCK.min(self.sound.len());
        never || (self.in_a_row >= IN_A_ROW && self.broken.len() >= STRUCK.max(self.sound.len() / 10))
    }
}

/// A version of a plugin.
pub struct Watched {
    plugin: Plugin,
    account: Mutex<Account>,
    storm: Arc<Notify>,
}

impl Watched {
    /// `storm` is notified when the version breaks down again and again.
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

    /// It comes into service from now on. `sound` are the resources that are in order then.
    pub fn begin(&self, sound: HashSet<Mark>) {
        let mut account = self.lock();
        (account.in_a_row, account.answers, account.stormy) = (0, 0, false);
        account.broken.clear();
        account.sound = sound;
    }

    /// The last breakdown, while there is a storm.
    pub fn storm(&self) -> Option<Breakdown> {
        let account = self.lock();
        account.last_breakdown.clone().filter(|_| account.stormy)
    }

    async fn ask(&self, snapshot: &Snapshot, twice: bool) -> Result<Result<Decision, Fault>, Breakdown> {
        let asked = match twice {
            true => self.plugin.decide_twice(snapshot).await,
            false => self.plugin.decide(snapshot).await,
        };
        self.note(&snapshot.resource, asked.as_ref().map(|decided| decided.cost));
        Ok(asked?.outcome)
    }

    fn note(&self, resource: &str, asked: Result<Cost, &DecideError>) {
        let mut account = self.lock();
        account.calls += 1;
        match asked {
            Ok(cost) => {
                account.last_cost = Some(cost);
                (account.in_a_row, account.stormy) = (0, false);
                account.answers += 1;
                // Nearly always none is, and no document is read.
                if !account.broken.is_empty() {
                    account.broken.remove(&mark_of(resource));
                }
            }
            // A fault of the host says nothing about the plugin.
            Err(DecideError::Sandbox { .. }) => {}
            Err(error) => {
                account.breakdowns += 1;
                account.in_a_row += 1;
                account.broken.insert(mark_of(resource));
                account.last_breakdown = Some(Breakdown::from(error.clone()));
                if !account.stormy && account.is_storm() {
                    account.stormy = true;
                    self.storm.notify_one();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mark of the resource that a document is of.
fn mark_of(document: &str) -> Mark {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        uid: &'a str,
    }
    // The API server makes uids of letters, digits and `-`: there is nothing to unescape.
    serde_json::from_str(document).map_or(0, |Document { metadata }| mark(metadata.uid))
}

impl Decider for Watched {
    fn digest(&self) -> String {
        self.plugin.digest().to_string()
    }

    fn name(&self) -> &str {
        self.plugin.name()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn account(answers: u64, in_a_row: u32, broken: std::ops::Range<u64>, sound: std::ops::Range<u64>) -> Account {
        Account { answers, in_a_row, broken: broken.collect(), sound: sound.collect(), ..Account::default() }
    }

    #[test]
    fn a_version_that_never_answered_is_found_at_its_first_resources() {
        assert!(!account(0, 2, 0..2, 0..100).is_storm());
        assert!(account(0, 3, 0..3, 0..100).is_storm());
        // Where there are few, all of them.
        assert!(!account(0, 1, 0..1, 0..2).is_storm());
        assert!(account(0, 2, 0..2, 0..2).is_storm());
        assert!(account(0, 1, 0..1, 0..1).is_storm());
    }

    #[test]
    fn resources_that_nobody_ever_decided_for_say_nothing_about_a_version() {
        assert!(!account(0, 100, 0..2, 0..0).is_storm());
        assert!(!account(0, 11, 10..20, 0..10).is_storm());
        assert!(account(0, 12, 10..20, 0..10).is_storm(), "but many of them do");
    }

    #[test]
    fn faults_of_single_resources_are_no_storm_however_often_they_come() {
        assert!(!account(1, 1_000, 0..1, 0..5).is_storm());
        assert!(!account(1, 1_000, 0..2, 0..5).is_storm());
        assert!(!account(1, 1_000, 0..9, 0..100).is_storm());
        assert!(account(1, 12, 0..10, 0..100).is_storm());
        assert!(!account(1, 11, 0..10, 0..100).is_storm());
    }

    #[test]
    fn a_resource_is_told_by_its_uid() {
        let document = r#"{"apiVersion":"v1","metadata":{"name":"a","uid":"0-1"},"spec":{"uid":"x"}}"#;
        assert_eq!(mark_of(document), mark("0-1"));
        assert_eq!(mark_of("{"), 0);
    }
}
