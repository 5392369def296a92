//! Whole passes of the host against the embedded API server, with plugins that are closures: what is written, how often,
//! and what is not.
#![allow(clippy::unwrap_used)]

mod deletion;
mod drift;
mod items;
mod lifecycle;
mod orphans;
mod overlay;
mod refusal;
mod secrets;
mod servers;
mod world;
