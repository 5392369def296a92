//! A host that starts again.

use crate::{grants, scene};
use anyhow::Result;
use plugins_suite::greeting;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_starts_with_a_broken_wish_serves_what_served_last() -> Result<()> {
    let mut scene = scene().await?;
    let good = greeting("Hello, ", 1)?;
    let source = scene.put("a.wasm", &good)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_serves("greeting", &good).await?;
    scene.put("a.wasm", b"no component")?;
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.stop_host().await?;
    scene.start_host().await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene.until_says("greeting", "Compiled", "False", "NotAComponent").await?;
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.end().await
}
