//! The host with the real plugin against the stand-in, one sentence for each promise.
#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod crash;
mod ends;
mod fields;
mod life;
mod live;
mod other;
mod restart;
mod secrets;
mod stage;
mod steady;
mod throttle;
