//! `windlass plan`: what another version would change, from the command line.

use crate::{COMPILER, grants, scene};
use anyhow::Result;
use plugins_suite::greeting;
use plugins_suite::scene::Scene;
use serde_json::{Value, json};
use std::process::Output;

async fn plan(scene: &Scene, arguments: &[&str]) -> Result<Output> {
    let kubeconfig = scene.folder().join("kubeconfig").display().to_string();
    let files = scene.folder().join("files").display().to_string();
    let mut all = vec!["--log", "warn", "plan", "--kubeconfig", &kubeconfig, "--plugin-files", &files];
    all.extend(arguments);
    Ok(tokio::process::Command::new(COMPILER).args(all).kill_on_drop(true).output().await?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_what_would_change_and_changes_nothing() -> Result<()> {
    let scene = scene().await?;
    let (old, new) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let source = scene.put("a.wasm", &old)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_serves("greeting", &old).await?;
    for name in ["a", "b"] {
        scene.greet(name).await?;
        scene.until_greeted(name, "Hello, ").await?;
    }
    scene.until("both to be ready", async || Ok(scene.status("greeting").await?["resources"]["ready"] == 2)).await?;
    let file = |name: &str, component: &[u8]| -> Result<String> {
        let path = scene.folder().join(name);
        std::fs::write(&path, component)?;
        Ok(path.display().to_string())
    };
    let (same, other) = (file("same.wasm", &old)?, file("other.wasm", &new)?);
    let revision = |object: kube::api::DynamicObject| object.metadata.resource_version;
    let greetings = scene.objects("examples.windlass.dev", "v1", "Greeting");
    let before = revision(greetings.get("a").await?);

    let planned = plan(&scene, &[&same]).await?;
    assert_eq!(planned.status.code(), Some(0), "{}{}", text(&planned.stdout), text(&planned.stderr));
    assert!(text(&planned.stdout).contains("0 of 2 resources differ"), "{}", text(&planned.stdout));

    let planned = plan(&scene, &[&other]).await?;
    let shown = text(&planned.stdout);
    assert_eq!(planned.status.code(), Some(2), "{shown}{}", text(&planned.stderr));
    for words in [
        "new: greeting 0.2.0 (sha256:",
        "old: greeting 0.1.0 (sha256:",
        "Greeting.examples.windlass.dev default/a",
        "~ change config (ConfigMap default/a-greeting)",
        "data.text: \"Hello, a!\" -> \"Salve, a!\"",
        "2 of 2 resources differ",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // No colours where nobody looks.
    assert!(!shown.contains('\u{1b}'), "{shown}");

    let planned = plan(&scene, &[&other, "--output", "json"]).await?;
    assert_eq!(planned.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&planned.stdout)?;
    assert_eq!((&document["differs"], &document["different"]), (&json!(true), &json!(2)), "{document}");
    let field = &document["resources"][0]["changes"][0]["fields"][0];
    assert_eq!((&field["path"], &field["new"]), (&json!("data.text"), &json!("\"Salve, a!\"")));

    // Against what exists, where what serves is not to be had.
    std::fs::remove_file(scene.folder().join("files/a.wasm"))?;
    let planned = plan(&scene, &[&other]).await?;
    let shown = text(&planned.stdout);
    assert_eq!(planned.status.code(), Some(2), "{shown}{}", text(&planned.stderr));
    assert!(shown.contains("compared with what exists") && shown.contains("change config"), "{shown}");
    let planned = plan(&scene, &[&other, "--against", &other]).await?;
    assert_eq!(planned.status.code(), Some(0), "{}", text(&planned.stdout));

    // Errors have a code of their own, and say what to do.
    let planned = plan(&scene, &["./missing.wasm"]).await?;
    assert_eq!(planned.status.code(), Some(1));
    assert!(text(&planned.stderr).contains("cannot read ./missing.wasm"), "{}", text(&planned.stderr));
    let planned = plan(&scene, &[&other, "--nonsense"]).await?;
    assert_eq!(planned.status.code(), Some(1));

    assert_eq!(scene.text("a").await?, "Hello, a!");
    assert_eq!(revision(greetings.get("a").await?), before);
    scene.end().await
}
