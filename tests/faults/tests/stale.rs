//! B: views that are old, and that run at different speeds. Whatever the host believes, nothing is made twice, nothing is
//! deleted that a fresh view would keep, and nothing goes back.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use apiserver::faults::{Effect, Rule};
use fixtures::host::plugins;
use fixtures::logs::Logs;
use fixtures::oracle;
use fixtures::stage::{NAME, Stage, metric, spec, watches_of};
use fixtures::wire::{Fate, Reply, Sent, Wire};
use fixtures::world::World;
use http::Method;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Kinds of children of a `MySQL`.
const CHILDREN: [&str; 6] = ["secrets", "configmaps", "services", "statefulsets", "poddisruptionbudgets", "backups"];
/// Soon enough for tests: an event of our own write is overdue after this.
const OVERDUE: Duration = Duration::from_millis(100);

/// Holds back what hosts see of these resources from now on; returns what to remove to let it come.
fn freeze(world: &World, plurals: &[&str]) -> Vec<apiserver::faults::RuleId> {
    let after = world.server.store().version();
    plurals.iter().map(|plural| world.faults().add(Rule::new(watches_of(plural), Effect::Freeze { after }))).collect()
}

fn thaw(world: &World, rules: Vec<apiserver::faults::RuleId>) {
    rules.into_iter().for_each(|rule| world.faults().remove(rule));
}

/// The lists that a host would get now, to be given to it later: an API server that is behind.
struct Old(BTreeMap<String, Vec<u8>>);

impl Old {
    async fn record(world: &World, paths: &[&str]) -> Result<Old> {
        let mut lists = BTreeMap::new();
        for path in paths {
            let request = http::Request::get(*path).body(Vec::new()).context("no request")?;
            lists.insert((*path).to_owned(), world.client.request_text(request).await?.into_bytes());
        }
        Ok(Old(lists))
    }

    fn answers(&self, sent: &Sent) -> Option<Reply> {
        let list = self.0.get(&sent.path).filter(|_| sent.method == Method::GET && !sent.is_watch())?;
        Some(Reply::raw(200, "application/json", list.clone()))
    }
}

const MYSQLS: &str = "/apis/database.example.com/v1/mysqls";
const LISTS: [&str; 5] =
    [MYSQLS, "/api/v1/services", "/api/v1/secrets", "/api/v1/configmaps", "/apis/apps/v1/statefulsets"];

