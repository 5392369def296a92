//! Decide: a [`model::Snapshot`] in, a [`model::Decision`] or a named reason out. No I/O but the cache of compiled plugins.
//!
//! A plugin is a WebAssembly component that holds nothing between calls. Each call gets a fresh instance with every limit
//! on, and the instance is dropped afterwards, whatever came of it. The way of a plugin through this module:
//!
//! 1. [`inspect`]: size, well-formedness, imports and exports of the component, before anything is compiled;
//! 2. [`compile`]: machine code, made in a child process with limits, kept in a cache;
//! 3. [`engine`]: [`Engine::load`] puts both together and asks `describe` once, under the limits of every later call;
//! 4. [`plugin`]: [`Plugin::decide`] queues the call ([`threads`]), runs it ([`call`]) and reads the answer ([`v1`]);
//! 5. [`question`]: what was decided before is not asked again, and what is not settled is stopped ([`flapping`]).
//!
//! Nothing here acts on a decision: that needs a check first, which is not done here.

mod answer;
pub mod call;
pub mod compile;
mod config;
pub mod decider;
pub mod determinism;
pub mod engine;
pub mod error;
pub mod flapping;
mod inspect;
mod json;
pub mod limits;
pub mod logs;
pub mod meter;
pub mod plugin;
pub mod question;
pub mod surface;
mod text;
mod threads;
mod ticker;
mod v1;

pub use call::{Cost, Decided};
pub use compile::{Compiler, compile_for_parent};
pub use engine::{Engine, EngineOptions};
pub use error::{DecideError, EngineError, LoadError};
pub use limits::Limits;
pub use logs::{LogLevel, LogSink};
pub use meter::Meter;
pub use plugin::{Digest, Plugin};
