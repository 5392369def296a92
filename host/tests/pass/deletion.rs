//! Teardown: by decision, by inventory, and by abandoning.

use crate::{items::*, world::*};
use model::{Decision, Fault};
use serde_json::json;

fn chain(snapshot: &model::Snapshot) -> Result<Decision, Fault> {
    let mut decision = counted(snapshot)?;
    for n in 1..decision.items.len() {
        decision.items[n].after = vec![decision.items[n - 1].id.clone()];
    }
    Ok(decision)
}

async fn delete_widget(world: &World, name: &str) {
    world.delete(&widget_path(name)).await;
    let key = key(name);
    world.until(|| world.host.context.cache.get(&key).is_none_or(|object| object.is_deleting())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_resource_is_torn_down_in_reverse_order_and_let_go() {
    let world = World::start(chain).await;
    world.create_widget("a", json!({"count": 3})).await;
    world.settle("a").await;
    world.reset();
    delete_widget(&world, "a").await;
    world.settle("a").await;
    let deleted: Vec<_> = world.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect();
    let expected: Vec<_> = (0..3).rev().map(|n| format!("DELETE {}", config_path(&format!("a-{n}")))).collect();
    assert_eq!(deleted, expected);
    assert!(world.widget("a").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_plugin_still_wants_stays_until_it_does_not() {
    let world = World::start(|snapshot| {
        let deleting = snapshot.deleting;
        let mut decision = counted(snapshot)?;
        if deleting && snapshot.items.len() > 1 {
            decision.items = vec![config("a-0", "x")];
        }
        Ok(decision)
    })
    .await;
    world.create_widget("a", json!({"count": 3})).await;
    world.settle("a").await;
    world.reset();
    delete_widget(&world, "a").await;
    world.settle("a").await;
    let deleted: Vec<_> = world.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect();
    assert_eq!(deleted.last().unwrap(), &format!("DELETE {}", config_path("a-0")));
    assert!(world.widget("a").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_somebody_else_took_stays_and_that_is_told() {
    let world = World::start(counted).await;
    world.create_widget("a", json!({"count": 3})).await;
    world.settle("a").await;
    let taken = json!({"metadata": {"labels": {"windlass.dev/owner-uid": "another"}, "ownerReferences": null}});
    let taken = world.patch(&config_path("a-2"), taken).await;
    let key = model::ObjectKey {
        kind: model::Kind::new("", "v1", "ConfigMap"),
        namespace: Some("default".into()),
        name: "a-2".into(),
    };
    let version = taken["metadata"]["resourceVersion"].as_str().unwrap();
    world.until(|| world.host.context.cache.get(&key).is_some_and(|object| object.resource_version == version)).await;
    world.patch(&widget_path("a"), json!({"spec": {"count": 2}})).await;
    world.settle("a").await;
    assert!(world.get(&config_path("a-2")).await.is_some());
    let events = world.events().await;
    assert!(events.iter().any(|(_, reason, text)| reason == "LeftAlone" && text.contains("a-2")), "{events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_teardown_without_a_plugin_begins_only_after_a_condition_has_said_so() {
    let world = World::start(chain).await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    world.decides(|_| Err(Fault::Broken("lost my way".into())));
    delete_widget(&world, "a").await;
    world.settle("a").await;
    let widget = world.widget("a").await.unwrap();
    assert!(widget["status"]["conditions"].to_string().contains("TeardownByInventory"), "{widget}");
    assert!(world.get(&config_path("a-1")).await.is_some());
    world.host.clock.set(1_700_000_000_000 + 60_000);
    world.settle("a").await;
    assert!(world.widget("a").await.is_none());
    assert!(world.get(&config_path("a-0")).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_resource_goes_at_once_and_an_event_lists_what_is_left() {
    let world = World::start(chain).await;
    world.create_widget("a", json!({"count": 2})).await;
    world.settle("a").await;
    world.decides(|_| Err(Fault::Retry("never".into())));
    world.patch(&widget_path("a"), json!({"metadata": {"annotations": {"windlass.dev/abandon": "true"}}})).await;
    delete_widget(&world, "a").await;
    world.settle("a").await;
    assert!(world.widget("a").await.is_none());
    let events = world.events().await;
    let told = events.iter().find(|(_, reason, _)| reason == "Abandoned").unwrap();
    assert!(told.2.contains("a-0") && told.2.contains("a-1"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_resource_without_anything_of_ours_is_left_alone() {
    let world = World::start(|_| Ok(Decision::default())).await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    let widget = world.widget("a").await.unwrap();
    assert!(widget["metadata"]["finalizers"].is_null(), "no finalizer where nothing is to be torn down");
    world.delete(&widget_path("a")).await;
    world.settle("a").await;
    assert!(world.widget("a").await.is_none());
}
