//! The controllers and the local node against the real HTTP server. Every test has a server of its own on a free port;
//! waiting is done on watches.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cluster;
mod garbage;
mod jobs;
mod node;
mod services;
mod statefulsets;
