//! The table of decisions, one test for each row, and one for each hole that such tables are known to have. What is expected
//! of each is a state, and what is done to servers in it.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

#[path = "../support/mod.rs"]
mod support;

mod beginnings;
mod configured;
mod errant;
mod failover;
mod lost_data;
mod promises;
mod rollout;
mod states;
mod switchover;
