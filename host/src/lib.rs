//! Windlass, the host: Kubernetes events come in, and what plugins decided is in the cluster when it is done.
//!
//! One pass over one resource goes `watch -> observe -> decide -> check -> act -> report`; each verb has its file and
//! folder here, but for `check`, which is pure and lives in the `model` crate. [`driver`] turns the wheel.

pub mod act;
pub mod azure;
pub mod backup;
pub mod cli;
pub mod client;
pub mod clock;
pub mod context;
pub mod decide;
pub mod driver;
pub mod entropy;
pub mod install;
pub mod mysql;
pub mod observe;
pub mod plugins;
pub mod rbac;
pub mod reconcile;
pub mod report;
pub mod run;
pub mod serve;
pub mod watch;
