//! What calls of plugins cost: one account a call in, to wherever costs are counted.

use super::{call::Cost, error::DecideError};

/// Where costs are counted. Called on the thread of the call.
pub trait Meter: Send + Sync {
    /// A call of a plugin, by the name that its operator gave it, ended: with an answer, or as `error` tells.
    fn called(&self, plugin: &str, cost: &Cost, error: Option<&DecideError>);
}

/// Costs are not counted.
pub struct Unmetered;

impl Meter for Unmetered {
    fn called(&self, _: &str, _: &Cost, _: Option<&DecideError>) {}
}
