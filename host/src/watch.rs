//! Watch: events of the API server and timers come in, keys of resources to look at go out.
//!
//! [`Watches`] runs one ListWatch for each kind that somebody needs and fills the shared [`Cache`]. Each change goes
//! through [`Trigger`], which names the resources that it concerns, into the [`Queue`], from which the driver takes one
//! key at a time. [`Ledger`] holds back a key until the cache has seen what we ourselves wrote for it.
//!
//! [`Trigger`]: trigger::Trigger
//! [`Watches`]: watches::Watches

pub mod cache;
pub mod discovery;
pub mod feed;
pub mod fingerprint;
pub mod ledger;
pub mod object;
pub(crate) mod page;
pub mod queue;
pub mod trigger;
pub mod watches;

pub use cache::{Cache, Change};
pub use fingerprint::FingerprintKey;
pub use ledger::{Freshness, Ledger};
pub use object::Object;
pub use queue::{Cause, Queue};
pub use trigger::Trigger;
pub use watches::Watches;
