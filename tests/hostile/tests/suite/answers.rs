//! Answers of well-behaved plugins arrive as they were given; texts are made fit to be shown (G11); costs are exact.

use guests::Guest;
use hostile::{Lines, engine, engine_with, limits, snapshot};
use model::{
    Body, Fault, FieldError, Kind, Observation, ObservedItem, Truth,
    decision::{ReadyWhen, RemovalPolicy, Replication, UpdatePolicy},
    description::RelatedQuery,
};
use serde_json::json;
use std::sync::Arc;
use windlass::decide::{Compiler, LogLevel, Plugin};

async fn load(guest: Guest) -> Plugin {
    engine().load("plugin", guest.build().unwrap(), limits()).await.unwrap()
}

#[tokio::test]
async fn a_decision_arrives_as_it_was_given() {
    let key = |name: &str| json!({"secret": name, "key": "password"});
    let answer = json!({"ok": {
        "items": [
            {"id": "config", "update": "create-once", "removal": "keep", "body": {"kubernetes": {"kind": "ConfigMap"}}},
            {"id": "secret", "body": {"secret": {
                "name": "root", "secret-type": "Opaque", "generation": 3,
                "plain": [{"key": "user", "value": "root"}],
                "random": [{"key": "password", "length": 24, "rules": "azure-sql"}],
            }}},
            {"id": "server/0", "after": ["config", "secret"], "ready-when": "exists", "body": {"mysql": {
                "host": "db-0", "port": 3306, "admin-port": 33062, "user": key("root"), "password": key("root"),
                "tls": {"mode": "verified", "ca": key("ca")}, "writable": true,
                "replication": {"source": {"host": "db-1", "port": 3306, "user": key("r"), "password": key("r"), "tls": {}}},
                "acks": 1, "expect": [{"server-uuid": "u"}, "detached"],
            }}},
        ],
        "status": {"ready": 3},
        "conditions": [{"type": "Ready", "status": "unknown", "reason": "Waiting", "message": "for a server"}],
        "events": [{"warning": true, "reason": "Slow", "message": "a server is slow"}],
        "wake": 1_700_000_060_000_u64,
    }});
    let plugin = load(Guest::answering(answer)).await;
    let decided = plugin.decide(&snapshot("{}")).await.unwrap();
    let decision = decided.outcome.unwrap();
    let [config, secret, server] = &decision.items[..] else { panic!("{:?}", decision.items) };
    assert_eq!(config.body, Body::Kubernetes(json!({"kind": "ConfigMap"})));
    assert_eq!((config.update, config.removal), (UpdatePolicy::CreateOnce, RemovalPolicy::Keep));
    let Body::Secret(generated) = &secret.body else { panic!("{secret:?}") };
    assert_eq!((generated.random[0].length, generated.generation), (24, 3));
    assert_eq!(generated.plain, [("user".to_owned(), "root".to_owned())]);
    assert_eq!(
        (&server.after[..], server.ready_when),
        (&["config".to_owned(), "secret".into()][..], ReadyWhen::Exists)
    );
    let Body::Mysql(mysql) = &server.body else { panic!("{server:?}") };
    assert_eq!((mysql.admin_port, mysql.acks, mysql.expect.len()), (Some(33_062), Some(1), 2));
    assert!(matches!(&mysql.replication, Replication::Source(source) if source.host == "db-1"));
    assert_eq!(decision.status, json!({"ready": 3}));
    assert_eq!(decision.conditions[0].status, Truth::Unknown);
    assert!(decision.events[0].warning);
    assert_eq!(decision.wake, Some(1_700_000_060_000));
}

