//! A host that is killed in the middle of a rollout, and one that starts after it.

use crate::parts::{spec, until_parted, upgraded};
use crate::shadow::count_maps;
use anyhow::Result;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_while_a_part_is_served_goes_on_with_that_part() -> Result<()> {
    let (mut scene, old, new) =
        upgraded(30, json!({"strategy": "Percentage", "steps": [40], "pauseSeconds": 3600})).await?;
    scene.until_says("greeting", "Serving", "True", "RollingOut").await?;
    until_parted(&scene, 40).await?;
    let since = scene.status("greeting").await?["rollout"]["since"].clone();
    scene.kill_host().await;
    let maps = count_maps(&scene);
    scene.start_host().await?;
    // A resource that changes is decided for by the version that decided for it before.
    scene.until("the host to be back", async || Ok(scene.wire.count(|sent| sent.watches("greetings")) > 0)).await?;
    scene.greet("late").await?;
    scene.until("the late one", async || Ok(scene.text("late").await.is_ok())).await?;
    until_parted(&scene, 40).await?;
    let told = scene.until_phase("greeting", "RollingOut").await?;
    assert_eq!((&told["percent"], &told["since"]), (&json!(40), &since), "{told}");
    // Nobody's version was another one in between: nothing was written but for the late one.
    assert_eq!(maps(), 1, "{:?}", scene.wire.sent());
    assert_ne!(old, new);
    scene.apply("greeting", spec(json!({"strategy": "Percentage", "steps": [40], "pauseSeconds": 0}))).await?;
    scene.until_serves("greeting", &new).await?;
    until_parted(&scene, 100).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_in_the_middle_of_a_shadow_run_serves_the_old_version_and_runs_it_again() -> Result<()> {
    let (mut scene, _, new) = upgraded(150, json!({"strategy": "Manual"})).await?;
    scene.until_phase("greeting", "Shadowing").await?;
    scene.kill_host().await;
    let maps = count_maps(&scene);
    scene.start_host().await?;
    let told = scene.until_phase("greeting", "Waiting").await?;
    assert_eq!((&told["shadow"]["different"], &told["shadow"]["complete"]), (&json!(150), &json!(true)), "{told}");
    assert_eq!(maps(), 0);
    scene.greet("late").await?;
    scene.until_greeted("late", "Hello, ").await?;
    let approve = format!("windlass.dev/approve={}", told["approve"].as_str().unwrap_or_default());
    scene.kubectl.run(&["annotate", "plugin", "greeting", &approve]).await?;
    scene.until_serves("greeting", &new).await?;
    until_parted(&scene, 100).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_starts_again_after_a_rollout_compares_nothing_and_writes_nothing() -> Result<()> {
    let (mut scene, _, new) = upgraded(10, json!({})).await?;
    scene.until_serves("greeting", &new).await?;
    until_parted(&scene, 100).await?;
    scene.stop_host().await?;
    let maps = count_maps(&scene);
    scene.start_host().await?;
    scene.until_serves("greeting", &new).await?;
    scene.greet("late").await?;
    scene.until_greeted("late", "Salve, ").await?;
    assert_eq!(maps(), 1);
    let told = scene.until_phase("greeting", "Promoted").await?;
    assert_eq!(told["shadow"]["different"], 10, "how it took over stays told: {told}");
    scene.end().await
}
