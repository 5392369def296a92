//! D: answers of the API server that are no success. Each has one meaning, and one thing to do about it.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use apiserver::faults::{Effect, Match, Rule};
use fixtures::host::{USER_AGENT, plugins};
use fixtures::oracle;
use fixtures::stage::{NAME, Stage, leap, spec};
use fixtures::wire::{Fate, Reply, Sent, Wire};
use fixtures::world::World;
use http::Method;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn of_hosts(verb: &str, resource: &str) -> Match {
    Match::verb(verb, resource).from(USER_AGENT)
}

async fn served(stage: &Stage) -> Result<()> {
    let world = &stage.world;
    world.until("the kind to be served", async || Ok(world.mysqls().list(&Default::default()).await.is_ok())).await?;
    world.until_quiet().await
}

/// What a creation ends in.
async fn created(stage: &Stage) -> Result<(BTreeMap<String, Value>, BTreeMap<String, (u64, u64)>)> {
    stage.world.apply(NAME, spec(2, true)).await?;
    stage.settled(2).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    stage.world.until_quiet().await?;
    Ok((oracle::state(&stage.world.server), oracle::creations_and_deletions(&stage.world.server)))
}

async fn writes_within(stage: &Stage, time: Duration) -> usize {
    let before = stage.writes.count();
    tokio::time::sleep(time).await;
    stage.writes.count() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_conflict_leads_to_a_new_decision_and_never_to_the_old_one_again() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let world = &stage.world;
    // The first thing that is written is the inventory. While it is on its way, the user wants something else.
    let rule =
        world.faults().add(Rule::new(of_hosts("patch", "mysqls"), Effect::Delay(Duration::from_millis(400))).times(1));
    world.apply(NAME, spec(3, true)).await?;
    world.until("the write that is on its way", async || Ok(world.faults().fired(rule) == 1)).await?;
    world.apply(NAME, spec(1, false)).await?;
    stage.settled(1).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    for object in ["backups.backup.windlass.dev/prod-db-backup", "poddisruptionbudgets.policy/prod-db-pdb"] {
        ensure!(stage.creations(object) == 0, "{object} was made by a decision that was old already");
    }
    let patched = |status: &Sent| status.method == Method::PATCH && status.path.ends_with("/mysqls/prod-db");
    let bodies: Vec<String> = stage
        .wire
        .sent()
        .iter()
        .filter(|sent| patched(sent))
        .map(|sent| sent.json()["metadata"]["resourceVersion"].to_string())
        .collect();
    let mut different = bodies.clone();
    different.dedup();
    ensure!(bodies.len() >= 2 && different == bodies, "the same write was sent again: {bodies:?}");
    // A conflict on the status.
    world.faults().add(
        Rule::new(
            Match { subresource: Some("status".into()), ..of_hosts("patch", "mysqls") },
            Effect::FailBefore { status: 409, retry_after: None },
        )
        .times(2),
    );
    world.apply(NAME, spec(2, false)).await?;
    stage.settled(2).await?;
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_name_that_is_taken_is_reported_and_the_foreign_object_is_left_alone() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let world = &stage.world;
    let foreign = stage
        .create(json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "prod-db-primary", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}))
        .await?;
    world.apply(NAME, spec(1, false)).await?;
    let told = async || Ok(stage.condition(NAME, "Reconciled").await?.message.contains("prod-db-primary"));
    world.until("a word about the name", told).await?;
    world.until_quiet().await?;
    let now = stage.services().get("prod-db-primary").await?;
    ensure!(now.metadata.resource_version == foreign.metadata.resource_version, "it was written to: {now:?}");
    ensure!(writes_within(&stage, Duration::from_millis(700)).await == 0, "it tries again and again");

    // One that appears between the look and the write.
    stage.services().delete("prod-db-primary", &DeleteParams::default()).await?;
    stage.settled(1).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    let rule = Rule::new(of_hosts("patch", "poddisruptionbudgets"), Effect::Delay(Duration::from_millis(500))).times(1);
    let rule = world.faults().add(rule);
    world.apply(NAME, spec(2, false)).await?;
    world.until("the write that is on its way", async || Ok(world.faults().fired(rule) == 1)).await?;
    let budget = stage
        .create(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "prod-db-pdb", "namespace": "default"},
            "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"example.com/own": "yes"}}}}))
        .await?;
    let told = async || Ok(stage.condition(NAME, "Reconciled").await?.message.contains("prod-db-pdb"));
    world.until("a word about the name", told).await?;
    world.until_quiet().await?;
    let budgets = world.api("policy", "v1", "PodDisruptionBudget");
    let now = budgets.get("prod-db-pdb").await?;
    ensure!(now.metadata.uid == budget.metadata.uid && now.data["spec"]["maxUnavailable"] == 0, "{now:?}");
    ensure!(now.metadata.owner_references.is_none(), "it was taken over: {now:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_field_that_another_applier_declares_is_reported_and_never_forced() -> Result<()> {
    let stage = Stage::ready(2, |_| {}).await?;
    let world = &stage.world;
    let declared = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": NAME},
        "spec": {"replicas": 4}});
    let parameters = PatchParams::apply("argo").force();
    stage.stateful_sets().patch(NAME, &parameters, &Patch::Apply(&declared)).await?;
    let shown = stage.until_reason(NAME, "Reconciled", "FieldConflict").await?;
    ensure!(shown.message.contains("replicas") && shown.message.contains("argo"), "{shown:?}");
    world.until_quiet().await?;
    ensure!(stage.stateful_sets().get(NAME).await?.data["spec"]["replicas"] == 4, "it was forced");
    let forced = stage.wire.count(|sent| sent.writes("statefulsets", NAME) && sent.query.contains("force"));
    ensure!(forced == 0, "it was forced {forced} times");
    // The pods that the other wants are servers to look after: only the write that is refused counts.
    let tries = || stage.wire.count(|sent| sent.writes("statefulsets", NAME));
    let before = tries();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ensure!(tries() - before <= 2, "it tries again and again");
    // The other one gives it up.
    let nothing = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": NAME}});
    stage.stateful_sets().patch(NAME, &parameters, &Patch::Apply(&nothing)).await?;
    stage.settled(2).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_throttling_answer_holds_back_every_request_of_the_host() -> Result<()> {
    let stage = Stage::ready(1, |_| {}).await?;
    let world = &stage.world;
    stage.wire.forget();
    let rule = world.faults().add(
        Rule::new(of_hosts("patch", "statefulsets"), Effect::FailBefore { status: 429, retry_after: Some(2) }).times(1),
    );
    world.apply(NAME, spec(2, true)).await?;
    world.until("the answer", async || Ok(world.faults().fired(rule) == 1)).await?;
    let answered = tokio::time::Instant::now();
    // Another resource, which has nothing to do with it.
    world.apply("other", spec(1, false)).await?;
    world.until_ready("other", 1).await?;
    stage.settled(2).await?;
    // The wire is behind the gate: what it carries has passed.
    let sent = stage.wire.sent();
    let margin = Duration::from_millis(100);
    let early: Vec<_> = sent
        .iter()
        .filter(|sent| sent.at > answered + margin && sent.at + margin < answered + Duration::from_secs(2))
        .map(|sent| format!("{} {}", sent.method, sent.path))
        .collect();
    ensure!(early.is_empty(), "sent although it was asked to wait: {early:?}");
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_answers_that_mean_nothing_are_unknown_outcomes_and_looked_at_again() -> Result<()> {
    let wanted = {
        let stage = Stage::start().await?;
        served(&stage).await?;
        stage.world.server.store().reset_counts();
        let ended = created(&stage).await?;
        stage.end().await?;
        ended
    };
    let html = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    let replies = [
        ("an HTML page", Reply::raw(502, "text/html", html)),
        ("a friendly HTML page", Reply::raw(200, "text/html", html)),
        ("half an object", Reply::raw(200, "application/json", r#"{"kind":"Secret","metadata":{"na"#)),
        ("nothing", Reply::raw(200, "application/json", "")),
        ("an inner error", Reply::status(500, "InternalError", "etcdserver: leader changed")),
        ("no service", Reply::status(503, "ServiceUnavailable", "the server is currently unable")),
    ];
    let run = |what: &'static str, reply: Reply, after: bool| {
        let wanted = &wanted;
        async move {
            let stage = Stage::start().await?;
            served(&stage).await?;
            stage.world.server.store().reset_counts();
            // The first answer about each object, by create and by apply, is lost in this way.
            let mut seen = std::collections::BTreeSet::new();
            stage.wire.rule(move |sent| {
                let about = sent.json().pointer("/metadata/name").map(Value::to_string).unwrap_or_default();
                let child = ["secrets", "services", "configmaps", "statefulsets", "backups", "cronjobs"]
                    .iter()
                    .any(|plural| sent.path.contains(&format!("/namespaces/default/{plural}")));
                if !sent.is_write() || !child || !seen.insert((sent.method.clone(), sent.path.clone(), about)) {
                    return Fate::Pass;
                }
                if after { Fate::CarryOut(reply.clone()) } else { Fate::Refuse(reply.clone()) }
            });
            let found = created(&stage).await?;
            let differences = oracle::differences(&wanted.0, &found.0);
            ensure!(differences.is_empty(), "{what}: {differences:?}");
            ensure!(wanted.1 == found.1, "{what}: {:?}\n{:?}", wanted.1, found.1);
            stage.stays(NAME).await?;
            stage.end().await
        }
    };
    for (what, reply) in replies {
        let both = [false, true].map(|after| {
            let run = run(what, reply.clone(), after);
            async move { run.await.with_context(|| format!("{what}, carried out: {after}")) }
        });
        futures::future::try_join_all(both).await?;
    }
    // The connection breaks off.
    let stage = Stage::start().await?;
    served(&stage).await?;
    stage.world.server.store().reset_counts();
    for (plural, effect) in
        [("secrets", Effect::CutAfter), ("services", Effect::CutBefore), ("statefulsets", Effect::CutAfter)]
    {
        let verb = if plural == "secrets" { "create" } else { "patch" };
        stage.world.faults().add(Rule::new(of_hosts(verb, plural), effect).times(2));
    }
    let found = created(&stage).await?;
    ensure!(wanted.1 == found.1, "a broken connection: {:?}\n{:?}", wanted.1, found.1);
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_timeout_after_the_commit_makes_nothing_twice() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let world = &stage.world;
    world.server.store().reset_counts();
    let rules: Vec<_> =
        [("create", "secrets", 6), ("patch", "services", 3), ("patch", "statefulsets", 1), ("patch", "mysqls", 1)]
            .into_iter()
            .map(|(verb, resource, times)| {
                world.faults().add(Rule::new(of_hosts(verb, resource), Effect::FailAfter { status: 504 }).times(times))
            })
            .collect();
    created(&stage).await?;
    for rule in &rules {
        ensure!(world.faults().fired(*rule) > 0, "no answer was lost");
    }
    let counts = oracle::creations_and_deletions(&world.server);
    // Volumes share one masked name.
    let twice: Vec<_> = counts
        .iter()
        .filter(|(name, (made, deleted))| (*made > 1 || *deleted > 0) && !name.starts_with("persistentvolumes/"))
        .collect();
    ensure!(twice.is_empty(), "{twice:?}");
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_missing_permission_is_a_condition_and_no_hot_loop_and_ends_without_a_restart() -> Result<()> {
    for (status, reason) in [(403, "Forbidden"), (401, "Unauthorized")] {
        let stage = Stage::start().await?;
        served(&stage).await?;
        let world = &stage.world;
        let refused = Effect::FailBefore { status, retry_after: None };
        let rule = world.faults().add(Rule::new(of_hosts("patch", "statefulsets"), refused));
        world.apply(NAME, spec(1, false)).await?;
        let shown = stage.until_reason(NAME, "Reconciled", reason).await?;
        ensure!(shown.status == "False" && shown.message.contains("statefulset"), "{shown:?}");
        let before = world.faults().fired(rule);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let more = world.faults().fired(rule) - before;
        ensure!(more <= 4, "{more} attempts in 1.5 s");
        world.faults().remove(rule);
        stage.annotate(NAME, json!({"example.com/granted": "yes"})).await?;
        stage.settled(1).await?;
        stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
        stage.end().await?;
    }
    Ok(())
}

#[tokio::test]
async fn d8_a_kind_that_is_not_installed_parks_what_needs_it_and_nothing_else() -> Result<()> {
    let mysql = plugins().await?.into_iter().filter(|plugin| plugin.name == "mysql").collect::<Vec<_>>();
    ensure!(mysql.len() == 1, "no mysql plugin");
    let stage = Stage::with(|config| config.loaded = mysql).await?;
    let world = &stage.world;
    world.apply(NAME, spec(2, true)).await?;
    let ready = async || Ok(stage.stateful_sets().get_opt(NAME).await?.is_some());
    world.until("what needs no Backup", ready).await?;
    let told = async || Ok(stage.condition(NAME, "Reconciled").await?.message.contains("Backup"));
    world.until("a word about the kind", told).await?;
    world.until_quiet().await?;
    ensure!(writes_within(&stage, Duration::from_millis(700)).await == 0, "it tries again and again");
    // Now somebody installs it.
    let file = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/backups.backup.windlass.dev.yaml"),
    )?;
    let definition: Value = serde_yaml::from_str(&file)?;
    let kind = kube::core::GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(world.client.clone(), &kube::api::ApiResource::from_gvk(&kind));
    definitions.create(&Default::default(), &serde_json::from_value(definition)?).await?;
    world.until_quiet().await?;
    // Both the watch and the resource ask every half minute at the latest.
    leap(Duration::from_secs(40)).await;
    world.until_quiet().await?;
    leap(Duration::from_secs(40)).await;
    let made = async || Ok(stage.backups().get_opt("prod-db-backup").await.ok().flatten().is_some());
    world.until("the Backup", made).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_what_the_server_will_never_take_is_sent_once_for_each_wish() -> Result<()> {
    let stage = Stage::ready(1, |config| config.resync = Duration::from_millis(400)).await?;
    let world = &stage.world;
    let sent = || stage.wire.count(|sent| sent.writes("statefulsets", NAME));
    let wish = async |value: &str| {
        let patch = Patch::Merge(json!({"spec": {"podTemplate": {"labels": {"example.com/team": value}}}}));
        world.mysqls().patch(NAME, &PatchParams::default(), &patch).await.map(drop)
    };
    let before = sent();
    wish("no label value!").await?;
    let shown = stage.until_reason(NAME, "Reconciled", "Rejected").await?;
    ensure!(shown.message.contains("label"), "{shown:?}");
    ensure!(sent() == before + 1, "sent {} times", sent() - before);
    // Looks by the clock, other edits and changes of children are no reason to send it again.
    for round in 0..3 {
        stage.annotate(NAME, json!({"example.com/round": round.to_string()})).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ensure!(sent() == before + 1, "sent {} times", sent() - before);
    wish("another bad one!").await?;
    world.until("the other wish", async || Ok(sent() == before + 2)).await?;
    wish("blue").await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    stage.settled(1).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_slow_server_gets_one_pass_at_a_time_for_each_resource() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let world = &stage.world;
    world.faults().add(Rule::new(Match::writes().from(USER_AGENT), Effect::Delay(Duration::from_millis(250))));
    world.server.store().reset_counts();
    world.apply(NAME, spec(2, true)).await?;
    // The user does not wait.
    for replicas in [3, 2, 3] {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.apply(NAME, spec(replicas, true)).await?;
    }
    stage.settled(3).await?;
    stage.until_reason(NAME, "Reconciled", "AsDesired").await?;
    // Two passes at a time would write the resource itself at a time.
    let own: Vec<_> = stage
        .wire
        .sent()
        .into_iter()
        .filter(|sent| sent.is_write() && sent.path.contains("/mysqls/prod-db"))
        .map(|sent| sent.at)
        .collect();
    let together = own.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(240)).count();
    ensure!(together == 0, "{together} of {} writes began before the last one ended", own.len());
    let counts = oracle::creations_and_deletions(&world.server);
    // Volumes share one masked name.
    let twice: Vec<_> =
        counts.iter().filter(|(name, (made, _))| *made > 1 && !name.starts_with("persistentvolumes/")).collect();
    ensure!(twice.is_empty(), "{twice:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_a_namespace_that_is_deleted_goes_without_help() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let world = &stage.world;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    namespaces.create(&Default::default(), &serde_json::from_value(json!({"metadata": {"name": "doomed"}}))?).await?;
    let kind = kube::core::GroupVersionKind::gvk("database.example.com", "v1", "MySQL");
    let resource = kube::api::ApiResource::from_gvk_with_plural(&kind, "mysqls");
    let doomed: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), "doomed", &resource);
    let manifest = json!({"apiVersion": "database.example.com/v1", "kind": "MySQL", "metadata": {"name": NAME},
        "spec": spec(2, true)});
    doomed.patch(NAME, &PatchParams::apply("user"), &Patch::Apply(&manifest)).await?;
    let ready = async || {
        let object = doomed.get(NAME).await?;
        Ok(fixtures::stage::condition(&object, "Reconciled").reason == "AsDesired")
    };
    world.until("it to be ready", ready).await?;
    namespaces.delete("doomed", &DeleteParams::default()).await?;
    world.until("the namespace to be gone", async || Ok(namespaces.get_opt("doomed").await?.is_none())).await?;
    world.until_quiet().await?;
    let left: Vec<String> =
        world.server.store().dump().keys().filter(|name| name.contains("/doomed/")).cloned().collect();
    ensure!(left.is_empty(), "{left:?}");
    ensure!(writes_within(&stage, Duration::from_millis(500)).await == 0, "it writes without end");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_a_quota_without_room_is_a_condition_and_no_hot_loop() -> Result<()> {
    let world = World::start().await?;
    let (wire, writes) = (Wire::new(), world.count_host_writes());
    let full = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = full.clone();
    // Word for word as the admission plugin says it.
    let message = "statefulsets.apps \"prod-db\" is forbidden: exceeded quota: small, requested: \
                   count/statefulsets.apps=1, used: count/statefulsets.apps=0, limited: count/statefulsets.apps=0";
    wire.rule(move |sent| {
        if sent.writes("statefulsets", NAME) && flag.load(std::sync::atomic::Ordering::SeqCst) {
            return Fate::Refuse(Reply::status(403, "Forbidden", message));
        }
        Fate::Pass
    });
    let host = world.host_over(wire.over(world.host_client()?), |_| {}).await?;
    let stage = Stage { world, wire, writes, host };
    stage.world.apply(NAME, spec(1, false)).await?;
    let shown = stage.until_reason(NAME, "Reconciled", "QuotaExceeded").await?;
    ensure!(shown.message.contains("count/statefulsets.apps"), "{shown:?}");
    let before = stage.wire.count(|sent| sent.writes("statefulsets", NAME));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let more = stage.wire.count(|sent| sent.writes("statefulsets", NAME)) - before;
    ensure!(more <= 2, "{more} attempts in 1.5 s");
    full.store(false, std::sync::atomic::Ordering::SeqCst);
    stage.annotate(NAME, json!({"example.com/room": "made"})).await?;
    stage.settled(1).await?;
    stage.end().await
}