#[tokio::test(flavor = "multi_thread")]
async fn b1_with_frozen_watches_no_child_is_made_twice_and_no_foreign_object_is_deleted() -> Result<()> {
    let stage = Stage::with(|config| config.deadlines.event = OVERDUE).await?;
    let world = &stage.world;
    world.until("the kind to be served", async || Ok(world.mysqls().list(&Default::default()).await.is_ok())).await?;
    world.until_quiet().await?;
    world.server.store().reset_counts();
    // Nothing of what it makes is ever told to the host; it has to ask.
    let frozen = freeze(world, &CHILDREN);
    world.apply(NAME, spec(3, true)).await?;
    let made = async || Ok(stage.creations("backups.backup.windlass.dev/prod-db-backup") > 0);
    world.until("the last child", made).await?;
    world.until_quiet().await?;
    let asked = |sent: &Sent| sent.method == Method::GET && sent.path.ends_with("/services/prod-db-primary");
    world.until("it to notice that its view is old", async || Ok(stage.wire.count(asked) > 0)).await?;

    // In its view the budget is its own. A user has replaced it since, and the resource does not want one any more.
    let budgets = world.api("policy", "v1", "PodDisruptionBudget");
    budgets.delete("prod-db-pdb", &DeleteParams::default()).await?;
    let foreign = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "prod-db-pdb", "namespace": "default"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"example.com/own": "yes"}}},
    });
    let uid = stage.create(foreign).await?.metadata.uid;
    let deletes = || stage.wire.count(|sent| sent.method == Method::DELETE && sent.path.ends_with("prod-db-pdb"));
    world.apply(NAME, spec(1, true)).await?;
    let scaled = async || Ok(stage.stateful_sets().get(NAME).await?.data["spec"]["replicas"] == 1);
    world.until("the StatefulSet to be scaled", scaled).await?;
    tokio::time::sleep(Duration::from_millis(600)).await;
    ensure!(stage.uid(&budgets, "prod-db-pdb").await? == uid, "it deleted an object that it does not own");
    ensure!(deletes() == 0, "it tried to");

    thaw(world, frozen);
    stage.settled(1).await?;
    ensure!(stage.uid(&budgets, "prod-db-pdb").await? == uid, "it deleted an object that it does not own");
    for child in ["secrets/prod-db-root", "configmaps/prod-db-config", "services/prod-db-primary"] {
        ensure!(stage.creations(child) == 1, "{child} was made {} times", stage.creations(child));
        ensure!(stage.deletions(child) == 0, "{child} was deleted");
    }
    ensure!(stage.creations("statefulsets.apps/prod-db") == 1, "the StatefulSet was made twice");
    // That the budget is not its own any more is the last thing that it learns.
    let forgotten = async || {
        let resource = world.mysqls().get(NAME).await?;
        Ok(!resource.annotations()["windlass.dev/inventory"].contains("prod-db-pdb"))
    };
    world.until("the budget to leave the inventory", forgotten).await?;
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_the_children_of_a_recreated_resource_survive_a_host_that_still_sees_the_deleted_one() -> Result<()> {
    let stage = Stage::ready(2, |_| {}).await?;
    let world = &stage.world;
    // As it looked while the first one was being deleted: mark set, children there.
    let hold = Patch::Merge(json!({"metadata": {"finalizers": ["windlass.dev/teardown", "example.com/hold"]}}));
    world.mysqls().patch(NAME, &PatchParams::default(), &hold).await?;
    world.until_quiet().await?;
    let Stage { world, host, .. } = stage;
    host.stop().await?;
    world.delete(NAME).await?;
    let old = Old::record(&world, &LISTS).await?;
    let before = world.server.store().version();

    // It goes, and comes back under the same name.
    let first = world.host().await?;
    world
        .until("the teardown", async || {
            let object = world.mysqls().get(NAME).await?;
            Ok(object.metadata.finalizers == Some(vec!["example.com/hold".into()]))
        })
        .await?;
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.mysqls().patch(NAME, &PatchParams::default(), &release).await?;
    world.until_gone(NAME).await?;
    world.apply(NAME, spec(2, true)).await?;
    world.until_ready(NAME, 2).await?;
    world.until_quiet().await?;
    first.stop().await?;
    let wanted = oracle::state(&world.server);
    world.server.store().reset_counts();

    // A host that lives in the past.
    world.faults().add(Rule::new(fixtures::stage::watches(), Effect::Freeze { after: before }));
    let (wire, writes) = (Wire::new(), world.count_host_writes());
    wire.rule(move |sent| old.answers(sent).map_or(Fate::Pass, Fate::Refuse));
    let second = world.host_over(wire.over(world.host_client()?), |config| config.deadlines.event = OVERDUE).await?;
    world
        .until("the second host to look", async || {
            Ok(metric(&second, "windlass_passes_total", "MySQL.database.example.com") >= 2)
        })
        .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lost: Vec<_> =
        oracle::creations_and_deletions(&world.server).into_iter().filter(|(_, (_, deleted))| *deleted > 0).collect();
    ensure!(lost.is_empty(), "it deleted what belongs to the new resource: {lost:?}\n{:?}", writes.list());
    let differences = oracle::differences(&wanted, &oracle::state(&world.server));
    ensure!(differences.is_empty(), "it changed what belongs to the new resource: {differences:?}");
    second.kill().await;
    world.stop().await;
    Ok(())
}

