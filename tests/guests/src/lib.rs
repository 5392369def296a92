//! Plugins for tests, made in milliseconds: an answer and some WebAssembly text in, a component out.
//!
//! A guest's answers are constants, laid out in its memory by the types of `wit/v1`; what it does before it answers is
//! WebAssembly text. So a test says in a few lines what a plugin does, and no compiler of another language is needed.

mod guest;
mod layout;

pub use guest::{Guest, crd, description};
