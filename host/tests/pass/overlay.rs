//! Fields that are laid over objects that others make and own.

use crate::{items::*, world::*};
use model::{Body, Decision, Item, Observation, decision::UpdatePolicy};
use serde_json::{Value, json};
use windlass::watch::cache::Change;

/// The role of the ConfigMap `theirs`, as `spec.role` says.
fn role(snapshot: &model::Snapshot) -> Result<Decision, model::Fault> {
    if snapshot.deleting {
        return Ok(Decision::default());
    }
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "theirs", "labels": {"role": resource(snapshot)["spec"]["role"]}},
    });
    let item = Item { update: UpdatePolicy::Overlay, ..item("role", Body::Kubernetes(body)) };
    let found = snapshot.items.iter().find(|item| item.id == "role");
    let status = json!({ "found": found.map(|found| matches!(found.state, Observation::Kubernetes(_))) });
    Ok(Decision { items: vec![item], status, ..Decision::default() })
}

fn their_key() -> model::ObjectKey {
    let kind = model::Kind::new("", "v1", "ConfigMap");
    model::ObjectKey { kind, namespace: Some("default".into()), name: "theirs".into() }
}

/// Another controller makes the object.
async fn make_theirs(world: &World) -> Value {
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "theirs", "labels": {"app": "db", "role": "none"}, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "another", "controller": true},
        ]},
    });
    let (status, made) = request(&world.user, "POST", "/api/v1/namespaces/default/configmaps", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    world.until(|| world.host.context.cache.get(&their_key()).is_some()).await;
    made
}

async fn theirs(world: &World) -> Value {
    world.get(&config_path("theirs")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_of_an_object_of_others_is_set_once_and_the_object_is_theirs_still() {
    let mut world = World::start(role).await;
    let made = make_theirs(&world).await;
    world.create_widget("a", json!({"role": "primary"})).await;
    world.settle("a").await;
    let stored = theirs(&world).await;
    assert_eq!(stored["metadata"]["labels"], json!({"app": "db", "role": "primary"}));
    assert_eq!(stored["metadata"]["ownerReferences"], made["metadata"]["ownerReferences"]);
    assert_eq!(stored["metadata"]["annotations"], Value::Null);
    let widget = world.widget("a").await.unwrap();
    assert!(!widget.to_string().contains("theirs"), "it is in no inventory: {widget}");
    assert_eq!(widget["status"]["found"], true, "the plugin is shown it");
    assert_eq!(world.reconciled("a").await.0, "True");
    world.restart().await;
    world.settle("a").await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_not_there_is_not_made_and_is_labelled_when_it_appears() {
    let world = World::start(role).await;
    world.create_widget("a", json!({"role": "primary"})).await;
    world.settle("a").await;
    assert!(world.get(&config_path("theirs")).await.is_none());
    assert_eq!(world.reconciled("a").await.0, "True", "it holds nothing up");
    make_theirs(&world).await;
    let appeared = Change { old: None, new: world.host.context.cache.get(&their_key()), first: false };
    let concerned = world.host.context.trigger.keys(&appeared);
    assert!(concerned.iter().any(|(concerned, _)| *concerned == key("a")), "{concerned:?}");
    world.settle("a").await;
    assert_eq!(theirs(&world).await["metadata"]["labels"]["role"], "primary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_somebody_changes_is_set_again_even_if_another_manager_applies_it() {
    let world = World::start(role).await;
    make_theirs(&world).await;
    world.create_widget("a", json!({"role": "primary"})).await;
    world.settle("a").await;
    let changed = world.patch(&config_path("theirs"), json!({"metadata": {"labels": {"role": "replica"}}})).await;
    let version = changed["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let arrived = || world.host.context.cache.get(&their_key()).is_some_and(|found| found.resource_version == version);
    world.until(arrived).await;
    world.reset();
    world.settle("a").await;
    assert_eq!(theirs(&world).await["metadata"]["labels"]["role"], "primary");
    assert_eq!(world.writes().iter().filter(|write| write.contains("configmaps")).count(), 1, "{:?}", world.writes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_others_outlives_the_item_and_the_resource() {
    let world = World::start(role).await;
    make_theirs(&world).await;
    world.create_widget("a", json!({"role": "primary"})).await;
    world.settle("a").await;
    let laid = theirs(&world).await;
    world.delete(&widget_path("a")).await;
    world.until(|| world.host.context.cache.get(&key("a")).is_none_or(|widget| widget.is_deleting())).await;
    world.settle("a").await;
    assert!(world.widget("a").await.is_none());
    assert_eq!(theirs(&world).await, laid);
}
