//! What a user of kubectl sees: a real kubectl (`KUBECTL`, else the one on the path) against the server with its
//! controllers and node. Every test has a server of its own on a free port.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod access;
mod apply;
mod changing;
mod custom;
mod deletion;
mod discovery;
mod reading;
mod stage;
mod workloads;