#[tokio::test]
async fn b3_nothing_is_done_before_the_cache_has_seen_our_own_writes_and_the_wait_is_told() -> Result<()> {
    let logs = Logs::warnings();
    let stage = Stage::ready(3, |config| config.deadlines.event = Duration::from_millis(900)).await?;
    let world = &stage.world;
    let frozen = freeze(world, &["statefulsets"]);
    world.apply(NAME, spec(4, true)).await?;
    let scaled = async || Ok(stage.stateful_sets().get(NAME).await?.data["spec"]["replicas"] == 4);
    world.until("the StatefulSet to be scaled", scaled).await?;
    let (before, skips) = (stage.writes.count(), stage.metric("windlass_stale_skips_total", "MySQL"));
    // The host wrote the StatefulSet and has not seen it. What the user wants now has to wait.
    world.apply(NAME, spec(5, true)).await?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let early = stage.writes.list().split_off(before);
    ensure!(early.iter().all(|write| !write.contains("statefulsets")), "it acted on an old view: {early:?}");
    ensure!(stage.metric("windlass_stale_skips_total", "MySQL") > skips, "the wait is not counted");
    ensure!(!logs.text().contains("waiting for cache"), "it is told too early");
    // After the bound it says so, and asks the server itself.
    let scaled = async || Ok(stage.stateful_sets().get(NAME).await?.data["spec"]["replicas"] == 5);
    world.until("the wait to end", scaled).await?;
    ensure!(logs.text().contains("waiting for cache"), "the wait is not told: {}", logs.text());
    thaw(world, frozen);
    stage.settled(5).await?;
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_server_that_is_behind_never_moves_the_view_backwards() -> Result<()> {
    let stage = Stage::ready(3, |_| {}).await?;
    let world = &stage.world;
    let old = Old::record(world, &LISTS).await?;
    world.apply(NAME, spec(5, false)).await?;
    stage.settled(5).await?;
    let before = stage.writes.count();
    // The connection moves to a replica of the API server that has not heard of it.
    stage.wire.rule(move |sent| old.answers(sent).map_or(Fate::Pass, Fate::Refuse));
    stage.wire.forget();
    for plural in ["mysqls", "services", "secrets", "configmaps", "statefulsets"] {
        world.faults().add(Rule::new(watches_of(plural), Effect::GoneEvent).times(1));
    }
    let listed = || ["mysqls", "statefulsets"].map(|plural| stage.wire.count(|sent| sent.lists(plural)));
    world.until("two old lists of each", async || Ok(listed().iter().all(|lists| *lists >= 2))).await?;
    // Somebody touches a child: the host looks, and must not see three servers.
    let touch = Patch::Merge(json!({"metadata": {"labels": {"example.com/touched": "yes"}}}));
    stage.stateful_sets().patch(NAME, &PatchParams::default(), &touch).await?;
    world.until_quiet().await?;
    let replicas = stage.stateful_sets().get(NAME).await?.data["spec"]["replicas"].clone();
    ensure!(replicas == 5, "it went back to {replicas} servers");
    // And it catches up as soon as the server does.
    stage.wire.clear();
    world.until("the lists to be taken", async || Ok(listed().iter().all(|lists| *lists >= 3))).await?;
    world.until_quiet().await?;
    let more = stage.writes.list().split_off(before);
    ensure!(more.is_empty(), "it wrote because of an old list: {more:?}");
    world.apply(NAME, spec(2, false)).await?;
    stage.settled(2).await?;
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_every_destructive_request_follows_a_live_read_and_names_uid_and_version() -> Result<()> {
    let stage = Stage::ready(2, |_| {}).await?;
    let world = &stage.world;
    stage.wire.forget();
    world.apply(NAME, spec(2, false)).await?;
    stage.settled(2).await?;
    world.delete(NAME).await?;
    world.until_gone(NAME).await?;
    world.until_quiet().await?;
    let sent = stage.wire.sent();
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().len();
    let deletes: Vec<(usize, &Sent)> =
        sent.iter().enumerate().filter(|(_, sent)| sent.method == Method::DELETE).collect();
    ensure!(deletes.len() >= 10, "the teardown took {} deletes", deletes.len());
    for (at, delete) in deletes {
        let (body, path) = (delete.json(), &delete.path);
        ensure!(text(&body, "/preconditions/uid") == 36, "no uid: DELETE {path} {body}");
        ensure!(text(&body, "/preconditions/resourceVersion") > 0, "no version: DELETE {path} {body}");
        let read = |path: &str| sent[..at].iter().rposition(|sent| sent.method == Method::GET && sent.path == path);
        ensure!(read(path).is_some(), "deleted without a look at the server: {path}");
        let resource = "/apis/database.example.com/v1/namespaces/default/mysqls/prod-db";
        ensure!(read(resource).is_some(), "deleted without a look at the resource: {path}");
    }
    for sent in sent.iter().filter(|sent| sent.method == Method::PATCH && !sent.path.contains("/events/")) {
        let (body, path) = (sent.json(), &sent.path);
        if sent.content_type.contains("merge-patch") {
            ensure!(text(&body, "/metadata/resourceVersion") > 0, "a merge without version: {path} {body}");
        }
        let guarded = text(&body, "/metadata/uid") == 36 || body["metadata"]["resourceVersion"] == "1";
        ensure!(guarded, "a patch that could hit another object: {path} {body}");
    }
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_children_that_are_seen_before_their_parent_are_taken_for_what_they_are() -> Result<()> {
    let stage = Stage::start().await?;
    let world = &stage.world;
    world.until("the kind to be served", async || Ok(world.mysqls().list(&Default::default()).await.is_ok())).await?;
    // A second host sees all children, and not what they belong to. It does not serve Backups, which the first one does.
    let mysql: Vec<_> = plugins().await?.into_iter().filter(|plugin| plugin.name == "mysql").collect();
    let late = world
        .host_over(world.host_client()?, |config| {
            config.loaded = mysql;
            config.user_agent = http::HeaderValue::from_static("late-windlass");
        })
        .await?;
    world.until("the second host to watch", async || Ok(late.metrics.encode().contains("cache_objects"))).await?;
    world.until_quiet().await?;
    let after = world.server.store().version();
    let rule = Rule::new(apiserver::faults::Match::verb("watch", "mysqls").from("late"), Effect::Freeze { after });
    let frozen = world.faults().add(rule);
    world.apply(NAME, spec(3, true)).await?;
    stage.settled(3).await?;
    let wanted = oracle::state(&world.server);
    world.server.store().reset_counts();
    let Stage { world, writes, host, wire } = stage;
    host.stop().await?;
    // A child goes while only the second host is there: an orphan in its eyes, and no business of its own.
    let services = world.api("", "v1", "Service");
    services.delete("prod-db-replica", &DeleteParams::default()).await?;
    world.until_quiet().await?;
    ensure!(services.get_opt("prod-db-replica").await?.is_none(), "who made it again?");
    world.faults().remove(frozen);
    world
        .until("the child to be there again", async || Ok(services.get_opt("prod-db-replica").await?.is_some()))
        .await?;
    world.until_ready(NAME, 3).await?;
    world.until_quiet().await?;
    let differences = oracle::differences(&wanted, &oracle::state(&world.server));
    ensure!(differences.is_empty(), "the end state differs: {differences:?}");
    let counts = oracle::creations_and_deletions(&world.server);
    let others: Vec<_> = counts.iter().filter(|(name, _)| !name.ends_with("prod-db-replica")).collect();
    ensure!(others.is_empty(), "more was made or deleted than the one child: {others:?}");
    let stage = Stage { world, writes, host: late, wire };
    stage.stays(NAME).await?;
    stage.end().await
}
