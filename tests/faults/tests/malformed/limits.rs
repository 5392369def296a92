//! What is too large, too far away or too often.

use super::{manifest, post, said, served, unharmed, writes_within};
use anyhow::{Result, ensure};
use fixtures::stage::{NAME, Stage, condition, spec};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn f4_what_is_too_large_is_told_and_not_tried_again_and_again() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let world = &stage.world;
    // As large as etcd takes an object, all of it copied into a child.
    let text = "x".repeat(1_300_000);
    let large = json!({"version": "8.0", "podTemplate": {"env": [{"name": "A", "value": text}]}});
    ensure!(post(&stage, manifest("large", &large.to_string())).await.is_ok(), "the server takes 1.3 MB");
    let larger =
        json!({"version": "8.0", "podTemplate": {"env": [{"name": "A", "value": text}, {"name": "B", "value": text}]}});
    ensure!(post(&stage, manifest("larger", &larger.to_string())).await.is_err(), "the server takes 2.6 MB");
    // No room for the host's own annotation.
    let mut full: Value = serde_json::from_str(&manifest("full", r#"{"version":"8.0"}"#))?;
    full["metadata"]["annotations"] = json!({"example.com/full": "x".repeat(256 * 1024 - 20)});
    ensure!(post(&stage, full.to_string()).await.is_ok(), "the server takes 256 KiB of annotations");
    // As many settings and entries as the schema takes, and more.
    let entries =
        |count: usize| (0..count).map(|at| json!({"name": format!("E{at}"), "value": "x"})).collect::<Value>();
    let long = json!({"version": "8.0", "podTemplate": {"env": entries(10_000)}});
    ensure!(post(&stage, manifest("list", &long.to_string())).await == Err(422), "10,000 entries");
    let most = json!({"version": "8.0", "podTemplate": {"env": entries(64)}});
    ensure!(post(&stage, manifest("most", &most.to_string())).await.is_ok(), "64 entries");
    world.until_ready("most", 1).await?;

    for name in ["large", "full"] {
        let shown = said(&stage, name).await?;
        ensure!(shown.status == "False" && !shown.message.is_empty(), "{name}: {shown:?}");
        ensure!(shown.message.len() < 4096, "{name}: a message of {} bytes", shown.message.len());
    }
    unharmed(&stage).await?;
    world.until_quiet().await?;
    let more = writes_within(&stage, Duration::from_millis(1500)).await;
    ensure!(more <= 2, "{more} more writes of what is too large: {:?}", stage.writes.list());
    // There is a way back (O5).
    stage.annotate("full", json!({"example.com/full": null})).await?;
    world.until_ready("full", 1).await?;
    world.apply("large", json!({"version": "8.0"})).await?;
    let small = Patch::Merge(json!({"spec": {"podTemplate": {"env": null}}}));
    world.mysqls().patch("large", &PatchParams::default(), &small).await?;
    world.until_ready("large", 1).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_resource_reaches_nothing_beyond_its_namespace() -> Result<()> {
    let stage = Stage::ready(1, |_| {}).await?;
    let world = &stage.world;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    namespaces.create(&Default::default(), &serde_json::from_value(json!({"metadata": {"name": "other"}}))?).await?;
    let kind = kube::core::GroupVersionKind::gvk("backup.windlass.dev", "v1alpha1", "Backup");
    let resource = kube::api::ApiResource::from_gvk(&kind);
    let backups: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), "other", &resource);
    for (name, source) in [("same-name", NAME), ("path", "../default/prod-db"), ("itself", "itself")] {
        let backup = json!({
            "apiVersion": "backup.windlass.dev/v1alpha1", "kind": "Backup", "metadata": {"name": name},
            "spec": {"source": {"mysql": source}, "schedule": "0 2 * * *"},
        });
        backups.create(&Default::default(), &serde_json::from_value(backup)?).await?;
    }
    for name in ["same-name", "path", "itself"] {
        let ready = async || Ok(condition(&backups.get(name).await?, "Ready").status == "False");
        world.until(&format!("a word about {name}"), ready).await?;
    }
    world.until_quiet().await?;
    let jobs: Api<DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        "other",
        &kube::api::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("batch", "v1", "CronJob")),
    );
    let made = jobs.list(&Default::default()).await?.items;
    ensure!(made.is_empty(), "backups of another namespace's database: {made:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_spec_that_flaps_neither_holds_up_another_nor_floods_the_server() -> Result<()> {
    let stage = Stage::ready(2, |_| {}).await?;
    let world = &stage.world;
    let before = stage.writes.count();
    let is_ready = std::sync::atomic::AtomicBool::new(false);
    let flapping = async {
        let mut rounds = 0;
        // On and on until the other one is ready, which therefore does not need an end of it.
        while rounds < 25 || !is_ready.load(std::sync::atomic::Ordering::SeqCst) {
            ensure!(rounds < 600, "the other one is not ready while this one flaps");
            let replicas = Patch::Merge(json!({"spec": {"replicas": 2 + (rounds + 1) % 2}}));
            world.mysqls().patch(NAME, &PatchParams::default(), &replicas).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            rounds += 1;
        }
        anyhow::Ok((stage.writes.list().split_off(before), rounds))
    };
    let other = async {
        world.apply("other", spec(2, true)).await?;
        world.until_ready("other", 2).await?;
        is_ready.store(true, std::sync::atomic::Ordering::SeqCst);
        anyhow::Ok(())
    };
    let ((writes, rounds), ()) = tokio::try_join!(flapping, other)?;
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    for write in writes.iter().filter(|write| write.ends_with(&format!(" {NAME}")) || write.contains("prod-db-")) {
        *written.entry(write).or_default() += 1;
    }
    // A change is told twice, as begun and as done, and everything else follows it once.
    let flood = written.iter().find(|(_, count)| **count > rounds * 3);
    ensure!(
        flood.is_none(),
        "written more than three times for each of {rounds} changes: {flood:?} among {written:#?}"
    );
    world.apply(NAME, spec(3, true)).await?;
    stage.settled(3).await?;
    stage.stays(NAME).await?;
    stage.end().await
}
