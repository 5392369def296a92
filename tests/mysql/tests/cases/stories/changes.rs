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

pub async fn a_new_template_reaches_replicas_first_and_the_primary_last(world: &RealWorld) -> Result<()> {
    let (primary, before) = (world.primary().await?, world.pods().await?);
    let mut order: Vec<String> = Vec::new();
    let silence = through(world, async || {
        let mut spec = crate::spec(3);
        spec["config"] = json!({"max_connections": 160});
        world.apply(spec).await?;
        let all_new = async || {
            for pod in world.pods().await? {
                let is_new = before.iter().any(|old| old.name == pod.name && old.uid != pod.uid);
                if is_new && !order.contains(&pod.name) {
                    order.push(pod.name);
                }
            }
            ensure!(order.len() == before.len(), "new pods so far: {order:?}");
            Ok(())
        };
        world.until("every pod to be new", PATIENCE, all_new).await
    })
    .await?;
    ensure!(order.last() == Some(&primary.name), "{} was the primary and not the last of {order:?}", primary.name);
    for pod in world.pods().await? {
        let setting: Option<u64> = world.session(&pod).await?.row("SELECT @@global.max_connections").await?;
        ensure!(setting == Some(160), "{} has {setting:?}", pod.name);
    }
    within(silence, SWITCHOVER)?;
    through(world, async || world.apply(crate::spec(3)).await).await.map(drop)
}

pub async fn passwords_are_rotated_while_clients_write(world: &RealWorld) -> Result<()> {
    let before = world.root().await?;
    let silence = through(world, async || {
        let mut spec = crate::spec(3);
        spec["credentials"] = json!({"generation": 1});
        world.apply(spec).await?;
        let changed = async || {
            ensure!(world.root().await?.password != before.password, "the Secret has the old password");
            for pod in world.pods().await? {
                let address = pod.address.context("no address")?;
                let limit = Duration::from_secs(5);
                let old = Session::open(&world.around.doors, (address, PORT), &before, limit).await;
                ensure!(old.is_err(), "{} still takes the old password of root", pod.name);
                world.session(&pod).await?;
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
