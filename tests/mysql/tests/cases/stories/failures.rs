//! Failures of servers, of the network, of the host, of disks.

use super::{FAILOVER, PATIENCE, SWITCHOVER, through, within, writing};
use anyhow::{Context, Result, bail, ensure};
use mysql_suite::durability::disk;
use mysql_suite::durability::fault::{Fault, part, restart, switch_over, take_connections};
use mysql_suite::durability::world::RealWorld;
use std::time::Duration;
use tokio::time::sleep;

/// Long enough that a primary which is cut off is given up.
const PARTITION: Duration = Duration::from_secs(12);
/// A server whose disk is full may try for a while before it ends.
const FULL_DISK: Duration = Duration::from_secs(20);

pub async fn a_dead_primary_is_replaced_within_ten_seconds(world: &RealWorld) -> Result<()> {
    let before = world.primary().await?;
    let silence = through(world, async || {
        world.process(&before.name)?.kill()?;
        another_primary(world, &before.name).await
    })
    .await?;
    within(silence, FAILOVER)
}

pub async fn a_primary_that_died_while_the_host_was_down_is_replaced_by_the_next_host(world: &RealWorld) -> Result<()> {
    through(world, async || {
        world.kill_host().await;
        world.process(&world.primary().await?.name)?.kill()?;
        // Long enough that the server is up again, read-only: without a host, nobody opens it.
        sleep(Duration::from_secs(6)).await;
        world.start_host().await
    })
    .await
    .map(drop)
}

pub async fn all_pods_may_restart_at_once(world: &RealWorld) -> Result<()> {
    through(world, async || {
        let pods = world.pods().await?;
        for pod in &pods {
            world.process(&pod.name)?.kill()?;
        }
        restart(world, &pods).await?;
        for pod in &pods {
            let replaced = async || {
                let now = world.pods().await?;
                ensure!(
                    now.iter().any(|new| new.name == pod.name && new.uid != pod.uid),
                    "{} is the old one",
                    pod.name
                );
                Ok(())
            };
            world.until("new pods", PATIENCE, replaced).await?;
        }
        Ok(())
    })
    .await
    .map(drop)
}

pub async fn a_primary_without_its_replicas_is_replaced(world: &RealWorld) -> Result<()> {
    parted(world, Fault::CutFromReplicas).await
}

pub async fn a_primary_without_the_host_is_replaced(world: &RealWorld) -> Result<()> {
    parted(world, Fault::CutFromHost).await
}

pub async fn a_primary_without_replicas_and_host_is_replaced(world: &RealWorld) -> Result<()> {
    parted(world, Fault::CutFromBoth).await
}

async fn parted(world: &RealWorld, fault: Fault) -> Result<()> {
    let before = world.primary().await?;
    let silence = through(world, async || {
        part(world, fault, &before, PARTITION).await?;
        another_primary(world, &before.name).await
    })
    .await?;
    // While the network is parted, not after it: else the replacement would have waited for the end.
    within(silence, FAILOVER)
}

pub async fn a_wiped_primary_is_replaced_and_made_again(world: &RealWorld) -> Result<()> {
    let before = world.primary().await?;
    let silence = through(world, async || {
        world.process(&before.name)?.wipe()?;
        another_primary(world, &before.name).await
    })
    .await?;
    within(silence, FAILOVER)
}

pub async fn a_wiped_replica_is_made_again_while_clients_write(world: &RealWorld) -> Result<()> {
    let before = world.primary().await?;
    let replica = world.replicas().await?.pop().context("there is no replica")?;
    let silence = through(world, async || {
        world.process(&replica.name)?.wipe()?;
        // Else the cluster might be found in order before anybody noticed.
        sleep(Duration::from_secs(3)).await;
        Ok(())
    })
    .await?;
    ensure!(world.primary().await?.name == before.name, "the primary changed for a replica's sake");
    within(silence, SWITCHOVER)
}

pub async fn a_primary_whose_disk_is_full_is_replaced(world: &RealWorld) -> Result<()> {
    let victim = world.replicas().await?.pop().context("there is no replica")?;
    let small = disk::shrink(&world.process(&victim.name)?).await?;
    world.until_in_order(PATIENCE).await?;
    switch_over(world, &victim).await?;
    let leads = async || {
        ensure!(world.primary().await?.name == victim.name, "it is not the primary");
        Ok(())
    };
    world.until("the server with the small disk to be the primary", PATIENCE, leads).await?;
    world.until_in_order(PATIENCE).await?;
    let silence = through(world, async || {
        small.fill()?;
        another_primary(world, &victim.name).await?;
        // The others serve while the disk is still full.
        writing(world).await?;
        small.clear()
    })
    .await?;
    within(silence, FULL_DISK)
}

pub async fn a_primary_whose_connections_are_all_taken_stays(world: &RealWorld) -> Result<()> {
    let before = world.primary().await?;
    through(world, async || take_connections(world, &before, Duration::from_secs(8)).await).await?;
    ensure!(world.primary().await?.name == before.name, "a crowded primary was given up");
    Ok(())
}

/// Waits until the status names another primary.
pub async fn another_primary(world: &RealWorld, before: &str) -> Result<()> {
    let another = async || match world.object().await?.data["status"]["currentPrimary"].as_str() {
        Some(name) if name != before => Ok(()),
        other => bail!("the primary is {other:?}"),
    };
    world.until("another primary", PATIENCE, another).await
}
