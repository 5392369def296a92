//! Two plugins that want one kind.

use crate::{grants, scene};
use anyhow::Result;
use kube::api::DeleteParams;
use plugins_suite::greeting;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_plugins_that_claim_one_kind_the_older_keeps_it_and_both_are_told() -> Result<()> {
    let scene = scene().await?;
    let older = scene.put("older.wasm", &greeting("Hello, ", 1)?)?;
    let younger = scene.put("younger.wasm", &greeting("Salve, ", 2)?)?;
    scene.apply("zz-older", json!({"source": older, "grants": grants()})).await?;
    scene.until_says("zz-older", "Serving", "True", "WantedVersion").await?;
    // Creation is told in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    scene.apply("aa-younger", json!({"source": younger, "grants": grants()})).await?;
    let told = scene.until_says("aa-younger", "Compatible", "False", "KindTaken").await?;
    assert!(told.contains("greetings.examples.windlass.dev") && told.contains("zz-older"), "{told}");
    scene.until_says("aa-younger", "Serving", "False", "KindTaken").await?;
    let told = scene.until_says("zz-older", "Compatible", "True", "KindContested").await?;
    assert!(told.contains("aa-younger"), "{told}");
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;

    // The older goes, and the younger follows without a nudge.
    scene.plugins().delete("zz-older", &DeleteParams::default()).await?;
    scene.until_says("aa-younger", "Serving", "True", "WantedVersion").await?;
    scene.until_greeted("a", "Salve, ").await?;
    scene.end().await
}
