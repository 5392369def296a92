//! A plugin that is slow slows its own kind alone.

use crate::{grants, scene};
use anyhow::Result;
use guests::Guest;
use kube::api::{Patch, PatchParams};
use plugins_suite::greeting;
use plugins_suite::scene::Scene;
use serde_json::json;

/// Resources of the plugin that loops.
const LOOPING: usize = 200;
/// Resources of the other.
const GREETINGS: usize = 20;

/// The value of a metric of a plugin.
fn counted(scene: &Scene, metric: &str, plugin: &str) -> u64 {
    let text = scene.config.metrics.encode();
    let (name, label) = (format!("{metric}{{"), format!("plugin=\"{plugin}\""));
    let samples = text.lines().filter(|line| line.starts_with(&name) && line.contains(&label));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_burns_its_whole_time_on_each_of_200_resources_does_not_hold_up_another_kind() -> Result<()> {
    let scene = scene().await?;
    let looping = Guest::idle().doing("(loop $again (br $again))").build()?;
    let source = scene.put("loop.wasm", &looping)?;
    // Only time ends its calls.
    let limits = json!({"wall": "500ms", "fuel": 1_u64 << 50});
    scene.apply("looping", json!({"source": source, "limits": limits})).await?;
    let source = scene.put("greeting.wasm", &greeting("Hello, ", 1)?)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_says("looping", "Serving", "True", "WantedVersion").await?;
    scene.until_says("greeting", "Serving", "True", "WantedVersion").await?;
    let things = scene.objects("guest.example", "v1", "Thing");
    for number in 0..LOOPING {
        let name = format!("thing-{number}");
        let manifest =
            json!({"apiVersion": "guest.example/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {}});
        things.patch(&name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
    }
    let hits = |scene: &Scene| counted(scene, "windlass_plugin_limit_hits_total", "looping");
    scene.until("the plugin to loop", async || Ok(hits(&scene) > 0)).await?;

    let before = hits(&scene);
    for number in 0..GREETINGS {
        scene.greet(&format!("g{number}")).await?;
    }
    for number in 0..GREETINGS {
        scene.until_greeted(&format!("g{number}"), "Hello, ").await?;
    }
    // In turn with 200 others, each of which takes half a second, the last of them would come after all of those.
    let meanwhile = hits(&scene) - before;
    assert!(meanwhile < LOOPING as u64 / 2, "{meanwhile} calls looped to their end before another kind was served");
    assert!(counted(&scene, "windlass_plugin_calls_total", "greeting") > GREETINGS as u64);

    // Its own resources are told, and what it costs is counted under its name.
    scene
        .until("the resources to be counted as failing", async || {
            Ok(scene.status("looping").await?["resources"]["failing"].as_u64() > Some(0))
        })
        .await?;
    assert!(counted(&scene, "windlass_plugin_failures_total", "looping") >= hits(&scene));
    assert_eq!(counted(&scene, "windlass_plugin_failures_total", "greeting"), 0);
    scene.end().await
}
