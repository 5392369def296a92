//! Generated Secrets: made once, kept, and never seen anywhere else.

use crate::{items::*, world::*};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Decision;
use serde_json::json;

fn decode(secret: &serde_json::Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_made_once_and_survives_restarts_and_changes() {
    let mut world = World::start(|_| Ok(Decision { items: vec![secret("root", 1)], ..Decision::default() })).await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    let made = world.get(&secret_path("root")).await.unwrap();
    assert_eq!(decode(&made, "user"), "root");
    assert_eq!(decode(&made, "password").len(), 24);
    world.restart().await;
    world.patch(&widget_path("a"), json!({"spec": {"any": 1}})).await;
    world.settle("a").await;
    assert_eq!(world.get(&secret_path("root")).await.unwrap()["data"], made["data"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_keeps_the_previous_value() {
    let world = World::start(|snapshot| {
        let generation = resource(snapshot)["spec"]["generation"].as_u64().unwrap_or(1);
        Ok(Decision { items: vec![secret("root", generation as u32)], ..Decision::default() })
    })
    .await;
    world.create_widget("a", json!({"generation": 1})).await;
    world.settle("a").await;
    let old = decode(&world.get(&secret_path("root")).await.unwrap(), "password");
    world.patch(&widget_path("a"), json!({"spec": {"generation": 2}})).await;
    world.settle("a").await;
    let rotated = world.get(&secret_path("root")).await.unwrap();
    assert_eq!(decode(&rotated, "password.previous"), old);
    assert_ne!(decode(&rotated, "password"), old);
    assert_eq!(decode(&rotated, "user"), "root");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_no_value_of_a_secret_is_in_a_snapshot_a_status_an_event_or_the_cache() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let notes = seen.clone();
    let world = World::start(move |snapshot| {
        notes.lock().unwrap().push_str(&format!("{snapshot:?}"));
        Ok(Decision { items: vec![secret("root", 1)], ..Decision::default() })
    })
    .await;
    world.create_widget("a", json!({})).await;
    world.settle("a").await;
    let made = world.get(&secret_path("root")).await.unwrap();
    let value = decode(&made, "password");
    let encoded = made["data"]["password"].as_str().unwrap().to_owned();
    let cached = world.host.context.cache.list(
        &model::Kind::new("", "v1", "Secret"),
        None,
        &model::related::Selector::default(),
        &[],
    );
    let shown = seen.lock().unwrap().clone();
    let everything = [
        shown,
        world.widget("a").await.unwrap().to_string(),
        format!("{:?}", world.events().await),
        format!("{cached:?}"),
    ]
    .concat();
    assert!(everything.contains("root"), "the haystack is not empty");
    assert!(!everything.contains(&value) && !everything.contains(&encoded));
}
