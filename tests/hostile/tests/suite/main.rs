//! Hostile plugins, each a real component, each contained.
#![allow(clippy::unwrap_used, missing_docs)]

mod answers;
mod attacks;
mod compiling;
mod grants;
mod isolation;
mod loading;
mod nonsense;
