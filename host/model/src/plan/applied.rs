//! What became of each step. Made by `act` of a checked plan, read by `report`.

use super::{Checked, Plan, Step};
use crate::facts::LastWrite;

/// A plan that was acted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    results: Vec<StepResult>,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Written; for Kubernetes what to remember of the answer.
    Done(Option<LastWrite>),
    /// The server says that it is as it should be already: a delete of what is gone, an apply that changed nothing.
    Already(Option<LastWrite>),
    /// Not tried: a step that it needs failed, or the pass was stopped.
    Skipped(String),
    /// Tried, and failed.
    Failed(Failure),
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// CamelCase and stable: `Conflict`, `Forbidden`, `Timeout`.
    pub reason: String,
    /// For people, without secrets.
    pub message: String,
    /// Whether, and when, trying again may help.
    pub class: crate::outcome::Class,
}

impl Plan<Checked> {
    /// Says what became of each step, in the order of [`Plan::steps`]. Steps without a result count as skipped.
    pub fn applied(self, mut results: Vec<StepResult>) -> Plan<Applied> {
        let Plan { body, state: Checked(()) } = self;
        results.resize(body.steps.len(), StepResult::Skipped("the pass ended before it".into()));
        Plan { body, state: Applied { results } }
    }
}

impl Plan<Applied> {
    /// Each step with what became of it.
    pub fn results(&self) -> impl Iterator<Item = (&Step, &StepResult)> {
        self.body.steps.iter().zip(&self.state.results)
    }

    /// Steps that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&Step, &Failure)> {
        self.results().filter_map(|(step, result)| match result {
            StepResult::Failed(outcome) => Some((step, outcome)),
            StepResult::Done(_) | StepResult::Already(_) | StepResult::Skipped(_) => None,
        })
    }

    /// What to remember for the next plan: the last write of each item that was written.
    pub fn last_writes(&self) -> impl Iterator<Item = (&str, &LastWrite)> {
        self.results().filter_map(|(step, result)| match result {
            StepResult::Done(Some(write)) | StepResult::Already(Some(write)) => Some((step.item.as_str(), write)),
            StepResult::Done(None) | StepResult::Already(None) | StepResult::Skipped(_) | StepResult::Failed(_) => None,
        })
    }
}
