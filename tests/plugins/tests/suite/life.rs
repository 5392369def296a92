//! The whole life of a kind, by kubectl alone.

use crate::{grants, scene};
use anyhow::Result;
use plugins_suite::greeting;

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_is_added_used_upgraded_broken_rolled_back_and_removed() -> Result<()> {
    let scene = scene().await?;
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    scene.put("first.wasm", &first)?;
    scene.put("second.wasm", &second)?;
    scene.put("broken.wasm", b"\0asm but no component")?;
    let manifest = |file: &str| {
        format!(
            "apiVersion: windlass.dev/v1alpha1\nkind: Plugin\nmetadata: {{name: greeting}}\nspec:\n  \
             source: {{file: {{path: {file}}}}}\n  grants: {}\n",
            grants()
        )
    };
    let greet = "apiVersion: examples.windlass.dev/v1\nkind: Greeting\nmetadata: {name: a}\nspec: {name: Ada}\n";

    // Added and used.
    assert!(scene.kubectl.apply(greet).await.is_err());
    scene.kubectl.apply(&manifest("first.wasm")).await?;
    scene.kubectl.run(&["wait", "--for=condition=Serving", "plugin/greeting", "--timeout=60s"]).await?;
    scene.kubectl.apply(greet).await?;
    scene.until_greeted("a", "Hello, ").await?;
    let shown = scene.kubectl.run(&["get", "plugins"]).await?;
    assert!(shown.contains("SERVING") && shown.contains("WantedVersion") && shown.contains("0.1.0"), "{shown}");

    // Upgraded, in the running host.
    scene.kubectl.apply(&manifest("second.wasm")).await?;
    scene.until_serves("greeting", &second).await?;
    scene.until_greeted("a", "Salve, ").await?;
    let status = scene.status("greeting").await?;
    assert_eq!(status["version"], "0.2.0");
    assert_eq!(status["kinds"][0]["definition"], "greetings.examples.windlass.dev");

    // Broken on purpose: the old one goes on, and the condition says why.
    scene.kubectl.apply(&manifest("broken.wasm")).await?;
    let message = scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    assert!(message.contains("Compiled") && message.contains("0.2.0"), "{message}");
    scene.until_says("greeting", "Compiled", "False", "MalformedComponent").await?;
    scene.greet("b").await?;
    scene.until_greeted("b", "Salve, ").await?;

    // Rolled back: everything is as the older version wants it (H3).
    scene.kubectl.apply(&manifest("first.wasm")).await?;
    scene.until_serves("greeting", &first).await?;
    for name in ["a", "b"] {
        scene.until_greeted(name, "Hello, ").await?;
    }

    // Removed: what users made stays.
    scene.kubectl.run(&["delete", "plugin", "greeting", "--timeout=30s"]).await?;
    let left = scene.kubectl.run(&["get", "greetings,configmaps", "-o", "name"]).await?;
    for name in ["greeting.examples.windlass.dev/a", "configmap/a-greeting", "configmap/b-greeting"] {
        assert!(left.contains(name), "{left}");
    }
    scene.end().await
}
