//! C: events that do not come, come twice, or come to an end. The host ends where it would have ended without.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use apiserver::Options;
use apiserver::faults::{Effect, Match, Rule};
use fixtures::host::{self, USER_AGENT};
use fixtures::oracle;
use fixtures::proxy::Proxy;
use fixtures::stage::{NAME, Stage, leap, metric, spec, watches, watches_of};
use fixtures::wire::{Fate, Sent, Wire};
use fixtures::world::World;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// More objects than fit on one page of the host's lists.
const MORE_THAN_A_PAGE: usize = 510;

type Ended = (BTreeMap<String, Value>, BTreeMap<String, (u64, u64)>);

/// What a creation followed by a change of everything ends in, with rules that are added before it.
async fn lived(stage: &Stage, rules: &[Rule]) -> Result<Ended> {
    let world = &stage.world;
    world.until("the kind to be served", async || Ok(world.mysqls().list(&Default::default()).await.is_ok())).await?;
    world.until_quiet().await?;
    world.server.store().reset_counts();
    for rule in rules {
        world.faults().add(rule.clone());
    }
    world.apply(NAME, spec(2, true)).await?;
    stage.settled(2).await?;
    world.apply(NAME, spec(3, false)).await?;
    let done = async || {
        Ok(stage.backups().get_opt("prod-db-backup").await?.is_none()
            && stage.condition(NAME, "Reconciled").await?.reason == "AsDesired")
    };
    world.until_ready(NAME, 3).await?;
    world.until("the change to be carried out", done).await?;
    world.until_quiet().await?;
    Ok((oracle::state(&world.server), oracle::creations_and_deletions(&world.server)))
}

fn same(wanted: &Ended, found: &Ended) -> Result<()> {
    let differences = oracle::differences(&wanted.0, &found.0);
    ensure!(differences.is_empty(), "the end state differs:\n  {}", differences.join("\n  "));
    ensure!(wanted.1 == found.1, "creations and deletions differ:\n{:?}\n{:?}", wanted.1, found.1);
    Ok(())
}

async fn reference() -> Result<Ended> {
    let stage = Stage::start().await?;
    let ended = lived(&stage, &[]).await?;
    stage.end().await?;
    Ok(ended)
}

