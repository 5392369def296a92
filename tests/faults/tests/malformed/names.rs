//! Names and texts: what means something elsewhere, and what is too long.

use super::{manifest, post, said, served, unharmed};
use anyhow::{Context, Result, ensure};
use fixtures::stage::{Stage, spec};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn f2_names_and_texts_with_a_meaning_elsewhere_stay_names_and_texts() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let refused = [
        "",
        "-",
        "-a",
        "a-",
        ".a",
        "A",
        "a_b",
        "a b",
        "a/b",
        "../a",
        "%2f",
        "a%2fb",
        "a\u{0}b",
        "a\nb",
        "a`b",
        "a'b",
        "a\"b",
        "\u{202e}a",
        "аdmin",
        "a;drop",
        "a..b",
        "--help",
    ];
    for name in refused {
        let answer = post(&stage, manifest(name, r#"{"version":"8.0"}"#)).await;
        ensure!(matches!(answer, Err(400..500)), "{name:?} is answered by {answer:?}");
    }
    for name in ["0", "0-1", "a.b.c", "a--b", "1.2.3.4", "xn--dmin-7cd"] {
        ensure!(post(&stage, manifest(name, r#"{"version":"8.0"}"#)).await.is_ok(), "{name} is a name");
        stage.world.until_ready(name, 1).await.with_context(|| name.to_owned())?;
    }
    // A value of a setting cannot become another setting.
    for (at, value) in ["1\nskip-grant-tables", "1\rskip-grant-tables", "1\u{0}x", "\"'x"].into_iter().enumerate() {
        let name = format!("injects-{at}");
        let spec = json!({"version": "8.0", "config": {"max_connections": value}}).to_string();
        ensure!(post(&stage, manifest(&name, &spec)).await.is_ok(), "the schema lets it through");
        let shown = said(&stage, &name).await?;
        ensure!(shown.reason == "Invalid" && shown.message.contains("max_connections"), "{value:?}: {shown:?}");
        ensure!(!shown.message.contains(['\n', '\r', '\0']), "a line break in a condition: {shown:?}");
        let config = stage.world.api("", "v1", "ConfigMap").get_opt(&format!("{name}-config")).await?;
        ensure!(config.is_none(), "it was made although it is invalid");
    }
    let spec = json!({"version": "8.0", "config": {"init_connect": "SET @a='`x`; -- #'"}}).to_string();
    ensure!(post(&stage, manifest("quotes", &spec)).await.is_ok(), "the schema lets it through");
    stage.world.until_ready("quotes", 1).await?;
    let config = stage.world.api("", "v1", "ConfigMap").get("quotes-config").await?;
    let text = config.data["data"].to_string();
    ensure!(text.contains(r#"init_connect = \"SET @a='`x`; -- #'\""#), "not quoted: {text}");
    unharmed(&stage).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_long_names_get_hashed_children_that_are_always_the_same_and_never_shared() -> Result<()> {
    let stage = Stage::start().await?;
    let world = &stage.world;
    let label = |last: &str| format!("{}{last}", "a".repeat(62));
    let long = |last: &str| format!("{}.{}{last}", "b".repeat(200), "c".repeat(51));
    let names = [label("x"), label("y"), long("x"), long("y")];
    ensure!(names[0].len() == 63 && names[2].len() == 253, "the longest names");
    for name in &names {
        world.apply(name, spec(2, true)).await?;
    }
    for name in &names {
        world.until_ready(name, 2).await?;
        stage.until_reason(name, "Reconciled", "AsDesired").await?;
    }
    world.until_quiet().await?;
    let children = |world: &fixtures::World| {
        let dump = world.server.store().dump();
        let mut children: Vec<(String, String)> = dump
            .iter()
            .filter(|(_, object)| object.pointer("/metadata/labels/windlass.dev~1owner-uid").is_some())
            // Those are made by the cluster's own controllers, with the labels of their Services.
            .filter(|(name, _)| !name.starts_with("endpoint"))
            .map(|(name, object)| (name.clone(), object["metadata"]["uid"].to_string()))
            .collect();
        children.sort();
        children
    };
    let before = children(world);
    // Thirteen of each MySQL, two of each Backup: nobody shares any.
    ensure!(before.len() == names.len() * 15, "{} children: {before:#?}", before.len());
    for (child, _) in &before {
        let name = child.rsplit_once('/').context("no name")?.1;
        ensure!(name.len() <= 63, "{child} is too long for a label");
        ensure!(!child.starts_with("statefulsets") || name.len() <= 52, "{child} is too long for its pods");
        ensure!(!child.starts_with("cronjobs") || name.len() <= 52, "{child} is too long for its Jobs");
    }
    // Another process derives the same names.
    let writes = stage.writes.count();
    let stage = stage.restart(|_| {}).await?;
    stage.world.until("a look at all", async || Ok(stage.metric("windlass_passes_total", "MySQL") >= 4)).await?;
    stage.world.until_quiet().await?;
    ensure!(stage.writes.count() == writes, "{:?}", stage.writes.list().split_off(writes));
    ensure!(children(&stage.world) == before, "other children");
    stage.end().await
}
