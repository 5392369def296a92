//! The cases, each told in one function. In: a cluster in order, under clients that write. Out: the same.

mod changes;
mod failures;
mod mistakes;

use crate::Case;
use anyhow::{Context, Result, ensure};
use mysql_suite::durability::report::say;
use mysql_suite::durability::round::writing;
use mysql_suite::durability::verify::verify;
use mysql_suite::durability::world::RealWorld;
use std::time::Duration;
use tokio::time::Instant;

/// How long a cluster has to be in order again.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The goal for a failover.
pub const FAILOVER: Duration = Duration::from_secs(10);
/// The longest that writes may stop for a switchover.
pub const SWITCHOVER: Duration = Duration::from_secs(5);

macro_rules! case {
    ($story:path, $replicas:literal) => {
        case!($story, $replicas, false)
    };
    ($story:path, $replicas:literal, $encloses:expr) => {
        Case {
            name: stringify!($story).rsplit(' ').next().unwrap_or_default(),
            replicas: $replicas,
            encloses: $encloses,
            run: |world| Box::pin($story(world)),
        }
    };
}

/// All cases. Those that leave no cluster behind come last of their size.
pub fn all() -> Vec<Case> {
    vec![
        // First: a stalled primary is not replaced within a minute after another failover.
        case!(failures::a_primary_without_its_replicas_is_replaced, 3, true),
        case!(failures::a_dead_primary_is_replaced_within_ten_seconds, 3),
        case!(failures::a_primary_that_died_while_the_host_was_down_is_replaced_by_the_next_host, 3),
        case!(failures::all_pods_may_restart_at_once, 3),
        case!(failures::a_primary_without_the_host_is_replaced, 3, true),
        case!(failures::a_primary_without_replicas_and_host_is_replaced, 3, true),
        case!(failures::a_wiped_primary_is_replaced_and_made_again, 3),
        case!(failures::a_wiped_replica_is_made_again_while_clients_write, 3),
        case!(failures::a_primary_whose_disk_is_full_is_replaced, 3, true),
        case!(failures::a_primary_whose_connections_are_all_taken_stays, 3),
        case!(mistakes::an_errant_old_primary_is_made_again_where_that_is_allowed, 3),
        case!(mistakes::an_errant_server_is_kept_from_readers_where_it_may_not_be_made_again, 3),
        case!(changes::a_new_template_reaches_every_server_and_never_the_one_that_is_the_primary, 3),
        case!(changes::passwords_are_rotated_while_clients_write, 3),
        case!(changes::a_cluster_that_was_deleted_and_applied_again_has_its_data, 3),
        case!(changes::one_becomes_three_becomes_five_becomes_one_while_clients_write, 1),
        case!(mistakes::a_single_server_that_lost_its_data_is_never_opened_empty, 1),
    ]
}

/// Has something happen to a cluster under load and waits until it is in order; asks all questions. Returns how long no
/// client was told yes.
pub async fn through(world: &RealWorld, happening: impl AsyncFnOnce() -> Result<()>) -> Result<Duration> {
    writing(world).await.context("clients do not write before")?;
    let began = Instant::now();
    happening().await?;
    world.until_in_order(PATIENCE).await?;
    writing(world).await.context("clients do not write afterwards")?;
    let silence = world.around.record.longest_silence(began, Instant::now());
    let findings = verify(world).await?;
    ensure!(findings.is_empty(), "{findings}");
    Ok(silence)
}

/// How many times its goal something may take before a case fails. How long it takes depends on what else the machine
/// does; that it does not happen at all is what a case finds out. The goal and what was measured are printed.
const TOLERANCE: u32 = 3;

/// Says how long writes stopped, and fails where that was far longer than the goal.
pub fn within(silence: Duration, goal: Duration) -> Result<()> {
    let (seconds, wanted) = (silence.as_secs_f64(), goal.as_secs());
    say(&format!(
        "  writes stopped for {seconds:.1} s (goal: {wanted} s{})",
        if silence > goal { ", missed" } else { "" }
    ));
    ensure!(silence <= goal * TOLERANCE, "writes stopped for {seconds:.1} s, far more than {wanted} s");
    Ok(())
}
