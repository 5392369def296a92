//! What becomes of kinds and resources when a `Plugin` is deleted.

use crate::{grants, scene};
use anyhow::Result;
use kube::api::DeleteParams;
use plugins_suite::greeting;
use plugins_suite::scene::Scene;
use serde_json::json;

const CRD: &str = "greetings.examples.windlass.dev";

async fn served(policy: &str) -> Result<Scene> {
    let scene = scene().await?;
    let source = scene.put("a.wasm", &greeting("Hello, ", 1)?)?;
    scene.apply("greeting", json!({"source": source, "grants": grants(), "deletionPolicy": policy})).await?;
    scene.until_says("greeting", "Serving", "True", "WantedVersion").await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene
        .until("the kinds to be in the status", async || {
            Ok(scene.status("greeting").await?["kinds"][0]["definition"] == CRD)
        })
        .await?;
    scene.plugins().delete("greeting", &DeleteParams::default()).await?;
    Ok(scene)
}

async fn until_gone(scene: &Scene) -> Result<()> {
    scene.until("the Plugin to be gone", async || Ok(scene.plugins().get_opt("greeting").await?.is_none())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_resources_stay_and_are_torn_down_by_their_inventory_when_they_are_deleted() -> Result<()> {
    let scene = served("Retain").await?;
    until_gone(&scene).await?;
    let greetings = scene.objects("examples.windlass.dev", "v1", "Greeting");
    assert!(greetings.get("a").await?.metadata.deletion_timestamp.is_none());
    scene.until_greeted("a", "Hello, ").await?;
    // Nobody can ask the plugin any more: after the grace that a condition announces, the inventory tells what to delete.
    greetings.delete("a", &DeleteParams::default()).await?;
    scene.until("the resource to be gone", async || Ok(greetings.get_opt("a").await?.is_none())).await?;
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_waits_for_its_resources_serves_until_the_last_is_gone() -> Result<()> {
    let scene = served("WaitForResources").await?;
    let plugin = async || Ok::<_, anyhow::Error>(scene.plugins().get("greeting").await?);
    scene
        .until("the Plugin to say what it waits for", async || {
            let message = fixtures::stage::condition(&plugin().await?, "Serving").message;
            Ok(message.contains("waits for 1 resources"))
        })
        .await?;
    scene.greet("b").await?;
    scene.until_greeted("b", "Hello, ").await?;
    scene.kubectl.run(&["delete", "greetings", "a", "b", "--timeout=20s"]).await?;
    until_gone(&scene).await?;
    assert!(scene.kubectl.run(&["get", "crd", CRD]).await.is_err());
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_may_delete_resources_has_them_torn_down_and_leaves_nothing() -> Result<()> {
    let scene = served("DeleteResources").await?;
    until_gone(&scene).await?;
    scene
        .until("the definition to be gone", async || Ok(scene.kubectl.run(&["get", "crd", CRD]).await.is_err()))
        .await?;
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());
    scene.end().await
}
