//! F: what users and their tools write that nobody asked for. What the API server lets through, the host and the plugin
//! answer with a condition; it never costs another resource anything.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use fixtures::stage::{NAME, Shown, Stage, condition, spec};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const MYSQLS: &str = "/apis/database.example.com/v1/namespaces/default/mysqls";

/// Sends a body as it is. The status code where the server refuses it.
async fn post(stage: &Stage, body: String) -> Result<(), u16> {
    let request = http::Request::post(MYSQLS).header("content-type", "application/json").body(body.into_bytes());
    match stage.world.client.request_text(request.unwrap()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(other) => panic!("no answer: {other}"),
    }
}

fn manifest(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"database.example.com/v1","kind":"MySQL","metadata":{{"name":{}}},"spec":{spec}}}"#,
        json!(name)
    )
}

async fn served(stage: &Stage) -> Result<()> {
    let world = &stage.world;
    world.until("the kind to be served", async || Ok(world.mysqls().list(&Default::default()).await.is_ok())).await
}

/// No pass panicked, no plugin broke, and a sound resource is still served.
async fn unharmed(stage: &Stage) -> Result<()> {
    ensure!(stage.metric("windlass_passes_total", "Panicked") == 0, "a pass panicked");
    ensure!(stage.metric("windlass_passes_total", "TookTooLong") == 0, "a pass took too long");
    ensure!(stage.metric("windlass_decisions_total", "Trap") == 0, "the plugin trapped");
    let name = "sound";
    stage.world.apply(name, spec(1, false)).await?;
    stage.world.until_ready(name, 1).await
}

/// What the host says about a resource, once it says something.
async fn said(stage: &Stage, name: &str) -> Result<Shown> {
    let what = format!("a word about {name}");
    stage.world.until(&what, async || Ok(!stage.condition(name, "Reconciled").await?.reason.is_empty())).await?;
    stage.condition(name, "Reconciled").await
}