/// As many objects as make a list of ConfigMaps longer than a page.
async fn fill_pages(world: &World) -> Result<()> {
    let make = |number: usize| async move {
        let name = format!("filler-{number:04}");
        let object = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
        }))?;
        let api = world.api("", "v1", "ConfigMap");
        api.create(&Default::default(), &object).await.context("no filler").map(drop)
    };
    for batch in (0..MORE_THAN_A_PAGE).collect::<Vec<_>>().chunks(64) {
        futures::future::try_join_all(batch.iter().map(|number| make(*number))).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_dropped_event_is_made_up_for_within_the_resync_period() -> Result<()> {
    let wanted = reference().await?;
    let resync = Duration::from_millis(1500);
    // One at a time: an edit of the resource, and events of children at several places of the run.
    let dropped = [("mysqls", 1), ("mysqls", 4), ("statefulsets", 1), ("statefulsets", 3), ("services", 2)]
        .into_iter()
        .chain([("secrets", 6), ("configmaps", 1), ("backups", 1), ("poddisruptionbudgets", 1)]);
    let run = |plural: &'static str, nth: u64| {
        let wanted = &wanted;
        async move {
            let stage = Stage::with(|config| {
                config.resync = resync;
                config.deadlines.event = Duration::from_millis(500);
            })
            .await?;
            let rule = Rule::new(watches_of(plural), Effect::DropEvents).nth(nth);
            let found = lived(&stage, &[rule]).await?;
            same(wanted, &found)?;
            stage.stays(NAME).await?;
            stage.end().await
        }
    };
    for pair in dropped.collect::<Vec<_>>().chunks(3) {
        let runs = pair.iter().map(|(plural, nth)| async move {
            run(plural, *nth).await.with_context(|| format!("without event {nth} of {plural}"))
        });
        futures::future::try_join_all(runs).await?;
    }
    // An edit that nobody hears of, while nothing else happens: the list alone can tell.
    let stage = Stage::ready(3, |config| config.resync = resync).await?;
    let rule = stage.world.faults().add(Rule::new(watches_of("mysqls"), Effect::DropEvents).times(1));
    let began = tokio::time::Instant::now();
    stage.world.apply(NAME, spec(4, true)).await?;
    stage.world.until_ready(NAME, 4).await?;
    ensure!(stage.world.faults().fired(rule) == 1, "no event was dropped");
    ensure!(began.elapsed() < resync * 3, "it took {:?}", began.elapsed());
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_events_that_come_twice_cause_no_other_writes() -> Result<()> {
    let wanted = reference().await?;
    let stage = Stage::start().await?;
    let found = lived(&stage, &[Rule::new(watches(), Effect::DuplicateEvents)]).await?;
    same(&wanted, &found)?;
    // Every child was written as often as it had to be: once to make it, the StatefulSet and budget once more to grow.
    for child in ["secrets", "configmaps prod-db-config", "services prod-db-primary", "services prod-db-replica"] {
        let writes = stage.writes.list();
        let times = writes.iter().filter(|write| write.contains(child)).count();
        // The host's own key takes two attempts: its namespace is not there yet.
        let most = if child == "secrets" { 8 } else { 1 };
        ensure!(times <= most, "{child} was written {times} times");
    }
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_a_value_that_was_never_seen_leaves_nothing_behind() -> Result<()> {
    let scaled = |replicas: i64, backup: bool| {
        let mut spec = spec(replicas, backup);
        spec["storage"] = json!({"whenScaled": "Delete"});
        spec
    };
    let run = async |coalesced: bool| -> Result<Ended> {
        let stage = Stage::with(|config| config.resync = Duration::from_secs(2)).await?;
        let world = &stage.world;
        world.apply(NAME, scaled(3, true)).await?;
        stage.settled(3).await?;
        if coalesced {
            let rule = world.faults().add(Rule::new(watches_of("mysqls"), Effect::DropEvents).times(1));
            world.apply(NAME, scaled(2, false)).await?;
            world.until("the event to be dropped", async || Ok(world.faults().fired(rule) == 1)).await?;
        } else {
            world.apply(NAME, scaled(2, false)).await?;
            stage.settled(2).await?;
        }
        world.apply(NAME, scaled(1, false)).await?;
        stage.settled(1).await?;
        let claims = world.api("", "v1", "PersistentVolumeClaim");
        world.until("the volumes to be gone", async || Ok(claims.get_opt("data-prod-db-1").await?.is_none())).await?;
        world.until_quiet().await?;
        let ended = (oracle::state(&world.server), BTreeMap::new());
        stage.stays(NAME).await?;
        stage.end().await?;
        Ok(ended)
    };
    let (wanted, found) = (run(false).await?, run(true).await?);
    ensure!(!found.0.keys().any(|name| name.contains("/prod-db-pdb") || name.starts_with("backups.")), "a leak");
    same(&wanted, &found)
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_each_410_lists_once_and_leaves_no_gap_in_the_view() -> Result<()> {
    let world = World::start().await?;
    fill_pages(&world).await?;
    let stage = Stage::on(world, |_| {}).await?;
    let world = &stage.world;
    world.apply(NAME, spec(2, true)).await?;
    stage.settled(2).await?;
    let lists =
        |plural: &'static str| stage.wire.count(move |sent| sent.lists(plural) && !sent.query.contains("continue"));
    let writes = stage.writes.count();

    // As the answer to the watch, and as an event in it.
    for effect in [Effect::Gone, Effect::GoneEvent] {
        let before = lists("mysqls");
        world.faults().add(Rule::new(watches_of("mysqls"), effect.clone()).times(1));
        world.faults().add(Rule::new(watches_of("mysqls"), Effect::CutStream).times(1));
        world.until("another list", async || Ok(lists("mysqls") > before)).await?;
        world.until_quiet().await?;
        ensure!(lists("mysqls") == before + 1, "{effect:?} was answered by {} lists", lists("mysqls") - before);
    }

    // While a list is being read, page after page.
    world.faults().expire_continue_tokens(true);
    let (before, began) = (lists("configmaps"), tokio::time::Instant::now());
    world.faults().add(Rule::new(watches_of("configmaps"), Effect::GoneEvent).times(1));
    world.until("a list that breaks off twice", async || Ok(lists("configmaps") >= before + 3)).await?;
    ensure!(began.elapsed() > Duration::from_millis(300), "it lists again without a pause");
    world.faults().expire_continue_tokens(false);
    let pages = stage.wire.count(|sent| sent.lists("configmaps") && sent.query.contains("continue"));
    world
        .until("a whole list", async || {
            Ok(stage.wire.count(|sent| sent.lists("configmaps") && sent.query.contains("continue")) > pages)
        })
        .await?;
    world.until_quiet().await?;
    let more = stage.writes.list().split_off(writes);
    ensure!(more.is_empty(), "the view had a gap: {more:?}");
    // The views live.
    world.api("", "v1", "ConfigMap").delete("prod-db-config", &DeleteParams::default()).await?;
    world
        .until("the child to be there again", async || {
            Ok(world.api("", "v1", "ConfigMap").get_opt("prod-db-config").await?.is_some())
        })
        .await?;
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_first_list_that_breaks_off_leaves_no_ghost_and_nothing_missing() -> Result<()> {
    let world = World::start().await?;
    fill_pages(&world).await?;
    let stage = Stage::on(world, |_| {}).await?;
    stage.world.apply(NAME, spec(2, true)).await?;
    stage.settled(2).await?;
    let Stage { world, host, wire, writes } = stage;
    host.stop().await?;
    world.server.store().reset_counts();
    wire.forget();
    // The next host gets the first page of ConfigMaps and then nothing, twice; and no list of StatefulSets at first.
    let cut = |list: &Sent| list.lists("configmaps") && list.query.contains("continue");
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    wire.rule(move |sent| {
        if cut(sent) && !gate.load(Ordering::SeqCst) {
            return Fate::Edit(Box::new(|mut page| {
                page.truncate(page.len() / 2);
                page
            }));
        }
        Fate::Pass
    });
    world.faults().add(Rule::new(Match::verb("list", "statefulsets").from(USER_AGENT), Effect::CutAfter).times(2));
    let before = writes.count();
    let host = world.host_over(wire.over(world.host_client()?), |_| {}).await?;
    let stage = Stage { world, wire, writes, host };
    let world = &stage.world;
    world.until("a list that broke off", async || Ok(stage.wire.count(cut) >= 1)).await?;
    // It was on the first page; the host must not remember it.
    world.api("", "v1", "ConfigMap").delete("filler-0001", &DeleteParams::default()).await?;
    world.until("another one", async || Ok(stage.wire.count(cut) >= 2)).await?;
    ensure!(stage.passes() == 0 || stage.writes.count() == before, "it acted on half a view");
    open.store(true, Ordering::SeqCst);
    world.until("a pass", async || Ok(stage.metric("windlass_passes_total", "\"done\"") > 0)).await?;
    world.until_quiet().await?;
    let more = stage.writes.list().split_off(before);
    ensure!(more.is_empty(), "a host that starts with broken lists writes: {more:?}");
    let all = (MORE_THAN_A_PAGE - 1 + 3) as u64;
    let counted = async || Ok(stage.metric("windlass_cache_objects", "kind=\"ConfigMap\"") == live(world).await?);
    world
        .until("the cache to have what is there, and no ghost", counted)
        .await
        .with_context(|| format!("{} of about {all}", stage.metric("windlass_cache_objects", "kind=\"ConfigMap\"")))?;
    ensure!(
        stage.wire.count(|sent| sent.query.contains("sendInitialEvents")) == 0,
        "streamed lists have a test of their own to pass first"
    );
    stage.stays(NAME).await?;
    stage.end().await
}

async fn live(world: &World) -> Result<u64> {
    let all: kube::Api<k8s_openapi::api::core::v1::ConfigMap> = kube::Api::all(world.client.clone());
    Ok(all.list(&Default::default()).await?.items.len() as u64)
}

#[tokio::test]
async fn c6_a_silent_peer_is_noticed_before_240_seconds() -> Result<()> {
    let world = World::start().await?;
    let proxy = Proxy::start(&world.server.url()).await?;
    let wire = Wire::new();
    let client = host::connect(kube::Config::new(proxy.url().parse()?))?;
    let host = world.host_over(wire.over(client), |_| {}).await?;
    world.apply(NAME, spec(2, true)).await?;
    world.until_ready(NAME, 2).await?;
    world.until_quiet().await?;
    // Watches are open, and nothing comes through any more. The user goes on.
    proxy.silence();
    let (opened, watches) = (proxy.opened(), wire.count(|sent| sent.watches("mysqls")));
    world.apply(NAME, spec(3, true)).await?;
    world.until_quiet().await?;
    let replicas = async || {
        let set = world.api("apps", "v1", "StatefulSet").get(NAME).await?;
        anyhow::Ok(set.data["spec"]["replicas"].clone())
    };
    ensure!(replicas().await? == 2, "the silence was heard");
    let (mut passed, step) = (Duration::ZERO, Duration::from_secs(5));
    while wire.count(|sent| sent.watches("mysqls")) == watches {
        ensure!(passed < Duration::from_secs(240), "unnoticed after {passed:?}");
        leap(step).await;
        passed += step;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    // Idle connections of the client's pool age by another clock, so that the next request may go into a dead one too.
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while replicas().await? == 2 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    if replicas().await? == 2 {
        leap(Duration::from_secs(31)).await;
    }
    let grown = async || Ok(replicas().await? == 3);
    world.until("the change to be carried out", grown).await?;
    ensure!(proxy.opened() > opened, "the host used a dead connection");
    world.until_ready(NAME, 3).await?;

    // A request that is never answered: given up after its deadline.
    let hang = Rule::new(Match::verb("patch", "statefulsets").from(USER_AGENT), Effect::Hang).times(1);
    let rule = world.faults().add(hang);
    world.apply(NAME, spec(4, true)).await?;
    world.until("the request that hangs", async || Ok(world.faults().fired(rule) == 1)).await?;
    leap(Duration::from_secs(31)).await;
    world.until_ready(NAME, 4).await?;
    host.kill().await;
    world.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_bookmarks_alone_move_a_watch_on_and_a_watch_without_them_resumes() -> Result<()> {
    for (interval, bookmarks) in [(Duration::from_millis(40), true), (Duration::from_secs(3600), false)] {
        let options = Options { bookmark_interval: interval, ..Options::default() };
        let stage = Stage::on(World::with(options).await?, |_| {}).await?;
        let world = &stage.world;
        world.apply(NAME, spec(2, true)).await?;
        stage.settled(2).await?;
        let lists = || stage.wire.count(|sent| sent.lists("services"));
        let (before, writes) = (lists(), stage.writes.count());
        // The world moves on, and no Service does.
        for round in 0..20 {
            stage
                .create(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("other-{round}"), "namespace": "default"}}))
                .await?;
        }
        let now = world.server.store().version();
        if bookmarks {
            tokio::time::sleep(interval * 4).await;
            // All history is forgotten: only who has moved on may come back.
            world.server.store().compact(Some(now));
        }
        stage.wire.forget();
        world.faults().add(Rule::new(watches_of("services"), Effect::CutStream).times(1));
        let again = async || Ok(stage.wire.count(|sent| sent.watches("services")) >= 1);
        world.until("the watch to be opened again", again).await?;
        let opened = stage.wire.sent().into_iter().find(|sent| sent.watches("services")).context("no watch")?;
        let from = opened.query.rsplit_once("resourceVersion=").and_then(|(_, version)| version.parse::<u64>().ok());
        let from = from.with_context(|| format!("no version: {}", opened.query))?;
        ensure!(!bookmarks || from >= now, "the watch resumes at {from}, and bookmarks have told {now}");
        world.until_quiet().await?;
        ensure!(lists() <= before && stage.wire.count(|sent| sent.lists("services")) == 0, "it lists everything again");
        ensure!(stage.writes.count() == writes, "{:?}", stage.writes.list().split_off(writes));
        stage.services().delete("prod-db-replica", &DeleteParams::default()).await?;
        let again = async || Ok(stage.services().get_opt("prod-db-replica").await?.is_some());
        world.until("the watch to tell of a deletion", again).await?;
        stage.end().await?;
    }
    Ok(())
}

/// Objects that are none.
fn nonsense() -> Vec<Value> {
    let deep = (0..400).fold(json!(1), |inner, _| json!([inner]));
    vec![
        json!({"apiVersion": "database.example.com/v1", "kind": "MySQL", "metadata": null, "spec": {}}),
        json!({"apiVersion": "database.example.com/v1", "kind": "MySQL"}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "prod-db", "namespace": "default", "uid": "x",
            "resourceVersion": "1"}}),
        json!({"apiVersion": "database.example.com/v1", "kind": "MySQL", "metadata": {"name": 7, "uid": [],
            "resourceVersion": {}}, "spec": deep}),
        json!("text"),
        json!(null),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_what_cannot_be_read_does_not_stand_in_the_way_of_the_rest() -> Result<()> {
    let stage = Stage::start().await?;
    let world = &stage.world;
    for plural in ["mysqls", "services", "statefulsets"] {
        stage.wire.rule(move |sent| {
            if sent.lists(plural) {
                return Fate::Edit(Box::new(|page| {
                    let Ok(mut list) = serde_json::from_slice::<Value>(&page) else { return page };
                    if let Some(items) = list["items"].as_array_mut() {
                        items.splice(0..0, nonsense());
                    }
                    list.to_string().into_bytes()
                }));
            }
            if sent.watches(plural) {
                let lines = nonsense().into_iter().flat_map(|object| {
                    ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "SURPRISE"]
                        .map(|kind| format!("{}\n", json!({"type": kind, "object": object})))
                });
                return Fate::Before(lines.collect::<String>().into_bytes());
            }
            Fate::Pass
        });
    }
    world.apply(NAME, spec(2, true)).await?;
    stage.settled(2).await?;
    for kind in ["MySQL.database.example.com", "Service", "StatefulSet.apps"] {
        let passed_over = stage.metric("windlass_unreadable_objects_total", &format!("\"{kind}\""));
        ensure!(passed_over >= 6, "{passed_over} objects of {kind} were told to be unreadable");
    }
    world.apply(NAME, spec(3, false)).await?;
    stage.settled(3).await?;
    stage.services().delete("prod-db-replica", &DeleteParams::default()).await?;
    let again = async || Ok(stage.services().get_opt("prod-db-replica").await?.is_some());
    world.until("the child to be there again", again).await?;
    stage.stays(NAME).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_what_was_deleted_while_no_host_was_there_is_cleaned_up_at_its_start() -> Result<()> {
    let reference = {
        let stage = Stage::ready(2, |_| {}).await?;
        stage.world.delete(NAME).await?;
        stage.world.until_gone(NAME).await?;
        stage.world.until_quiet().await?;
        let state = oracle::state(&stage.world.server);
        stage.end().await?;
        state
    };
    // The usual way: the finalizer holds the resource until a host is there.
    let stage = Stage::ready(2, |_| {}).await?;
    let Stage { world, host, .. } = stage;
    host.stop().await?;
    world.delete(NAME).await?;
    world.until_quiet().await?;
    ensure!(world.mysqls().get_opt(NAME).await?.is_some(), "the finalizer holds nothing");
    let host = world.host().await?;
    world.until_gone(NAME).await?;
    world.until_quiet().await?;
    let differences = oracle::differences(&reference, &oracle::state(&world.server));
    ensure!(differences.is_empty(), "{differences:?}");
    host.stop().await?;
    world.stop().await;

    // The other way: somebody took the finalizer off. What the resource owned goes by its owner references, what is no
    // longer wanted goes with the next host.
    let stage = Stage::ready(2, |_| {}).await?;
    let Stage { world, host, .. } = stage;
    host.stop().await?;
    let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.mysqls().patch(NAME, &PatchParams::default(), &strip).await?;
    world.delete(NAME).await?;
    world.until_gone(NAME).await?;
    let host = world.host().await?;
    let gone = async || Ok(oracle::differences(&reference, &oracle::state(&world.server)).is_empty());
    world
        .until("the orphans to be gone", gone)
        .await
        .with_context(|| format!("{:?}", oracle::differences(&reference, &oracle::state(&world.server))))?;
    host.stop().await?;

    // A child that is not wanted any more since.
    let host = world.host().await?;
    world.apply(NAME, spec(2, true)).await?;
    world.until_ready(NAME, 2).await?;
    world.until_quiet().await?;
    host.stop().await?;
    world.apply(NAME, spec(2, false)).await?;
    let host = world.host().await?;
    let backups = world.api("backup.windlass.dev", "v1alpha1", "Backup");
    world.until("the Backup to be gone", async || Ok(backups.get_opt("prod-db-backup").await?.is_none())).await?;
    ensure!(metric(&host, "windlass_passes_total", "MySQL") > 0, "nobody looked");
    host.stop().await?;
    world.stop().await;
    Ok(())
}
