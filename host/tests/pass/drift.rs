//! What others do to our children.

use crate::{items::*, world::*};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f8_an_edit_of_our_field_is_taken_back_once_and_a_foreign_field_stays() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 1})).await;
    world.settle("a").await;
    let edited = world.patch(&config_path("a-0"), json!({"data": {"value": "edited", "theirs": "stays"}})).await;
    seen(&world, "a-0", &edited).await;
    world.reset();
    world.settle("a").await;
    let stored = world.get(&config_path("a-0")).await.unwrap();
    assert_eq!(stored["data"], json!({"value": "x", "theirs": "stays"}));
    assert_eq!(world.writes().iter().filter(|write| write.contains("configmaps")).count(), 1, "{:?}", world.writes());
    let events = world.events().await;
    let drift: Vec<_> = events.iter().filter(|(_, reason, _)| reason == "DriftCorrected").collect();
    assert_eq!(drift.len(), 1, "{events:?}");
    assert!(drift[0].2.contains("data.value"), "{drift:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_again_after_a_restart_is_counted_up_in_its_event() {
    let mut world = World::start(counted).await;
    world.create_widget("a", json!({"count": 1})).await;
    world.settle("a").await;
    for edit in 0..4 {
        let edited = world.patch(&config_path("a-0"), json!({"data": {"value": "edited"}})).await;
        seen(&world, "a-0", &edited).await;
        world.settle("a").await;
        if edit == 1 {
            world.restart().await;
        }
    }
    let list = world.get("/api/v1/namespaces/default/events").await.unwrap();
    let counts: Vec<_> = list["items"].as_array().unwrap().iter().map(|event| &event["count"]).collect();
    assert_eq!(counts, [&json!(4)]);
}

/// One StatefulSet of three replicas.
fn scaled(snapshot: &model::Snapshot) -> Result<model::Decision, model::Fault> {
    if snapshot.deleting {
        return Ok(model::Decision::default());
    }
    let labels = json!({"app": "a"});
    let body = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"},
        "spec": {
            "replicas": 3, "serviceName": "a", "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}},
        },
    });
    Ok(model::Decision { items: vec![item("a", model::Body::Kubernetes(body))], ..model::Decision::default() })
}

/// As `kubectl scale` does it.
async fn scale(world: &World, replicas: u32) {
    world.patch(&format!("{SET}/scale"), json!({"spec": {"replicas": replicas}})).await;
    let stored = world.get(SET).await.unwrap();
    seen_as(world, model::Kind::new("apps", "v1", "StatefulSet"), "a", &stored).await;
}

const SET: &str = "/apis/apps/v1/namespaces/default/statefulsets/a";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f8_a_child_that_was_scaled_is_scaled_back_once() {
    let world = World::start(scaled).await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    scale(&world, 5).await;
    world.reset();
    world.settle("a").await;
    assert_eq!(world.get(SET).await.unwrap()["spec"]["replicas"], 3);
    assert_eq!(world.writes().iter().filter(|write| write.contains("statefulsets")).count(), 1, "{:?}", world.writes());
    let events = world.events().await;
    assert!(events.iter().any(|(_, reason, text)| reason == "DriftCorrected" && text.contains("spec.replicas")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f8_a_fight_over_a_field_ends_in_a_condition_that_names_the_other() {
    let world = World::start(scaled).await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    world.reset();
    for replicas in 10..30 {
        scale(&world, replicas).await;
        world.settle("a").await;
    }
    let reverts = world.writes().iter().filter(|write| write.contains("statefulsets")).count();
    assert_eq!(reverts, 5, "{:?}", world.writes());
    assert_eq!(world.get(SET).await.unwrap()["spec"]["replicas"], 29, "the other has the last word for now");
    let (status, reason, message) = world.reconciled("a").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Conflict"));
    assert!(message.contains("spec.replicas") && message.contains("kubectl-edit"), "{message}");
    world.host.clock.set(1_700_000_000_000 + 11 * 60 * 1000);
    world.settle("a").await;
    assert_eq!(world.get(SET).await.unwrap()["spec"]["replicas"], 3, "and not for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_field_that_another_manager_applies_is_reported_and_never_forced() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 1})).await;
    world.settle("a").await;
    let body =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-0"}, "data": {"value": "theirs"}});
    let path = format!("{}?fieldManager=argo&force=true", config_path("a-0"));
    let applied = apply(&world, &path, body).await;
    seen(&world, "a-0", &applied).await;
    world.settle("a").await;
    assert_eq!(world.get(&config_path("a-0")).await.unwrap()["data"]["value"], "theirs");
    let (status, reason, message) = world.reconciled("a").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "FieldConflict"));
    assert!(message.contains(".data.value is owned by argo"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_a_user_deletes_is_made_again() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    world.delete(&config_path("a-1")).await;
    let gone = model::ObjectKey {
        kind: model::Kind::new("", "v1", "ConfigMap"),
        namespace: Some("default".into()),
        name: "a-1".into(),
    };
    world.until(|| world.host.context.cache.get(&gone).is_none()).await;
    world.settle("a").await;
    assert!(world.get(&config_path("a-1")).await.is_some());
    assert_eq!(world.reconciled("a").await.0, "True");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d9_what_the_api_server_rejects_is_sent_once() {
    let world = World::start(|snapshot| {
        let mut decision = counted(snapshot)?;
        if let Some(model::Body::Kubernetes(body)) = decision.items.first_mut().map(|item| &mut item.body) {
            body["data"] = json!({"not a key!": "x"});
        }
        Ok(decision)
    })
    .await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    let rejected: Vec<_> = {
        let sent = world.host.sent.lock().unwrap();
        sent.iter().filter(|sent| sent.status == 422).map(|sent| sent.path.clone()).collect()
    };
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert_eq!(world.reconciled("a").await.1, "Rejected");
    assert!(world.get(&config_path("a-1")).await.is_some(), "the other item does not wait for it");
}

async fn apply(world: &World, path: &str, body: serde_json::Value) -> serde_json::Value {
    let request = http::Request::builder()
        .method("PATCH")
        .uri(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(body.to_string().into_bytes());
    world.user.request(request.unwrap()).await.unwrap()
}

async fn seen(world: &World, name: &str, stored: &serde_json::Value) {
    seen_as(world, model::Kind::new("", "v1", "ConfigMap"), name, stored).await;
}

async fn seen_as(world: &World, kind: model::Kind, name: &str, stored: &serde_json::Value) {
    let key = model::ObjectKey { kind, namespace: Some("default".into()), name: name.into() };
    let version = stored["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    world.until(|| world.host.context.cache.get(&key).is_some_and(|object| object.resource_version == version)).await;
}
