//! What the host thinks about, as plain values: snapshots, decisions, plans and their checks. No I/O, no async, no clock.
//!
//! The types mirror `wit/v1`, so that one adapter per contract version maps to one internal model.

pub mod azure;
pub mod check;
pub mod decision;
pub mod description;
pub mod diff;
pub mod digest;
pub mod facts;
pub mod fault;
pub mod grant;
pub mod gtid;
pub mod inventory;
pub mod kind;
pub mod mysql;
pub mod names;
pub mod order;
pub mod outcome;
pub mod password;
pub mod plan;
pub mod quantity;
pub mod ready;
pub mod redact;
pub mod related;
pub mod rollout;
pub mod scope;
pub mod shadow;
pub mod snapshot;
pub mod status;
pub mod template;
pub mod text;

pub use check::{CheckLimits, Refusal};
pub use decision::{Body, Condition, Decision, Item, ItemId, Truth};
pub use description::Description;
pub use facts::Facts;
pub use fault::{Fault, FieldError};
pub use grant::Grants;
pub use inventory::Inventory;
pub use kind::{Kind, ObjectKey};
pub use outcome::{Class, Outcome};
pub use plan::{Checked, Plan, Proposed};
pub use snapshot::{Observation, ObservedItem, Snapshot};
