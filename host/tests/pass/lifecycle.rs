//! Creation, quiet, restart, change, pause.

use crate::{items::*, world::*};
use model::{Decision, Fault};
use serde_json::json;
use std::sync::atomic::Ordering;
use windlass::driver::Next;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_with_six_children_converges_with_at_most_eight_writes() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 6})).await;
    world.settle("a").await;
    let writes = world.writes();
    assert!(writes.len() <= 8, "{writes:#?}");
    for n in 0..6 {
        assert!(world.get(&config_path(&format!("a-{n}"))).await.is_some());
    }
    assert_eq!(world.reconciled("a").await.0, "True");
    let widget = world.widget("a").await.unwrap();
    assert_eq!(widget["status"]["observedGeneration"], widget["metadata"]["generation"]);
    assert_eq!(world.events().await, [], "that children are made is no news");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_resource_causes_no_write_and_no_plugin_call() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 3})).await;
    world.settle("a").await;
    world.reset();
    let calls = world.host.plugin.calls.load(Ordering::Relaxed);
    for _ in 0..5 {
        assert_eq!(world.settle("a").await, Next::Done { wake: None });
    }
    assert_eq!(world.writes(), [""; 0]);
    assert_eq!(world.host.plugin.calls.load(Ordering::Relaxed), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_resource_keeps_neither_its_decision_nor_an_old_document() {
    let world = World::start(counted).await;
    let uid = world.create_widget("a", json!({"count": 3})).await["metadata"]["uid"].as_str().unwrap().to_owned();
    world.settle("a").await;
    let cached = world.host.context.cache.get(&key("a")).unwrap();
    let memory = world.host.context.memories.take(&key("a"), &uid);
    assert!(memory.decided.is_none());
    let (_, _, document) = memory.accepted.unwrap();
    assert!(std::sync::Arc::ptr_eq(&document, &cached.json), "the cache's document is held twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_nothing_changed_writes_nothing() {
    let mut world = World::start(counted).await;
    world.create_widget("a", json!({"count": 6})).await;
    world.settle("a").await;
    world.restart().await;
    world.settle("a").await;
    assert_eq!(world.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_longer_desired_is_deleted_and_what_is_new_is_made() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 3})).await;
    world.settle("a").await;
    world.patch(&widget_path("a"), json!({"spec": {"count": 2}})).await;
    world.settle("a").await;
    assert!(world.get(&config_path("a-2")).await.is_none());
    world.patch(&widget_path("a"), json!({"spec": {"count": 4}})).await;
    world.settle("a").await;
    assert!(world.get(&config_path("a-3")).await.is_some());
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_paused_resource_gets_no_side_effects() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    let pause = json!({"metadata": {"annotations": {"windlass.dev/paused": "true"}}, "spec": {"count": 5}});
    world.patch(&widget_path("a"), pause).await;
    world.reset();
    world.settle("a").await;
    assert_eq!(world.writes(), ["PATCH /apis/test.dev/v1/namespaces/default/widgets/a/status"]);
    assert_eq!(world.reconciled("a").await.1, "Paused");
    assert!(world.get(&config_path("a-4")).await.is_none());
    world.patch(&widget_path("a"), json!({"metadata": {"annotations": {"windlass.dev/paused": null}}})).await;
    world.settle("a").await;
    assert!(world.get(&config_path("a-4")).await.is_some());
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stores_another_status_than_it_was_sent_costs_one_write() {
    let world = World::start(counted).await;
    let level = json!({"type": "string", "default": "filled in by the server"});
    let schema =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"level": level}});
    world.change_schema("status", schema).await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    assert_eq!(world.widget("a").await.unwrap()["status"]["level"], "filled in by the server");
    world.reset();
    world.patch(&widget_path("a"), json!({"metadata": {"labels": {"looked-at": "again"}}})).await;
    world.settle("a").await;
    assert_eq!(world.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_made_in_the_order_of_their_dependencies() {
    let world = World::start(|snapshot| {
        let mut decision = counted(snapshot)?;
        for n in 1..decision.items.len() {
            decision.items[n].after = vec![decision.items[n - 1].id.clone()];
        }
        decision.items.reverse();
        Ok(decision)
    })
    .await;
    world.create_widget("a", json!({"count": 4})).await;
    world.settle("a").await;
    let made: Vec<_> = world.writes().into_iter().filter(|write| write.contains("configmaps")).collect();
    let expected: Vec<_> = (0..4).map(|n| format!("PATCH {}", config_path(&format!("a-{n}")))).collect();
    assert_eq!(made, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_resource_is_told_once_and_left_alone() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 1, "wrong": true})).await;
    world.settle("a").await;
    let (status, reason, message) = world.reconciled("a").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Invalid"));
    assert_eq!(message, "spec.wrong: must not be true; correct the resource");
    assert!(world.get(&config_path("a-0")).await.is_none());
    assert_eq!(world.writes().len(), 1);
    world.patch(&widget_path("a"), json!({"spec": {"wrong": null}})).await;
    world.settle("a").await;
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_changes_and_deletes_nothing() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    world.decides(|_| Err(Fault::Broken("lost my way".into())));
    world.patch(&widget_path("a"), json!({"spec": {"count": 1}})).await;
    world.settle("a").await;
    assert!(world.get(&config_path("a-1")).await.is_some());
    assert_eq!(world.reconciled("a").await.1, "PluginBroken");
    assert!(world.reconciled("a").await.2.ends_with("lost my way"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_sees_what_it_needs_and_only_then_decides() {
    let query = model::description::RelatedQuery {
        name: "extra".into(),
        kind: model::Kind::new("", "v1", "ConfigMap"),
        namespace: None,
        label_selector: None,
        names: vec!["extra".into()],
    };
    let world = World::start(move |snapshot| match snapshot.related.iter().find(|answer| answer.name == "extra") {
        None => Err(Fault::Needs(vec![query.clone()])),
        Some(answer) => {
            let status = json!({"complete": answer.complete, "found": answer.objects.len()});
            Ok(Decision { status, ..Decision::default() })
        }
    })
    .await;
    let extra = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}});
    request(&world.user, "POST", "/api/v1/namespaces/default/configmaps", Some(extra)).await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    let status = world.widget("a").await.unwrap()["status"].clone();
    assert_eq!((&status["complete"], &status["found"]), (&json!(true), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_plugin_that_answers_differently_each_time_is_stopped() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let world = World::start(move |_| {
        let value = count.fetch_add(1, Ordering::Relaxed).to_string();
        Ok(Decision { items: vec![config("flaps", &value)], ..Decision::default() })
    })
    .await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    let (_, reason, message) = world.reconciled("a").await;
    assert_eq!(reason, "PluginNondeterministic");
    assert!(message.contains("items[0].body.Kubernetes.data.value"), "{message}");
    assert!(world.get(&config_path("flaps")).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_plugin_that_writes_the_time_into_its_items_is_stopped() {
    let world = World::start(|snapshot| {
        let item = config("flaps", &snapshot.now.to_string());
        Ok(Decision { items: vec![item], wake: Some(snapshot.now + 1), ..Decision::default() })
    })
    .await;
    world.create_widget("a", json!({})).await;
    for pass in 0..100 {
        world.host.clock.set(1_700_000_000_000 + pass * 1000);
        if world.settle("a").await != (Next::Done { wake: None }) && world.reconciled("a").await.1 == "DecisionFlapping"
        {
            assert!(pass > 5, "progress is not flapping");
            let message = world.reconciled("a").await.2;
            assert!(message.contains("item flaps, field data.value"), "{message}");
            return;
        }
    }
    panic!("it flapped on");
}
