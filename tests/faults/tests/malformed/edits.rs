//! What people change in what is there: what cannot change, our fields, our marks, and a pause.

use super::writes_within;
use anyhow::{Context, Result, ensure};
use fixtures::stage::{NAME, Stage, condition, spec};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_change_of_what_cannot_change_is_reported_and_not_tried_forever() -> Result<()> {
    let stage = Stage::ready(1, |config| config.resync = Duration::from_millis(800)).await?;
    let world = &stage.world;
    // The volumes of a StatefulSet cannot grow through it: the claims do, and it is made anew around its pods.
    let grow = Patch::Merge(json!({"spec": {"storage": {"size": "20Gi"}, "replicas": 2}}));
    world.mysqls().patch(NAME, &PatchParams::default(), &grow).await?;
    let shown = stage.until_reason(NAME, "StorageCurrent", "Grown").await?;
    ensure!(shown.message.contains("20Gi"), "{shown:?}");
    world.until_ready(NAME, 2).await.context("the rest of the change is carried out")?;

    // The claim of a Backup cannot move to another class, before and after the host has forgotten the old one.
    stage
        .create(json!({
            "apiVersion": "backup.windlass.dev/v1alpha1", "kind": "Backup",
            "metadata": {"name": "nightly", "namespace": "default"},
            "spec": {"source": {"mysql": NAME}, "schedule": "0 2 * * *", "storage": {"size": "1Gi"}},
        }))
        .await?;
    let reason = async |stage: &Stage| anyhow::Ok(condition(&stage.backups().get("nightly").await?, "Reconciled"));
    world.until("the Backup to be made", async || Ok(reason(&stage).await?.reason == "AsDesired")).await?;
    let class = Patch::Merge(json!({"spec": {"storage": {"storageClassName": "another"}}}));
    stage.backups().patch("nightly", &PatchParams::default(), &class).await?;
    world.until("the refusal", async || Ok(reason(&stage).await?.reason == "Invalid")).await?;
    ensure!(reason(&stage).await?.message.contains("storageClassName"), "{:?}", reason(&stage).await?);
    world.until_quiet().await?;
    ensure!(writes_within(&stage, Duration::from_millis(1800)).await == 0, "{:?}", stage.writes.list());
    let stage = stage.restart(|config| config.resync = Duration::from_millis(800)).await?;
    let world = &stage.world;
    let refused = async || {
        let shown = reason(&stage).await?;
        Ok(shown.status == "False" && stage.metric("windlass_passes_total", "Backup") > 1 && shown.message.len() > 10)
    };
    world.until("the refusal of the server", refused).await?;
    world.until_quiet().await?;
    let more = writes_within(&stage, Duration::from_millis(1800)).await;
    ensure!(more <= 1, "{more} writes: {:?}, it says {:?}", stage.writes.list(), reason(&stage).await?);
    // There is a way back (O5).
    let back = Patch::Merge(json!({"spec": {"storage": {"storageClassName": null}}}));
    stage.backups().patch("nightly", &PatchParams::default(), &back).await?;
    world.until("the way back", async || Ok(reason(&stage).await?.reason == "AsDesired")).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_edits_of_our_fields_are_reverted_once_and_foreign_fields_are_kept() -> Result<()> {
    let stage = Stage::ready(2, |_| {}).await?;
    let world = &stage.world;
    let before = stage.writes.count();
    let edit = Patch::Merge(json!({
        "metadata": {"labels": {"example.com/team": "blue", "app.kubernetes.io/managed-by": "somebody"}},
        "spec": {"publishNotReadyAddresses": true, "sessionAffinity": "ClientIP",
            "ports": [{"name": "mysql", "port": 3306, "targetPort": 1, "protocol": "TCP"}]},
    }));
    stage.services().patch("prod-db-primary", &PatchParams::apply("kubectl-edit"), &edit).await?;
    let scale =
        Patch::Merge(json!({"spec": {"replicas": 7}, "metadata": {"annotations": {"example.com/note": "kept"}}}));
    stage.stateful_sets().patch(NAME, &PatchParams::apply("kubectl-edit"), &scale).await?;
    let reverted = async || {
        let service = stage.services().get("prod-db-primary").await?;
        let set = stage.stateful_sets().get(NAME).await?;
        Ok(service.data["spec"]["ports"][0]["targetPort"] == "mysql" && set.data["spec"]["replicas"] == 2)
    };
    world.until("the edits to be reverted", reverted).await?;
    stage.settled(2).await?;
    let service = stage.services().get("prod-db-primary").await?;
    let labels = service.metadata.labels.clone().unwrap_or_default();
    ensure!(labels.get("example.com/team").is_some_and(|team| team == "blue"), "a foreign label is gone: {labels:?}");
    ensure!(labels["app.kubernetes.io/managed-by"] == "windlass", "our label was not reverted: {labels:?}");
    ensure!(service.data["spec"]["ports"].as_array().map(Vec::len) == Some(1), "{}", service.data["spec"]["ports"]);
    ensure!(service.data["spec"]["sessionAffinity"] == "ClientIP", "a foreign field was reverted");
    let note = stage.stateful_sets().get(NAME).await?.metadata.annotations.unwrap_or_default();
    ensure!(note.get("example.com/note").is_some_and(|note| note == "kept"), "a foreign annotation is gone: {note:?}");
    // A refused apply and a forced one, at the most.
    let writes = stage.writes.list().split_off(before);
    for child in ["services prod-db-primary", "statefulsets prod-db"] {
        let times = writes.iter().filter(|write| write.ends_with(child)).count();
        ensure!((1..=2).contains(&times), "{child} was written {times} times: {writes:?}");
    }
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_lost_and_copied_marks_cause_neither_duplicates_nor_foreign_deletions() -> Result<()> {
    let stage = Stage::ready(2, |_| {}).await?;
    let world = &stage.world;
    world.server.store().reset_counts();
    let uid = world.mysqls().get(NAME).await?.metadata.uid.context("no uid")?;
    let marks = |object: &DynamicObject| {
        let owners = object.metadata.owner_references.clone().unwrap_or_default();
        let label = object.metadata.labels.clone().unwrap_or_default().get("windlass.dev/owner-uid").cloned();
        (owners.iter().any(|owner| owner.uid == uid), label.as_deref() == Some(&uid))
    };
    let strip = async |name: &str, patch: Value| {
        stage.services().patch(name, &PatchParams::apply("user"), &Patch::Merge(patch)).await.context("not stripped")
    };
    let no_labels = json!({"windlass.dev/owner-uid": null, "windlass.dev/plugin": null,
        "app.kubernetes.io/managed-by": null, "app.kubernetes.io/name": null});
    strip("prod-db-primary", json!({"metadata": {"ownerReferences": null}})).await?;
    strip("prod-db-replica", json!({"metadata": {"labels": no_labels}})).await?;
    let marked = async || {
        let primary = stage.services().get("prod-db-primary").await?;
        let replica = stage.services().get("prod-db-replica").await?;
        Ok(marks(&primary) == (true, true) && marks(&replica) == (true, true))
    };
    world.until("the marks to be there again", marked).await?;

    // A foreign object with a copy of our marks, as backup tools restore them.
    let copied = stage.services().get("prod-db-replica").await?;
    let mut copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "copied", "namespace": "default", "labels": copied.metadata.labels,
        "annotations": copied.metadata.annotations}});
    copy["data"] = json!({"precious": "yes"});
    stage.create(copy).await?;
    stage.settled(2).await?;
    stage.stays(NAME).await?;
    for object in ["services/prod-db-primary", "services/prod-db-replica", "statefulsets.apps/prod-db"] {
        ensure!(stage.creations(object) + stage.deletions(object) == 0, "{object} was made or deleted");
    }

    // All marks of one gone: it is nobody's. It is not replaced, not deleted, and somebody is told.
    strip(
        "prod-db-replica",
        json!({"metadata": {"ownerReferences": null, "labels": no_labels,
            "annotations": {"windlass.dev/item": null, "windlass.dev/desired-digest": null}}}),
    )
    .await?;
    let told = async || Ok(stage.condition(NAME, "Reconciled").await?.message.contains("prod-db-replica"));
    world.until("a word about the object that is nobody's", told).await?;
    world.until_quiet().await?;
    ensure!(stage.deletions("services/prod-db-replica") == 0, "it was deleted");
    stage.annotate(NAME, json!({"windlass.dev/adopt": "*"})).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    ensure!(stage.creations("services/prod-db-replica") == 0, "it was made again");

    world.delete(NAME).await?;
    world.until_gone(NAME).await?;
    world.until_quiet().await?;
    let config = world.api("", "v1", "ConfigMap").get_opt("copied").await?;
    ensure!(config.is_some_and(|config| config.data["data"]["precious"] == "yes"), "a foreign object was deleted");
    let left = stage.services().list(&Default::default()).await?.items;
    let left: Vec<_> = left.iter().filter_map(|service| service.metadata.name.clone()).collect();
    ensure!(left == ["kubernetes"], "{left:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_paused_resource_has_no_side_effects_not_even_cleanup() -> Result<()> {
    let stage = Stage::ready(3, |config| config.resync = Duration::from_millis(600)).await?;
    let world = &stage.world;
    stage.annotate(NAME, json!({"windlass.dev/paused": "true"})).await?;
    stage.until_reason(NAME, "Reconciled", "Paused").await?;
    world.until_quiet().await?;
    world.server.store().reset_counts();
    let before = stage.writes.count();
    world.apply(NAME, spec(5, false)).await?;
    stage.services().delete("prod-db-replica", &DeleteParams::default()).await?;
    let edit = Patch::Merge(json!({"spec": {"ports": [{"name": "mysql", "port": 1, "protocol": "TCP"}]}}));
    stage.services().patch("prod-db-primary", &PatchParams::default(), &edit).await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.delete(NAME).await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let writes = stage.writes.list().split_off(before);
    let about_itself = |write: &&String| write.contains("mysqls/status") || write.contains("events");
    let effects: Vec<_> = writes.iter().filter(|write| !about_itself(write)).collect();
    ensure!(effects.is_empty(), "side effects while paused: {effects:?}");
    ensure!(writes.len() <= 4, "{} words about being paused: {writes:?}", writes.len());
    ensure!(stage.stateful_sets().get(NAME).await?.data["spec"]["replicas"] == 3, "it was scaled");
    ensure!(stage.backups().get_opt("prod-db-backup").await?.is_some(), "its Backup was deleted");

    stage.annotate(NAME, json!({"windlass.dev/paused": null})).await?;
    world.until_gone(NAME).await.context("once it goes on, the deletion is carried out")?;
    stage.end().await
}
