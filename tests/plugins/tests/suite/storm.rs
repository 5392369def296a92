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
