//! A Kubernetes API server in memory, for tests and demonstrations: HTTP requests come in, `Status` objects, lists,
//! watches and tables go out. Nothing outlives the process. It is held to recordings of a real API server.
//!
//! Start one with [`Server::start`], talk to it with any Kubernetes client, make it misbehave through [`Faults`], and
//! ask what was stored through [`Store`].

pub mod builtin;
pub mod controllers;
pub mod field_error;
mod machinery;
pub mod node;
pub mod openapi;
pub mod resource;
pub mod schema;
pub mod table;
