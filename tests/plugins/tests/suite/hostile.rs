//! What must not get into service: each is stopped at its stage, by name, and what served before goes on serving.

use crate::{COMPILER, grants};
use anyhow::Result;
use guests::{Guest, crd, description};
use plugins_suite::greeting;
use plugins_suite::scene::{Scene, compiler};
use serde_json::{Value, json};
use std::fmt::Write;
use windlass::decide::Compiler;

/// A component in the place of a good one stops at a stage, by name; the good one goes on.
async fn refused(component: &[u8], stage: &str, reason: &str, words: &[&str]) -> Result<()> {
    refused_with(component, json!({}), stage, reason, words).await
}

async fn refused_with(component: &[u8], limits: Value, stage: &str, reason: &str, words: &[&str]) -> Result<()> {
    let scene = Scene::start(COMPILER, |config| {
        if let Compiler::Child(child) = compiler(COMPILER) {
            config.compiler = Compiler::Child(windlass::decide::compile::Child { memory: 200 << 20, ..child });
        }
    })
    .await?;
    let good = greeting("Hello, ", 1)?;
    let source = scene.put("a.wasm", &good)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_serves("greeting", &good).await?;
    let source = scene.put("b.wasm", component)?;
    scene.apply("greeting", json!({"source": source, "grants": grants(), "limits": limits})).await?;
    let message = scene.until_says("greeting", stage, "False", reason).await?;
    for word in words {
        assert!(message.contains(word), "{word} in {message}");
    }
    scene.until_says("greeting", "Serving", "True", "PreviousVersion").await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene.end().await
}

/// One function in which every value may come from everywhere: far more work for the compiler than it has bytes.
fn compile_bomb(size: usize) -> Vec<u8> {
    let mut body = String::new();
    for local in 0..size {
        // Writing to a string does not fail.
        let _ = write!(body, "(local $v{local} i64)");
    }
    body.push_str("(loop $again ");
    for local in 0..size {
        let other = (local * 7_919 + 13) % size;
        let _ = write!(
            body,
            "(if (i64.eqz (local.get $v{local})) (then (local.set $v{other} (i64.add (local.get $v{local}) (i64.const {local})))))"
        );
    }
    body.push_str("(br_if $again (i64.eqz (local.get $v0))))");
    Guest::idle().with(&format!("(func $bomb {body})")).doing("(call $bomb)").build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_bomb_is_stopped_in_the_child() -> Result<()> {
    refused(&compile_bomb(6_000), "Compiled", "CompileMemoryLimit", &["209715200 bytes", "build it smaller"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_segment_at_the_end_of_a_gibibyte_is_not_given_a_gibibyte() -> Result<()> {
    let guest = Guest::idle().pages(16_384).with("(data (i32.const 1073741820) \"end\")");
    refused(&guest.build()?, "Compiled", "CompilerRefused", &["minimum byte size of 1073741824"]).await?;
    // Less than the host has room for, and more than its limit.
    let guest = Guest::idle().pages(4_096).with("(data (i32.const 268435452) \"end\")");
    refused(&guest.build()?, "Compiled", "StartsTooLarge", &["268435456 bytes of memory", "`memory`"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_precompiled_file_is_never_loaded() -> Result<()> {
    let forged = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 4096]].concat();
    refused(&forged, "Compiled", "NotAComponent", &["precompiled artifact", "ship the .wasm file"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_for_another_version_of_the_contract_is_told_which_ones_there_are() -> Result<()> {
    let guest = Guest::idle().version("2.0.0").build()?;
    let words = ["windlass:plugin 2.0.0", "windlass:plugin 1.0", "upgrade the host"];
    refused(&guest, "Compatible", "UnknownContractVersion", &words).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_export_is_named() -> Result<()> {
    let guest = Guest::idle().without("decide").build()?;
    refused(&guest, "Compatible", "MissingExport", &["windlass:plugin/reconciler@1.0.0#decide"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeclared_import_is_named() -> Result<()> {
    let guest = Guest::idle().importing("wasi:sockets", "0.2.0", "tcp", "now: func() -> u64").build()?;
    refused(&guest, "Compatible", "UndeclaredImport", &["wasi:sockets/tcp@0.2.0"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_beyond_its_size_is_not_read() -> Result<()> {
    let limits = json!({"componentSize": "4Ki"});
    refused_with(&[0; 5000], limits, "Fetched", "ComponentTooLarge", &["4096 bytes", "componentSize"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_crashes_when_it_describes_itself_is_not_used() -> Result<()> {
    let guest = Guest::idle().doing_in_describe("unreachable").build()?;
    refused(&guest, "Compatible", "DescribeFailed", &["crashed"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_the_plugin_refuses_keep_it_out() -> Result<()> {
    let guest = Guest::idle().judging(json!({"err": [{"path": "image", "message": "is missing"}]})).build()?;
    refused(&guest, "Compatible", "InvalidSettings", &["image", "is missing"]).await
}

pub fn with_versions(versions: Value) -> Result<Vec<u8>> {
    let mut description = description("guest");
    description["serves"][0] = definition(versions);
    Guest::idle().describing(description).build()
}

fn definition(versions: Value) -> Value {
    let mut definition = crd("guest");
    definition["spec"]["versions"] = versions;
    definition
}

pub fn version(name: &str, storage: bool, spec: Value) -> Value {
    let mut version = crd("guest")["spec"]["versions"][0].clone();
    version["name"] = name.into();
    version["storage"] = storage.into();
    version["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec;
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_drops_a_stored_version_is_refused_with_and_without_consent() -> Result<()> {
    let scene = Scene::start(COMPILER, |_| {}).await?;
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let first = with_versions(json!([version("v1", true, open.clone())]))?;
    let source = scene.put("a.wasm", &first)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &first).await?;
    let second = with_versions(json!([version("v2", true, open.clone())]))?;
    let source = scene.put("b.wasm", &second)?;
    for consent in [false, true] {
        scene.apply("guest", json!({"source": source, "allowNarrowing": consent})).await?;
        let message = scene.until_says("guest", "Compatible", "False", "DropsStoredVersion").await?;
        assert!(message.contains("things.guest.example") && message.contains("version v1"), "{message}");
        scene.until_says("guest", "Serving", "True", "PreviousVersion").await?;
    }
    // Both versions side by side are in order.
    let both = with_versions(json!([version("v1", true, open.clone()), version("v2", false, open)]))?;
    let source = scene.put("c.wasm", &both)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &both).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_takes_less_needs_consent() -> Result<()> {
    let scene = Scene::start(COMPILER, |_| {}).await?;
    let of = |spec: Value| with_versions(json!([version("v1", true, spec)]));
    let wide = of(json!({"type": "object", "properties": {"size": {"type": "integer"}, "note": {"type": "string"}}}))?;
    let narrow = of(json!({"type": "object", "properties": {"size": {"type": "integer", "maximum": 3}}}))?;
    let source = scene.put("a.wasm", &wide)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &wide).await?;
    let source = scene.put("b.wasm", &narrow)?;
    scene.apply("guest", json!({"source": source})).await?;
    let message = scene.until_says("guest", "Compatible", "False", "NarrowsSchema").await?;
    for word in ["v1: spec.note is gone", "v1: spec.size has maximum 3", "spec.allowNarrowing"] {
        assert!(message.contains(word), "{word} in {message}");
    }
    scene.apply("guest", json!({"source": source, "allowNarrowing": true})).await?;
    scene.until_serves("guest", &narrow).await?;
    scene.end().await
}
