//! A Kubernetes API server in memory, for tests and demonstrations: HTTP requests come in, `Status` objects, lists,
//! watches and tables go out. Nothing outlives the process. It is held to recordings of a real API server.
//!
//! Start one with [`Server::start`], talk to it with any Kubernetes client, make it misbehave through [`Faults`], and
//! ask what was stored through [`Store`].

mod api;
mod api_error;
mod apply;
mod auth;
mod bootstrap;
pub mod builtin;
pub mod clock;
pub mod controllers;
mod crds;
mod discovery;
pub mod faults;
pub mod field_error;
mod http;
mod identity;
mod machinery;
pub mod node;
pub mod openapi;
mod patch;
mod registry;
pub mod resource;
mod rest;
pub mod schema;
mod selector;
mod server;
pub mod storage;
pub mod table;
mod watch;

pub use faults::Faults;
pub use identity::Uids;
pub use server::{Options, Server};
pub use storage::Store;
