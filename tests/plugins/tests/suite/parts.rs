//! A new version decides for a part of the resources, and for all when that goes well.

use crate::shadow::{annotate, thing};
use crate::{grants, scene};
use anyhow::Result;
use guests::Guest;
use plugins_suite::scene::Scene;
use plugins_suite::{greeting, sha256};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The rule of the status field `percent`, written anew.
pub fn in_part(uid: &str, percent: u64) -> bool {
    let hash = Sha256::digest(uid.as_bytes());
    u64::from_be_bytes(hash[..8].try_into().unwrap()) % 10_000 < percent * 100
}

/// The uid of each greeting.
pub async fn uids(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let all = scene.objects("examples.windlass.dev", "v1", "Greeting").list(&Default::default()).await?;
    let uid = |object: kube::api::DynamicObject| Some((object.metadata.name?, object.metadata.uid?));
    Ok(all.items.into_iter().filter_map(uid).collect())
}

pub fn spec(rollout: Value) -> Value {
    json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants(), "rollout": rollout})
}

/// A served plugin with so many greetings, and the component of its next version in its place.
pub async fn upgraded(count: usize, rollout: Value) -> Result<(Scene, Vec<u8>, Vec<u8>)> {
    let scene = scene().await?;
    let (old, new) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    scene.put("a.wasm", &old)?;
    scene.apply("greeting", spec(rollout)).await?;
    scene.until_serves("greeting", &old).await?;
    for number in 0..count {
        scene.greet(&format!("g{number}")).await?;
    }
    for number in 0..count {
        scene.until_greeted(&format!("g{number}"), "Hello, ").await?;
    }
    scene.put("a.wasm", &new)?;
    Ok((scene, old, new))
}

/// Waits until exactly the part of so many in a hundred is as the new version wants it.
pub async fn until_parted(scene: &Scene, percent: u64) -> Result<()> {
    let uids = uids(scene).await?;
    for (name, uid) in &uids {
        scene.until_greeted(name, if in_part(uid, percent) { "Salve, " } else { "Hello, " }).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_resources_goes_first_and_all_follow_when_it_is_in_order() -> Result<()> {
    let (scene, _, new) = upgraded(40, json!({"strategy": "Percentage", "steps": [30], "pauseSeconds": 3600})).await?;
    let message = scene.until_says("greeting", "Serving", "True", "RollingOut").await?;
    assert!(message.contains("0.1.0") && message.contains("0.2.0") && message.contains("30 %"), "{message}");
    let told = scene.until_phase("greeting", "RollingOut").await?;
    assert_eq!((&told["percent"], &told["digest"]), (&json!(30), &json!(format!("sha256:{}", sha256(&new)))), "{told}");
    let uids = uids(&scene).await?;
    let part = uids.values().filter(|uid| in_part(uid, 30)).count();
    assert!(part > 0 && part < 40, "{part}");
    until_parted(&scene, 30).await?;
    assert_eq!(scene.status("greeting").await?["version"], "0.1.0");
    // The next step is all, as soon as the pause is over.
    scene.apply("greeting", spec(json!({"strategy": "Percentage", "steps": [30], "pauseSeconds": 1}))).await?;
    scene.until_serves("greeting", &new).await?;
    until_parted(&scene, 100).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_choose_who_goes_first_and_the_rest_follows_when_the_strategy_says_so() -> Result<()> {
    let (scene, _, new) = upgraded(4, json!({"strategy": "Selector", "selector": "track=canary"})).await?;
    scene.until_says("greeting", "Serving", "True", "RollingOut").await?;
    scene.kubectl.run(&["label", "greeting", "g1", "track=canary"]).await?;
    scene.until_greeted("g1", "Salve, ").await?;
    for name in ["g0", "g2", "g3"] {
        assert!(scene.text(name).await?.starts_with("Hello, "));
    }
    assert_eq!(scene.status("greeting").await?["rollout"]["selector"], "track=canary");
    // The label goes, and the version with it.
    scene.kubectl.run(&["label", "greeting", "g1", "track-"]).await?;
    scene.until_greeted("g1", "Hello, ").await?;
    scene.apply("greeting", spec(json!({"strategy": "AllAtOnce"}))).await?;
    scene.until_serves("greeting", &new).await?;
    until_parted(&scene, 100).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn back_to_the_old_version_in_the_middle_of_a_part_is_back_for_all() -> Result<()> {
    let (scene, old, _) = upgraded(20, json!({"strategy": "Percentage", "steps": [50], "pauseSeconds": 3600})).await?;
    scene.until_says("greeting", "Serving", "True", "RollingOut").await?;
    until_parted(&scene, 50).await?;
    scene.put("a.wasm", &old)?;
    scene.until_serves("greeting", &old).await?;
    until_parted(&scene, 0).await?;
    assert_eq!(scene.status("greeting").await?["rollout"], Value::Null);
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_with_a_resource_of_its_part_is_taken_back() -> Result<()> {
    let scene = scene().await?;
    let good = Guest::idle().build()?;
    let spec = json!({
        "source": {"file": {"path": "a.wasm"}},
        "rollout": {"strategy": "Percentage", "steps": [99], "pauseSeconds": 3600},
    });
    scene.put("a.wasm", &good)?;
    scene.apply("guest", spec).await?;
    scene.until_serves("guest", &good).await?;
    for number in 0..6 {
        thing(&scene, &format!("thing-{number}")).await?;
    }
    let ready = json!({"total": 6, "ready": 6, "failing": 0});
    scene.until("all to be ready", async || Ok(scene.status("guest").await?["resources"] == ready)).await?;
    // It is well in the shadow, and crashes for a resource that is written longer later.
    let picky = Guest::idle().doing("(if (i32.gt_u (local.get $resource_length) (i32.const 3000)) (then unreachable))");
    let picky = picky.build()?;
    scene.put("a.wasm", &picky)?;
    scene.until_says("guest", "Serving", "True", "RollingOut").await?;
    let kind = ("guest.example", "v1", "Thing");
    for number in 0..6 {
        annotate(&scene, kind, &format!("thing-{number}"), json!({"example.com/note": "x".repeat(4000)})).await?;
    }
    let message = scene.until_says("guest", "Serving", "True", "FellBack").await?;
    assert!(message.contains(&sha256(&picky)) && message.contains("Thing"), "{message}");
    let told = scene.until_phase("guest", "FellBack").await?;
    assert!(told["message"].as_str().is_some_and(|text| text.contains("PluginCrashed")), "{told}");
    scene.until("all to be ready again", async || Ok(scene.status("guest").await?["resources"] == ready)).await?;
    // It is not tried again by itself.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    scene.until_says("guest", "Serving", "True", "FellBack").await?;
    scene.end().await
}
