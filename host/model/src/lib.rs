//! What the host thinks about, as plain values: snapshots, decisions, plans and their checks. No I/O, no async, no clock.
//!
//! The types mirror `wit/v1`, so that one adapter per contract version maps to one internal model.

pub mod decision;
pub mod description;
pub mod fault;
pub mod grant;
pub mod kind;
pub mod names;
pub mod snapshot;

pub use decision::{Body, Condition, Decision, Item, ItemId, Truth};
pub use description::Description;
pub use fault::{Fault, FieldError};
pub use grant::Grants;
pub use kind::{Kind, ObjectKey};
pub use snapshot::{Observation, ObservedItem, Snapshot};
