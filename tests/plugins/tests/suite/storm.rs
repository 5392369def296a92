//! A new version that loads, and then breaks down at every call.

use crate::scene;
use anyhow::Result;
use guests::Guest;
use kube::api::{Patch, PatchParams};
use plugins_suite::scene::Scene;
use plugins_suite::sha256;
use serde_json::json;

async fn things(scene: &Scene, count: usize) -> Result<()> {
    let api = scene.objects("guest.example", "v1", "Thing");
    for number in 0..count {
        let name = format!("thing-{number}");
        let manifest =
            json!({"apiVersion": "guest.example/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {}});
        api.patch(&name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
    }
    Ok(())
}

async fn falls_back(bad: Guest, reason: &str) -> Result<()> {
    let scene = scene().await?;
    let good = Guest::idle().build()?;
    let source = scene.put("a.wasm", &good)?;
    // Without a shadow run, which would find it beforehand.
    let spec = json!({"source": source, "limits": {"fuel": 20_000_000}, "rollout": {"strategy": "Immediate"}});
    scene.apply("guest", spec).await?;
    scene.until_serves("guest", &good).await?;
    things(&scene, 15).await?;
    let bad = bad.build()?;
    scene.put("a.wasm", &bad)?;
    let message = scene.until_says("guest", "Serving", "True", "FellBack").await?;
    assert!(message.contains(&sha256(&bad)) && message.contains(reason), "{message}");
    let status = scene.status("guest").await?;
    assert_eq!(status["digest"], format!("sha256:{}", sha256(&good)));
    assert_eq!(status["wantedDigest"], format!("sha256:{}", sha256(&bad)));
    // The version that broke down is not tried again by itself.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    scene
        .until("all resources to be decided for again", async || {
            Ok(scene.status("guest").await?["resources"] == json!({"total": 15, "ready": 15, "failing": 0}))
        })
        .await?;
    scene.until_says("guest", "Serving", "True", "FellBack").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_crashes_at_every_call_is_taken_out_of_service() -> Result<()> {
    falls_back(Guest::idle().doing("unreachable"), "PluginCrashed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_hits_its_limits_at_every_call_is_taken_out_of_service() -> Result<()> {
    falls_back(Guest::idle().doing("(loop $again (br $again))"), "PluginOutOfFuel").await
}

/// What `decide` does to break down for resources with a tilde in their document, and for no other.
const POISON: &str = "(local.set $i (i32.const 0))
    (loop $again
      (if (i32.eq (i32.load8_u (i32.add (local.get $resource) (local.get $i))) (i32.const 126)) (then unreachable))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $resource_length))))";

/// Calls of the plugin that crashed.
fn crashes(scene: &Scene) -> u64 {
    let text = scene.config.metrics.encode();
    let name = "windlass_plugin_failures_total{plugin=\"guest\",reason=\"PluginCrashed\"} ";
    text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_breaks_down_for_one_resource_alone_goes_on_for_the_others() -> Result<()> {
    let scene = scene().await?;
    let good = Guest::idle().build()?;
    let source = scene.put("a.wasm", &good)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &good).await?;
    things(&scene, 3).await?;
    let ready = async |ready: u32, failing: u32| {
        let wanted = json!({"total": ready + failing, "ready": ready, "failing": failing});
        scene.until(&format!("{wanted}"), async || Ok(scene.status("guest").await?["resources"] == wanted)).await
    };
    ready(3, 0).await?;
    // The new version crashes where the resource has a tilde in it.
    let picky = Guest::idle().doing(POISON).build()?;
    scene.put("a.wasm", &picky)?;
    scene.until_serves("guest", &picky).await?;
    ready(3, 0).await?;
    let api = scene.objects("guest.example", "v1", "Thing");
    // Each edit is another call that crashes: far more in a row than a storm takes.
    for edit in 0..20 {
        let manifest = json!({"apiVersion": "guest.example/v1", "kind": "Thing", "metadata": {"name": "poison"},
            "spec": {"text": format!("~{edit}")}});
        api.patch("poison", &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
        scene.until("another crash", async || Ok(crashes(&scene) > edit)).await?;
    }
    ready(3, 1).await?;
    scene.until_serves("guest", &picky).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_breaks_down_for_the_only_resource_there_is_is_found_at_its_first_call() -> Result<()> {
    let scene = scene().await?;
    let good = Guest::idle().build()?;
    let source = scene.put("a.wasm", &good)?;
    // Without a shadow run, which would find it beforehand.
    scene.apply("guest", json!({"source": source, "rollout": {"strategy": "Immediate"}})).await?;
    scene.until_serves("guest", &good).await?;
    things(&scene, 1).await?;
    scene
        .until("the resource to be ready", async || {
            Ok(scene.status("guest").await?["resources"] == json!({"total": 1, "ready": 1, "failing": 0}))
        })
        .await?;
    scene.put("a.wasm", &Guest::idle().doing("unreachable").build()?)?;
    scene.until_says("guest", "Serving", "True", "FellBack").await?;
    assert_eq!(crashes(&scene), 1);
    scene.end().await
}
