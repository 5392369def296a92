//! What must never be done, however much it looks like the way out.

use super::failures::another_primary;
use super::{PATIENCE, through, writing};
use anyhow::{Context, Result, ensure};
use mysql_suite::durability::surroundings::Pod;
use mysql_suite::durability::world::RealWorld;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub async fn an_errant_old_primary_is_made_again_where_that_is_allowed(world: &RealWorld) -> Result<()> {
    let before = world.primary().await?;
    through(world, async || {
        // Nobody acknowledges: what clients write from here on is in the primary's log alone.
        world.kill_host().await;
        for replica in world.replicas().await? {
            world.session(&replica).await?.must("STOP REPLICA IO_THREAD").await?;
        }
        sleep(Duration::from_secs(1)).await;
        let query = "SELECT CAST(variable_value AS UNSIGNED) FROM performance_schema.global_status \
                     WHERE variable_name = 'Rpl_semi_sync_source_wait_sessions'";
        let waiting: Option<u64> = world.session(&before).await?.row(query).await?;
        ensure!(waiting > Some(0), "nobody waits for an acknowledgement");
        world.process(&before.name)?.kill()?;
        world.start_host().await?;
        another_primary(world, &before.name).await
    })
    .await
    .map(drop)
}

pub async fn an_errant_server_is_kept_from_readers_where_it_may_not_be_made_again(world: &RealWorld) -> Result<()> {
    allow_making_again(world, false).await?;
    let replica = world.replicas().await?.pop().context("there is no replica")?;
    go_astray(world, &replica).await?;
    let kept_away = async || {
        let readable = world.around.readable().await?;
        ensure!(readable.iter().all(|pod| pod.name != replica.name), "readers still reach {}", replica.name);
        ensure!(!readable.is_empty(), "readers reach nobody");
        Ok(())
    };
    world.until("the errant server to be kept from readers", PATIENCE, kept_away).await?;
    // It stays so, and nothing of its data is touched.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        kept_away().await?;
        sleep(Duration::from_millis(100)).await;
    }
    ensure!(is_astray(world, &replica).await?, "its data was taken away without leave");
    through(world, async || allow_making_again(world, true).await).await?;
    ensure!(!is_astray(world, &replica).await?, "it was not made again");
    Ok(())
}

pub async fn a_single_server_that_lost_its_data_is_never_opened_empty(world: &RealWorld) -> Result<()> {
    writing(world).await?;
    let server = world.primary().await?;
    world.process(&server.name)?.wipe()?;
    let gone = Instant::now();
    let told = async || {
        let conditions = world.object().await?.data["status"]["conditions"].to_string();
        ensure!(conditions.contains("DataLost"), "nothing is said of lost data: {conditions}");
        Ok(())
    };
    world.until("the loss to be told", PATIENCE, told).await?;
    let until = Instant::now() + Duration::from_secs(8);
    let mut asked = 0;
    while Instant::now() < until {
        let pod = world.pods().await?.pop().context("there is no pod")?;
        if let Ok(mut session) = world.session(&pod).await {
            let read_only: Option<bool> = session.row("SELECT @@global.super_read_only").await?;
            ensure!(read_only == Some(true), "the empty server takes writes");
            asked += 1;
        }
        told().await?;
        sleep(Duration::from_millis(200)).await;
    }
    ensure!(asked > 0, "the empty server never answered");
    ensure!(world.around.record.answers_since(gone) == 0, "clients were told yes by an empty server");
    Ok(())
}

/// Gives a server a transaction that nobody else has.
async fn go_astray(world: &RealWorld, pod: &Pod) -> Result<()> {
    let mut session = world.session(pod).await?;
    // For root alone: a client that wrote here would be told that its row is safe.
    session.must("SET GLOBAL super_read_only = OFF").await?;
    session.must("CREATE DATABASE astray").await?;
    session.must("SET GLOBAL super_read_only = ON").await
}

async fn is_astray(world: &RealWorld, pod: &Pod) -> Result<bool> {
    // Its address may have changed.
    let pod = world.pods().await?.into_iter().find(|now| now.name == pod.name).context("the pod is gone")?;
    let found: Option<String> = world.session(&pod).await?.row("SHOW DATABASES LIKE 'astray'").await?;
    Ok(found.is_some())
}

async fn allow_making_again(world: &RealWorld, allowed: bool) -> Result<()> {
    let mut spec = crate::spec(3);
    spec["recovery"] = json!({"reinitErrant": allowed});
    world.apply(spec).await
}
