//! Pods as real processes: servers of MySQL that initialise, answer, die, come back and keep what they were given.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod ends;
mod lives;
mod own;
mod stage;
