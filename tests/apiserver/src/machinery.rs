//! What every controller and the local node share: informers with indexes, work queues, event recording, time.
//!
//! In: a `kube::Client`. Out: cached views that know their own writes, keys to work on, and events. Nothing in here
//! knows a controller, and nothing talks to the API server but through the client it was handed.

pub mod clock;
pub(crate) mod error;
pub(crate) mod informer;
pub(crate) mod key;
pub(crate) mod queue;
pub(crate) mod recorder;
pub(crate) mod selector;
pub(crate) mod store;
pub(crate) mod workers;