#[tokio::test]
async fn every_fault_arrives_as_it_was_given() {
    let query = json!({"name": "nodes", "kind": {"version": "v1", "kind": "Node"}, "label-selector": "a=b"});
    let expected = RelatedQuery {
        name: "nodes".into(),
        kind: Kind::new("", "v1", "Node"),
        namespace: None,
        label_selector: Some("a=b".into()),
        names: vec![],
    };
    let errors = vec![FieldError { path: "spec.size".into(), message: "too small".into() }];
    let cases = [
        (json!({"invalid": [{"path": "spec.size", "message": "too small"}]}), Fault::Invalid(errors.clone())),
        (json!({"retry": "later"}), Fault::Retry("later".into())),
        (json!({"needs": [query]}), Fault::Needs(vec![expected])),
        (json!({"broken": "by itself"}), Fault::Broken("by itself".into())),
    ];
    for (fault, expected) in cases {
        let plugin = load(Guest::answering(json!({"err": fault}))).await;
        assert_eq!(plugin.decide(&snapshot("{}")).await.unwrap().outcome, Err(expected));
    }
    let judging = load(Guest::idle().judging(json!({"err": [{"path": "spec.size", "message": "too small"}]}))).await;
    assert_eq!(judging.validate(Some("{}"), "{}").await.unwrap(), Err(errors.clone()));
    assert_eq!(judging.validate_settings("{}").await.unwrap(), Err(errors));
    assert_eq!(load(Guest::idle()).await.validate(None, "{}").await.unwrap(), Ok(()));
}

#[tokio::test]
async fn texts_of_a_plugin_are_cut_and_cannot_act_on_a_terminal() {
    let nasty = format!("\u{1b}[2J\u{202e}{}", "x".repeat(10_000));
    let answer = json!({"ok": {
        "status": "{}",
        "conditions": [{"type": nasty, "reason": nasty, "message": nasty}],
        "events": [{"reason": nasty, "message": nasty}],
    }});
    let decision = load(Guest::answering(answer)).await.decide(&snapshot("{}")).await.unwrap().outcome.unwrap();
    let condition = &decision.conditions[0];
    let event = &decision.events[0];
    for text in [&condition.type_, &condition.reason, &condition.message, &event.reason, &event.message] {
        assert!(text.starts_with("\\u{1b}[2J\\u{202e}xxx") && text.len() <= 1_024 + 3, "{text}");
    }
    let fault = load(Guest::answering(json!({"err": {"broken": nasty}}))).await.decide(&snapshot("{}")).await.unwrap();
    assert!(
        matches!(fault.outcome, Err(Fault::Broken(text)) if text.len() <= 1_024 + 3 && text.starts_with("\\u{1b}"))
    );
}

#[tokio::test]
async fn log_lines_reach_the_host_with_the_plugins_name_and_without_control_characters() {
    let lines = Arc::new(Lines::default());
    let engine = engine_with(Compiler::InProcess, lines.clone());
    let text = "one\\0atwo\\1b";
    let guest = Guest::idle()
        .with(&format!("(data (i32.const 16) \"{text}\")"))
        .doing("(call $log (i32.const 2) (i32.const 16) (i32.const 8))");
    let plugin = engine.load("talker", guest.build().unwrap(), limits()).await.unwrap();
    let cost = plugin.decide(&snapshot("{}")).await.unwrap().cost;
    assert_eq!(cost.log_bytes, 8);
    assert_eq!(lines.all(), [("talker".to_owned(), LogLevel::Warn, "one\\ntwo\\u{1b}".to_owned())]);
}

#[tokio::test]
async fn the_same_call_costs_the_same_fuel_every_time() {
    let plugin = load(Guest::idle().doing(
        "(loop $again (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))",
    ))
    .await;
    let first = plugin.decide(&snapshot("{}")).await.unwrap().cost;
    assert!(first.fuel > 1_000 && first.fuel < 20_000, "{first:?}");
    for _ in 0..20 {
        assert_eq!(plugin.decide(&snapshot("{}")).await.unwrap().cost.fuel, first.fuel);
    }
}

#[tokio::test]
async fn a_snapshot_arrives_in_the_plugin() {
    // The plugin traps unless it is shown two items and the time.
    let plugin = load(Guest::idle().doing(
        "(if (i32.ne (local.get $items_length) (i32.const 2)) (then unreachable))
         (if (i64.ne (local.get $now) (i64.const 1700000000000)) (then unreachable))
         (if (i32.ne (local.get $settings_length) (i32.const 7)) (then unreachable))",
    ))
    .await;
    let item = |id: &str, state: Observation| ObservedItem {
        id: id.into(),
        state,
        ready: true,
        ready_since: 0,
        last_error: None,
        deleting: false,
    };
    let mut shown = snapshot("{}");
    shown.settings = "{\"a\":1}".into();
    shown.items = vec![item("a", Observation::Absent), item("b", Observation::Kubernetes("{}".into()))];
    assert!(plugin.decide(&shown).await.unwrap().outcome.is_ok());
    shown.items.pop();
    assert!(plugin.decide(&shown).await.is_err());
}