/// Requests that write, of a while.
async fn writes_within(stage: &Stage, time: Duration) -> usize {
    let before = stage.writes.count();
    tokio::time::sleep(time).await;
    stage.writes.count() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_every_shape_of_a_spec_is_refused_at_the_door_or_answered_with_a_condition() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let specs: Vec<String> = [
        r#"null"#,
        r#"{}"#,
        r#"[]"#,
        r#""text""#,
        r#"{"version":""}"#,
        r#"{"version":null}"#,
        r#"{"version":"8.0","version":"8.4"}"#,
        r#"{"version":"8.0","replicas":9007199254740993}"#,
        r#"{"version":"8.0","replicas":-9223372036854775808}"#,
        r#"{"version":"8.0","replicas":1e400}"#,
        r#"{"version":"8.0","replicas":1.5}"#,
        r#"{"version":"8.0","replicas":"NaN"}"#,
        r#"{"version":"8.0","replicas":null}"#,
        r#"{"version":"8.0","unknown":{"a":1}}"#,
        r#"{"version":"8.4.999999999999999999999"}"#,
        r#"{"version":"8.0","config":{"max_connections":9223372036854775807}}"#,
        r#"{"version":"8.0","config":{"max_connections":18446744073709551615}}"#,
        r#"{"version":"8.0","config":{"max_connections":null}}"#,
        r#"{"version":"8.0","config":{"max_connections":"NaN","":"x","a b":"y"}}"#,
        r#"{"version":"8.0","storage":null,"backup":null,"config":null,"services":null,"podTemplate":null}"#,
        r#"{"version":"8.0","storage":{"size":"0"}}"#,
        r#"{"version":"8.0","storage":{"size":"99999999999999999999999999999E"}}"#,
        r#"{"version":"8.0","resources":{"limits":{"memory":-1}}}"#,
        r#"{"version":"8.0","resources":{"limits":{"memory":9223372036854775807}}}"#,
        r#"{"version":"8.0","resources":{"requests":{"":"","cpu":"1e999"}}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{}]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{"name":7}]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[null]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{"name":"A","value":{"deep":[]}}]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{"name":"A"},{"name":"A"}]}}"#,
        r#"{"version":"8.0","podTemplate":{"sidecars":[{"name":"UPPER CASE","image":3}]}}"#,
        r#"{"version":"8.0","podTemplate":{"volumes":[{"name":"data"}]}}"#,
        r#"{"version":"8.0","podTemplate":{"labels":{"a/b/c":"!!"}}}"#,
        r#"{"version":"8.0","podTemplate":{"topologySpreadConstraints":[{"labelSelector":7}]}}"#,
        r#"{"version":"8.0","podTemplate":{"affinity":{"nodeAffinity":[]}}}"#,
        r#"{"version":"8.0","backup":{"enabled":true,"schedule":"99 99 99 99 99"}}"#,
        r#"{"version":"8.0","backup":{"enabled":true,"schedule":"@never"}}"#,
        r#"{"version":"8.0","backup":{"enabled":true,"timeZone":"Not/A_Zone"}}"#,
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!(r#"{{"version":"8.0","podTemplate":{{"affinity":{}}}}}"#, nested(60)),
        format!(r#"{{"version":"8.0","podTemplate":{{"affinity":{}}}}}"#, nested(110)),
        format!(r#"{{"version":"8.0","podTemplate":{{"affinity":{}}}}}"#, nested(1000)),
    ])
    .collect();
    let mut accepted = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("nasty-{index}");
        match post(&stage, manifest(&name, spec)).await {
            Ok(()) => accepted.push((name, spec)),
            Err(code) => ensure!((400..500).contains(&code), "{spec} is answered by {code}"),
        }
    }
    ensure!(accepted.len() >= 12, "only {} got through the door", accepted.len());
    ensure!(specs.len() - accepted.len() >= 8, "the door is open: {} of {}", accepted.len(), specs.len());
    for (name, spec) in &accepted {
        let shown = said(&stage, name).await.with_context(|| spec.chars().take(200).collect::<String>())?;
        let known = ["AsDesired", "Progressing", "Invalid", "Rejected", "Oversize", "PluginInvalidOutput"];
        ensure!(known.contains(&shown.reason.as_str()), "{spec} is answered by {shown:?}");
        ensure!(!shown.message.is_empty(), "{spec}: no word why");
    }
    unharmed(&stage).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_names_and_texts_with_a_meaning_elsewhere_stay_names_and_texts() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let refused = [
        "",
        "-",
        "-a",
        "a-",
        ".a",
        "A",
        "a_b",
        "a b",
        "a/b",
        "../a",
        "%2f",
        "a%2fb",
        "a\u{0}b",
        "a\nb",
        "a`b",
        "a'b",
        "a\"b",
        "\u{202e}a",
        "аdmin",
        "a;drop",
        "a..b",
        "--help",
    ];
    for name in refused {
        let answer = post(&stage, manifest(name, r#"{"version":"8.0"}"#)).await;
        ensure!(matches!(answer, Err(400..500)), "{name:?} is answered by {answer:?}");
    }
    for name in ["0", "0-1", "a.b.c", "a--b", "1.2.3.4", "xn--dmin-7cd"] {
        ensure!(post(&stage, manifest(name, r#"{"version":"8.0"}"#)).await.is_ok(), "{name} is a name");
        stage.world.until_ready(name, 1).await.with_context(|| name.to_owned())?;
    }
    // A value of a setting cannot become another setting.
    for (at, value) in ["1\nskip-grant-tables", "1\rskip-grant-tables", "1\u{0}x", "\"'x"].into_iter().enumerate() {
        let name = format!("injects-{at}");
        let spec = json!({"version": "8.0", "config": {"max_connections": value}}).to_string();
        ensure!(post(&stage, manifest(&name, &spec)).await.is_ok(), "the schema lets it through");
        let shown = said(&stage, &name).await?;
        ensure!(shown.reason == "Invalid" && shown.message.contains("max_connections"), "{value:?}: {shown:?}");
        ensure!(!shown.message.contains(['\n', '\r', '\0']), "a line break in a condition: {shown:?}");
        let config = stage.world.api("", "v1", "ConfigMap").get_opt(&format!("{name}-config")).await?;
        ensure!(config.is_none(), "it was made although it is invalid");
    }
    let spec = json!({"version": "8.0", "config": {"init_connect": "SET @a='`x`; -- #'"}}).to_string();
    ensure!(post(&stage, manifest("quotes", &spec)).await.is_ok(), "the schema lets it through");
    stage.world.until_ready("quotes", 1).await?;
    let config = stage.world.api("", "v1", "ConfigMap").get("quotes-config").await?;
    let text = config.data["data"].to_string();
    ensure!(text.contains(r#"init_connect = \"SET @a='`x`; -- #'\""#), "not quoted: {text}");
    unharmed(&stage).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_long_names_get_hashed_children_that_are_always_the_same_and_never_shared() -> Result<()> {
    let stage = Stage::start().await?;
    let world = &stage.world;
    let label = |last: &str| format!("{}{last}", "a".repeat(62));
    let long = |last: &str| format!("{}.{}{last}", "b".repeat(200), "c".repeat(51));
    let names = [label("x"), label("y"), long("x"), long("y")];
    ensure!(names[0].len() == 63 && names[2].len() == 253, "the longest names");
    for name in &names {
        world.apply(name, spec(2, true)).await?;
    }
    for name in &names {
        world.until_ready(name, 2).await?;
        stage.until_reason(name, "Reconciled", "AsDesired").await?;
    }
    world.until_quiet().await?;
    let children = |world: &fixtures::World| {
        let dump = world.server.store().dump();
        let mut children: Vec<(String, String)> = dump
            .iter()
            .filter(|(_, object)| object.pointer("/metadata/labels/windlass.dev~1owner-uid").is_some())
            // Those are made by the cluster's own controllers, with the labels of their Services.
            .filter(|(name, _)| !name.starts_with("endpoint"))
            .map(|(name, object)| (name.clone(), object["metadata"]["uid"].to_string()))
            .collect();
        children.sort();
        children
    };
    let before = children(world);
    // Thirteen of each MySQL, two of each Backup: nobody shares any.
    ensure!(before.len() == names.len() * 15, "{} children: {before:#?}", before.len());
    for (child, _) in &before {
        let name = child.rsplit_once('/').context("no name")?.1;
        ensure!(name.len() <= 63, "{child} is too long for a label");
        ensure!(!child.starts_with("statefulsets") || name.len() <= 52, "{child} is too long for its pods");
        ensure!(!child.starts_with("cronjobs") || name.len() <= 52, "{child} is too long for its Jobs");
    }
    // Another process derives the same names.
    let writes = stage.writes.count();
    let stage = stage.restart(|_| {}).await?;
    stage.world.until("a look at all", async || Ok(stage.metric("windlass_passes_total", "MySQL") >= 4)).await?;
    stage.world.until_quiet().await?;
    ensure!(stage.writes.count() == writes, "{:?}", stage.writes.list().split_off(writes));
    ensure!(children(&stage.world) == before, "other children");
    stage.end().await
}

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

/// Any JSON, with the fields that a `MySQL` has more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        3 => prop::sample::select(vec!["8.0", "8.4", "10Gi", "0 2 * * *", "Retain", "Delete", "ClusterIP", "name", ""])
            .prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    let field = prop_oneof![
        4 => prop::sample::select(vec![
            "replicas", "version", "image", "storage", "size", "resources", "limits", "memory", "config", "podTemplate",
            "env", "sidecars", "volumes", "affinity", "labels", "services", "primary", "type", "backup", "enabled",
            "schedule", "retention", "count", "podDisruptionBudget", "maxUnavailable", "name", "storageClassName",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(1), Just(3), any::<i64>()].prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => prop::collection::btree_map(field.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Most fields sound, one of them anything.
fn any_spec() -> impl Strategy<Value = Value> {
    let nearly =
        (prop::sample::select(vec!["replicas", "storage", "config", "podTemplate", "services", "backup"]), any_json())
            .prop_map(|(field, value)| {
                let mut spec = json!({"version": "8.0"});
                spec[field] = value;
                spec
            });
    prop_oneof![2 => nearly, 1 => any_json()]
}

#[test]
fn f1_any_json_behind_a_permissive_definition_ends_in_a_condition_or_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(async {
        let stage = Stage::start().await.unwrap();
        served(&stage).await.unwrap();
        open_the_door(&stage).await.unwrap();
        stage
    });
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 96, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let answered = std::cell::Cell::new(0);
    runner
        .run(&(any_spec(), any_json()), |(spec, status)| {
            number.set(number.get() + 1);
            let name = format!("any-{}", number.get());
            let told = runtime.block_on(any_resource(&stage, &name, &spec, &status));
            match told {
                Ok(told) => answered.set(answered.get() + usize::from(told)),
                Err(error) => return Err(TestCaseError::fail(format!("{error:#}"))),
            }
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 30, "only {} resources were answered at all", answered.get());
    runtime.block_on(async {
        unharmed(&stage).await.unwrap();
        stage.end().await.unwrap();
    });
}

/// A schema that lets everything through, as a user with rights on definitions may install it.
async fn open_the_door(stage: &Stage) -> Result<()> {
    let resource = kube::api::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ));
    let definitions: Api<DynamicObject> = Api::all_with(stage.world.client.clone(), &resource);
    let mut definition = definitions.get("mysqls.database.example.com").await?;
    definition.metadata.managed_fields = None;
    definition.data["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definitions.replace("mysqls.database.example.com", &Default::default(), &definition).await?;
    let open = async || Ok(post(stage, manifest("open", r#"{"version":"8.0","anything":[1]}"#)).await.is_ok());
    stage.world.until("the door to be open", open).await?;
    stage.world.until_ready("open", 1).await
}

/// Whether the host said something about a resource with that spec and status.
async fn any_resource(stage: &Stage, name: &str, spec: &Value, status: &Value) -> Result<bool> {
    let passes = stage.passes();
    if post(stage, manifest(name, &spec.to_string())).await.is_err() {
        return Ok(false);
    }
    let patch = Patch::Merge(json!({"status": status}));
    // The server may refuse a status that is no object.
    let _ = stage.world.mysqls().patch_status(name, &PatchParams::default(), &patch).await;
    stage.world.until("a pass over it", async || Ok(stage.passes() > passes)).await?;
    let told = async || {
        let object = stage.world.mysqls().get(name).await?;
        let shown = condition(&object, "Reconciled");
        Ok(!shown.reason.is_empty() && object.data["status"]["observedGeneration"].is_i64())
    };
    stage.world.until(&format!("a word about {spec} with {status}"), told).await?;
    let shown = stage.condition(name, "Reconciled").await?;
    ensure!(!["PluginTrapped", "Trapped", "Panicked"].contains(&shown.reason.as_str()), "{spec}: {shown:?}");
    ensure!(stage.metric("windlass_passes_total", "Panicked") == 0, "{spec} with {status}: a pass panicked");
    Ok(true)
}
