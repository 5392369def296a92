//! A stand-in for Azure that tests and the demo run against: Azure Resource Manager, Key Vault's data plane, the token
//! endpoint of Microsoft Entra and the metadata service of virtual machines, over plain HTTP on loopback.
//!
//! In: HTTP requests as the real clients send them. Out: answers in the shapes that were recorded from Azure, with its
//! codes, its long-running operations, its eventual consistency and its throttling; and a ledger of every request.
//!
//! The core is a function from a state, a time and a request to an answer ([`Cloud::handle`]); [`Server`] carries
//! requests to it. Time comes from a [`Clock`], and there is no randomness: the same requests at the same times give the
//! same answers. What the documentation of Azure leaves open and no recording shows is marked `unverified` where it is
//! decided. Where it is stricter than Azure (unknown properties are refused) it is so on purpose: it is here to find
//! faults in what a client sends.

pub mod arm;
mod clock;
mod cloud;
mod config;
mod digest;
mod error;
mod faults;
mod imds;
mod ledger;
mod message;
mod server;
mod text;
mod token;
mod vault;

pub use arm::operation::Outcome;
pub use clock::{Clock, ManualClock, SystemClock};
pub use cloud::Cloud;
pub use config::{Bucket, Config, Limits, Principal, ReservedLogin, Shown, Subscription, Timing};
pub use error::ApiError;
pub use faults::{Effect, Fault, Faults, Match, Observed, Phase, RuleId, Verdict};
pub use ledger::{Entry, Ledger};
pub use message::{Reply, Request, Site};
pub use server::Server;
