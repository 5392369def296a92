//! A second type of resource, by an example plugin and the same host.

use crate::stage::{GROUP, NAMESPACE, Stage};
use anyhow::Result;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_example_of_a_page_drives_a_cache_with_no_change_of_the_host() -> Result<()> {
    let mut stage = Stage::brisk().await?;
    stage.look_every = Duration::from_secs(1);
    stage.loaded = vec![crate::stage::load("redis").await?];
    let host = stage.host()?;
    let kind = kube::core::GroupVersionKind::gvk("examples.windlass.dev", "v1", "RedisCache");
    let resource = kube::api::ApiResource::from_gvk_with_plural(&kind, "rediscaches");
    let caches: Api<kube::api::DynamicObject> = Api::namespaced_with(stage.world.client.clone(), NAMESPACE, &resource);
    let manifest = json!({"apiVersion": "examples.windlass.dev/v1", "kind": "RedisCache", "metadata": {"name": "sessions"}, "spec": {"location": "eastus"}});
    let parameters = PatchParams::apply("user");
    stage
        .until("the kind to be served", async || {
            Ok(caches.patch("sessions", &parameters, &Patch::Apply(&manifest)).await.is_ok())
        })
        .await?;
    let ready = async || {
        let object = caches.get("sessions").await?;
        Ok(fixtures::stage::condition(&object, "Ready").status == "True")
    };
    stage.until("the cache to be ready", ready).await?;
    let id = format!("{GROUP}/providers/Microsoft.Cache/redis/sessions");
    assert_eq!(caches.get("sessions").await?.data["status"]["hostName"], "sessions.redis.cache.windows.net");
    stage.cloud().edit(&id, |body| body["properties"]["minimumTlsVersion"] = json!("1.0"));
    let repaired =
        async || Ok(stage.cloud().resource(&id).unwrap_or_default()["properties"]["minimumTlsVersion"] == "1.2");
    stage.until("the drift to be repaired", repaired).await?;
    caches.delete("sessions", &DeleteParams::default()).await?;
    stage.until("it to be gone", async || Ok(caches.get_opt("sessions").await?.is_none())).await?;
    assert!(stage.cloud().resource(&id).is_none());
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[test]
fn the_example_has_fewer_than_150_lines() {
    let text = include_str!("../../../../plugins/examples/redis/src/lib.rs");
    assert!(text.lines().count() < 150, "{}", text.lines().count());
}
