//! What a plugin asks for, what it is granted, and what its status says of both.

use crate::{grants, scene};
use anyhow::Result;
use plugins_suite::greeting;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_and_not_granted_is_named_and_not_done() -> Result<()> {
    let scene = scene().await?;
    let source = scene.put("a.wasm", &greeting("Hello, ", 1)?)?;
    scene
        .apply("greeting", json!({"source": source, "grants": {"writes": [{"group": "batch", "kind": "Job"}]}}))
        .await?;
    scene.until_says("greeting", "Serving", "True", "WantedVersion").await?;
    let permissions = scene.status("greeting").await?["permissions"].clone();
    assert_eq!(permissions["missing"], json!(["write /ConfigMap"]));
    assert_eq!(permissions["unused"], json!(["write batch/Job"]));
    scene.greet("a").await?;
    scene
        .until("the resource to be counted as failing", async || {
            let resources = scene.status("greeting").await?["resources"].clone();
            Ok(resources == json!({"total": 1, "ready": 0, "failing": 1}))
        })
        .await?;
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());

    // Granted while the host runs.
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene
        .until("the resource to be counted as ready", async || {
            let status = scene.status("greeting").await?;
            let cost = status["lastDecision"]["fuel"].as_u64().unwrap_or(0);
            Ok(status["resources"] == json!({"total": 1, "ready": 1, "failing": 0}) && cost > 0)
        })
        .await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_a_spec_that_means_nothing() -> Result<()> {
    let scene = scene().await?;
    let wrong = [
        (json!({"source": {}}), "exactly one source"),
        (
            json!({"source": {"file": {"path": "a"}, "http": {"url": "http://a/", "sha256": "0".repeat(64)}}}),
            "exactly one source",
        ),
        (json!({"source": {"http": {"url": "ftp://a/", "sha256": "0".repeat(64)}}}), "url"),
        (json!({"source": {"http": {"url": "http://a/", "sha256": "12"}}}), "sha256"),
        (json!({"source": {"file": {"path": "a"}}, "verify": {"digest": "12"}}), "digest"),
        (json!({"source": {"file": {"path": "a"}}, "deletionPolicy": "Whatever"}), "deletionPolicy"),
    ];
    for (spec, word) in wrong {
        let error = format!("{:?}", scene.apply("a", spec.clone()).await.unwrap_err());
        assert!(error.contains(word), "{spec}: {error}");
    }
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_applied_and_none_is_wider_than_the_host_bears() -> Result<()> {
    let scene = scene().await?;
    let component = greeting("Hello, ", 1)?;
    let source = scene.put("a.wasm", &component)?;
    scene.apply("greeting", json!({"source": source, "grants": grants(), "limits": {"wall": "2m"}})).await?;
    let told = scene.until_says("greeting", "Fetched", "False", "InvalidSpec").await?;
    assert!(told.contains("spec.limits.wall") && told.contains("60000"), "{told}");
    // Too little to say even what it is.
    scene.apply("greeting", json!({"source": source, "grants": grants(), "limits": {"fuel": 100}})).await?;
    let told = scene.until_says("greeting", "Compatible", "False", "DescribeFailed").await?;
    assert!(told.contains("100"), "{told}");
    scene.apply("greeting", json!({"source": source, "grants": grants(), "limits": {"wall": "2s"}})).await?;
    scene.until_serves("greeting", &component).await?;
    scene.end().await
}
