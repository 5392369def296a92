//! Each effect of the fault layer, once.

use crate::stage::{MAPS, Stage, config_map, kinds, one, version};
use apiserver::faults::{Effect, Match, Rule};
use serde_json::{Value, json};
use std::time::Duration;

fn creates(effect: Effect) -> Rule {
    Rule::new(Match::verb("create", "configmaps"), effect).times(1)
}

fn watches(effect: Effect) -> Rule {
    Rule::new(Match::verb("watch", "configmaps"), effect)
}

#[tokio::test]
async fn a_failure_before_the_write_stores_nothing_and_says_when_to_come_again() {
    let stage = Stage::start().await;
    let id = stage.server.faults().add(creates(Effect::FailBefore { status: 429, retry_after: Some(7) }));
    let reply = stage.try_send("POST", MAPS, "application/json", &config_map("a")).await.unwrap();
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(reply.json()["reason"], "TooManyRequests");
    assert_eq!(stage.get(&one("a")).await.0, 404);
    assert_eq!(stage.server.faults().fired(id), 1);
    stage.map("a").await;
    stage.server.stop().await;
}

#[tokio::test]
async fn a_failure_after_the_write_has_stored_it() {
    let stage = Stage::start().await;
    stage.server.faults().add(creates(Effect::FailAfter { status: 504 }));
    assert_eq!(stage.post(MAPS, config_map("a")).await.0, 504);
    assert_eq!(stage.get(&one("a")).await.0, 200);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_write() {
    let stage = Stage::start().await;
    for (effect, name, stored) in [(Effect::CutBefore, "a", 404), (Effect::CutAfter, "b", 200)] {
        stage.server.faults().add(creates(effect));
        assert!(stage.try_send("POST", MAPS, "application/json", &config_map(name)).await.is_err());
        assert_eq!(stage.get(&one(name)).await.0, stored);
    }
    stage.server.stop().await;
}

#[tokio::test]
async fn a_delayed_request_is_carried_out_later() {
    let stage = Stage::start().await;
    stage.server.faults().add(creates(Effect::Delay(Duration::from_millis(80))));
    let mut post = Box::pin(stage.post(MAPS, config_map("a")));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut post).await.is_err());
    assert_eq!(post.await.0, 201);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_hanging_request_is_never_carried_out() {
    let stage = Stage::start().await;
    stage.server.faults().add(creates(Effect::Hang));
    let post = stage.post(MAPS, config_map("a"));
    assert!(tokio::time::timeout(Duration::from_millis(100), post).await.is_err());
    assert_eq!(stage.get(&one("a")).await.0, 404);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_frozen_watch_sends_nothing_newer_until_the_rule_goes() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    let at: u64 = version(&a).parse().unwrap();
    let id = stage.server.faults().add(watches(Effect::Freeze { after: at }));
    stage.map("b").await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={}", at - 1);
    assert_eq!(kinds(&stage.watch(&path).await), [("ADDED", "a")]);
    stage.server.faults().remove(id);
    assert_eq!(kinds(&stage.watch(&path).await), [("ADDED", "a"), ("ADDED", "b")]);
    stage.server.stop().await;
}

#[tokio::test]
async fn events_of_a_watch_are_dropped_or_sent_twice() {
    let stage = Stage::start().await;
    let a = stage.map("a").await;
    stage.map("b").await;
    stage.map("c").await;
    let named = |name: &str, effect| Rule::new(Match { name: Some(name.to_owned()), ..Match::default() }, effect);
    stage.server.faults().add(named("b", Effect::DropEvents));
    stage.server.faults().add(named("c", Effect::DuplicateEvents));
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={}", version(&a));
    assert_eq!(kinds(&stage.watch(&path).await), [("ADDED", "c"), ("ADDED", "c")]);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_watch_is_cut_as_it_starts() {
    let stage = Stage::start().await;
    stage.map("a").await;
    stage.server.faults().add(watches(Effect::CutStream).times(1));
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0");
    let cut = stage.try_send("GET", &path, "application/json", &Value::Null).await;
    assert!(!cut.is_ok_and(|reply| !reply.lines().is_empty()));
    assert_eq!(kinds(&stage.watch(&path).await), [("ADDED", "a")]);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_watch_is_refused_as_gone_or_told_so_by_an_event() {
    let stage = Stage::start().await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1");
    stage.server.faults().add(watches(Effect::Gone).times(1));
    let (code, status) = stage.get(&path).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
    stage.server.faults().add(watches(Effect::GoneEvent).times(1));
    let events = stage.watch(&path).await;
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["object"]["code"]), (&json!("ERROR"), &json!(410)));
    stage.server.stop().await;
}

#[tokio::test]
async fn a_streaming_list_is_cut_before_its_end() {
    let stage = Stage::start().await;
    stage.map("a").await;
    stage.server.faults().add(watches(Effect::CutBeforeInitialEnd).times(1));
    let path = format!(
        "{MAPS}?watch=1&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    );
    let cut = stage.try_send("GET", &path, "application/json", &Value::Null).await;
    let marked = |events: &[Value]| events.iter().any(|e| e["type"] == "BOOKMARK");
    assert!(!cut.is_ok_and(|reply| marked(&reply.lines())));
    assert!(marked(&stage.watch(&path).await));
    stage.server.stop().await;
}

#[tokio::test]
async fn only_the_nth_match_of_a_rule_is_harmed_and_requests_are_counted() {
    let stage = Stage::start().await;
    let faults = stage.server.faults();
    faults.add(Rule::new(Match::writes(), Effect::FailBefore { status: 503, retry_after: None }).nth(2));
    let mut codes = Vec::new();
    for name in ["a", "b", "c"] {
        codes.push(stage.post(MAPS, config_map(name)).await.0);
    }
    assert_eq!(codes, [201, 503, 201]);
    assert_eq!(faults.count("create", "configmaps"), 3);
    faults.reset_requests();
    assert_eq!(faults.count("create", "configmaps"), 0);
    let id = faults.refuse_everything(503, None);
    assert_eq!(stage.get(MAPS).await.0, 503);
    faults.remove(id);
    assert_eq!(stage.get(MAPS).await.0, 200);
    stage.server.stop().await;
}
