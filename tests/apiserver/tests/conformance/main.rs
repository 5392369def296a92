//! What the server promises beyond the recordings, asked over HTTP: one test for each rule. Every test has a server of
//! its own on a free port; nothing is repeated by the client.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../wire/client.rs"]
mod client;
mod faults;
mod impersonation;
mod lists;
mod stage;
mod writes;
