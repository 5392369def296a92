//! Changes that users ask for, under load.

use super::{PATIENCE, SWITCHOVER, through, within, writing};
use anyhow::{Context, Result, ensure};
use kube::api::DeleteParams;
use mysql_suite::durability::session::{PORT, Session};
use mysql_suite::durability::verify::verify;
use mysql_suite::durability::world::{NAME, RealWorld};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

pub async fn one_becomes_three_becomes_five_becomes_one_while_clients_write(world: &RealWorld) -> Result<()> {
    for replicas in [3, 5, 1] {
        let silence = through(world, async || world.apply(crate::spec(replicas)).await)
            .await
            .with_context(|| format!("on the way to {replicas}"))?;
        within(silence, SWITCHOVER).with_context(|| format!("on the way to {replicas}"))?;
    }
    Ok(())
}

pub async fn a_new_template_reaches_every_server_and_never_the_one_that_is_the_primary(
    world: &RealWorld,
) -> Result<()> {
    let before = world.pods().await?;
    let silence = through(world, async || {
        let mut spec = crate::spec(3);
        spec["config"] = json!({"max_connections": 160});
        world.apply(spec).await?;
        let mut taken = None;
        let all_new = async || {
            let (pods, primary) = (world.pods().await?, world.primary().await?);
            taken = taken.take().or_else(|| pods.iter().find(|pod| pod.deleting && pod.name == primary.name).cloned());
            let old = pods.iter().filter(|pod| before.iter().any(|old| old.uid == pod.uid)).count();
            ensure!(old == 0 && pods.len() == before.len(), "{old} old pods, {} in all", pods.len());
            Ok(())
        };
        world.until("every pod to be new", PATIENCE, all_new).await?;
        ensure!(taken.is_none(), "the pod of the primary was taken away: {taken:?}");
        Ok(())
    })
    .await?;
    for pod in world.pods().await? {
        let setting: Option<u64> = world.session(&pod).await?.row("SELECT @@global.max_connections").await?;
        ensure!(setting == Some(160), "{} has {setting:?}", pod.name);
    }
    within(silence, SWITCHOVER)?;
    through(world, async || world.apply(crate::spec(3)).await).await.map(drop)
}

pub async fn passwords_are_rotated_while_clients_write(world: &RealWorld) -> Result<()> {
    let admin = async || world.account("admin", "windlass_admin").await;
    let before = admin().await?;
    let silence = through(world, async || {
        let mut spec = crate::spec(3);
        spec["credentials"] = json!({"generation": 1});
        world.apply(spec).await?;
        let changed = async || {
            let now = admin().await?;
            ensure!(now.password != before.password, "the Secret has the old password");
            for pod in world.pods().await? {
                let to = (pod.address.context("no address")?, PORT);
                let limit = Duration::from_secs(5);
                let new = Session::open(&world.around.doors, to, &now, limit).await;
                ensure!(new.is_ok(), "{} does not take the new password", pod.name);
                let old = Session::open(&world.around.doors, to, &before, limit).await;
                ensure!(old.is_err(), "{} still takes the old password", pod.name);
            }
            Ok(())
        };
        world.until("the old password to be refused", PATIENCE, changed).await
    })
    .await?;
    within(silence, SWITCHOVER)
}

pub async fn a_cluster_that_was_deleted_and_applied_again_has_its_data(world: &RealWorld) -> Result<()> {
    writing(world).await?;
    let spec = world.object().await?.data["spec"].clone();
    world.mysqls().delete(NAME, &DeleteParams::default()).await.context("not deleted")?;
    let gone = async || {
        ensure!(world.mysqls().get_opt(NAME).await?.is_none(), "it is still there");
        ensure!(world.pods().await?.is_empty(), "pods are still there");
        Ok(())
    };
    world.until("the cluster to be gone", PATIENCE, gone).await?;
    let again = Instant::now();
    world.apply(spec).await?;
    world.until_in_order(PATIENCE).await?;
    writing(world).await?;
    let findings = verify(world).await?;
    ensure!(findings.is_empty(), "{findings}");
    ensure!(world.around.record.answers_since(again) > 0, "nothing was written");
    Ok(())
}
