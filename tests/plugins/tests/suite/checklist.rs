//! Rows of the checklist for operators that no other file of this suite has.

use crate::hostile::{version, with_versions};
use crate::{COMPILER, grants, scene};
use anyhow::Result;
use fixtures::wire::Fate;
use guests::Guest;
use kube::api::{DeleteParams, Patch, PatchParams};
use plugins_suite::greeting;
use plugins_suite::scene::Scene;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

async fn thing(scene: &Scene, version: &str, name: &str, spec: Value) -> Result<()> {
    let api = scene.objects("guest.example", version, "Thing");
    let manifest = json!({
        "apiVersion": format!("guest.example/{version}"), "kind": "Thing", "metadata": {"name": name}, "spec": spec,
    });
    api.patch(name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
    Ok(())
}

async fn until_ready(scene: &Scene, plugin: &str, total: usize) -> Result<()> {
    let wanted = json!({"total": total, "ready": total, "failing": 0});
    let what = format!("{total} resources of {plugin} to be ready");
    scene.until(&what, async || Ok(scene.status(plugin).await?["resources"] == wanted)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_kind_moves_to_another_stored_version_and_no_field_of_a_resource_is_lost() -> Result<()> {
    let scene = scene().await?;
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let of = |name: &str, storage: bool, served: bool| {
        let mut version = version(name, storage, open.clone());
        version["served"] = served.into();
        version
    };
    let old = with_versions(json!([of("v1alpha1", true, true)]))?;
    let both = with_versions(json!([of("v1", true, true), of("v1alpha1", false, true)]))?;
    let new = with_versions(json!([of("v1", true, true), of("v1alpha1", false, false)]))?;
    let spec = |file: &str, consent: bool| json!({"source": {"file": {"path": file}}, "allowNarrowing": consent});
    for (file, component) in [("old.wasm", &old), ("both.wasm", &both), ("new.wasm", &new)] {
        scene.put(file, component)?;
    }
    scene.apply("guest", spec("old.wasm", false)).await?;
    scene.until_serves("guest", &old).await?;
    let content = json!({"known": 1, "nobody": {"knows": ["this"]}});
    thing(&scene, "v1alpha1", "a", content.clone()).await?;
    until_ready(&scene, "guest", 1).await?;

    // Stored in two versions, decided for in one.
    scene.apply("guest", spec("both.wasm", false)).await?;
    scene.until_serves("guest", &both).await?;
    thing(&scene, "v1", "b", content.clone()).await?;
    until_ready(&scene, "guest", 2).await?;
    assert_eq!(scene.status("guest").await?["kinds"][0]["apiVersion"], "guest.example/v1");

    // A version that is not served any more takes something away, which is said and needs consent.
    scene.apply("guest", spec("new.wasm", false)).await?;
    let message = scene.until_says("guest", "Compatible", "False", "NarrowsSchema").await?;
    assert!(message.contains("v1alpha1"), "{message}");
    scene.apply("guest", spec("new.wasm", true)).await?;
    scene.until_serves("guest", &new).await?;
    until_ready(&scene, "guest", 2).await?;
    for name in ["a", "b"] {
        assert_eq!(scene.objects("guest.example", "v1", "Thing").get(name).await?.data["spec"], content, "{name}");
    }
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_a_host_that_starts_anew_writes_no_child_that_is_as_it_should_be() -> Result<()> {
    let mut scene = scene().await?;
    let component = greeting("Hello, ", 1)?;
    let source = scene.put("a.wasm", &component)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_serves("greeting", &component).await?;
    for number in 0..20 {
        scene.greet(&format!("g{number}")).await?;
    }
    until_ready(&scene, "greeting", 20).await?;
    scene.stop_host().await?;
    scene.wire.forget();
    scene.start_host().await?;
    // It has looked at all of them when one that is made now is ready.
    scene.greet("late").await?;
    scene.until_greeted("late", "Hello, ").await?;
    until_ready(&scene, "greeting", 21).await?;
    let children = |sent: &fixtures::wire::Sent| sent.is_write() && sent.path.contains("/configmaps");
    let late = scene.wire.count(|sent| children(sent) && sent.writes("configmaps", "late-greeting"));
    assert!(late > 0);
    assert_eq!(scene.wire.count(children), late, "children of others were written");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn h7_what_a_newer_host_wrote_down_is_left_alone_and_read_as_far_as_it_is_known() -> Result<()> {
    let mut scene = scene().await?;
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let source = scene.put("a.wasm", &first)?;
    scene.apply("greeting", json!({"source": source, "grants": grants()})).await?;
    scene.until_serves("greeting", &first).await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    until_ready(&scene, "greeting", 1).await?;
    scene.stop_host().await?;

    let greetings = scene.objects("examples.windlass.dev", "v1", "Greeting");
    let found = greetings.get("a").await?;
    let inventory = &found.metadata.annotations.clone().unwrap_or_default()["windlass.dev/inventory"];
    let mut inventory: Value = serde_json::from_str(inventory)?;
    inventory["future"] = json!({"of": "the host"});
    inventory["items"][0]["future"] = json!(true);
    let patch = json!({"metadata": {"annotations": {
        "windlass.dev/inventory": inventory.to_string(), "windlass.dev/future": "something",
    }}});
    greetings.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    let condition = json!({
        "type": "FromTheFuture", "status": "True", "reason": "Newer", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let mut conditions = found.data["status"]["conditions"].clone();
    conditions.as_array_mut().unwrap().push(condition);
    let patch = json!({"status": {"conditions": conditions}});
    greetings.patch_status("a", &PatchParams::default(), &Patch::Merge(&patch)).await?;

    scene.put("a.wasm", &second)?;
    scene.start_host().await?;
    scene.until_greeted("a", "Salve, ").await?;
    let annotations = greetings.get("a").await?.metadata.annotations.unwrap_or_default();
    assert_eq!(annotations["windlass.dev/future"], "something");
    greetings.delete("a", &DeleteParams::default()).await?;
    scene.until("the resource to be gone", async || Ok(greetings.get_opt("a").await?.is_none())).await?;
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn h8_a_new_version_is_decided_for_all_resources_within_the_cap_of_requests() -> Result<()> {
    const RESOURCES: usize = 200;
    const CAP: u32 = 40;
    let mut scene = scene().await?;
    let (first, second) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    let source = scene.put("a.wasm", &first)?;
    let spec = json!({"source": source, "grants": grants()});
    scene.apply("greeting", spec.clone()).await?;
    scene.until_serves("greeting", &first).await?;
    for number in 0..RESOURCES {
        scene.greet(&format!("g{number}")).await?;
    }
    until_ready(&scene, "greeting", RESOURCES).await?;
    scene.stop_host().await?;
    scene.config.requests_per_second = CAP;
    scene.start_host().await?;
    until_ready(&scene, "greeting", RESOURCES).await?;

    let writes: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = writes.clone();
    scene.wire.rule(move |sent| {
        if sent.is_write() && (sent.path.contains("/configmaps") || sent.path.contains("/greetings/")) {
            noted.lock().unwrap().push(sent.at);
        }
        Fate::Pass
    });
    scene.put("a.wasm", &second)?;
    for number in 0..RESOURCES {
        scene.until_greeted(&format!("g{number}"), "Salve, ").await?;
    }
    until_ready(&scene, "greeting", RESOURCES).await?;
    let writes = writes.lock().unwrap().clone();
    assert!(writes.len() >= RESOURCES, "{}", writes.len());
    // After a quiet time two seconds' worth may go at once, and then the rate.
    let least = Duration::from_secs(1) * u32::try_from(writes.len())?.saturating_sub(2 * CAP) / CAP;
    let took = writes.iter().max().zip(writes.iter().min()).map(|(last, first)| *last - *first).unwrap_or_default();
    assert!(took + Duration::from_millis(100) >= least, "{} writes within {took:?}", writes.len());
    assert!(least > Duration::from_secs(2), "too few writes to tell");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn g11_texts_of_a_plugin_are_cut_and_cannot_act_on_whoever_reads_a_condition_or_an_event() -> Result<()> {
    let scene = scene().await?;
    let text = format!("\u{1b}[2Jgone\r\n\u{202e}{}", "x".repeat(20_000));
    let judging = Guest::idle().judging(json!({"err": [{"path": text, "message": text}]})).build()?;
    let source = scene.put("a.wasm", &judging)?;
    scene.apply("guest", json!({"source": source})).await?;
    let harmless = |message: &str| {
        let acts = |it: char| it.is_control() || ('\u{202a}'..='\u{202e}').contains(&it);
        message.len() <= 4096 && !message.chars().any(acts) && message.contains("\\u{1b}[2Jgone")
    };
    let message = scene.until_says("guest", "Compatible", "False", "InvalidSettings").await?;
    assert!(harmless(&message), "{message:?}");

    let failing = Guest::answering(json!({"err": {"broken": text}})).build()?;
    let source = scene.put("b.wasm", &failing)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &failing).await?;
    thing(&scene, "v1", "a", json!({})).await?;
    let things = scene.objects("guest.example", "v1", "Thing");
    let mut told = Vec::new();
    scene
        .until("the fault to be told", async || {
            let status = things.get("a").await?.data["status"].clone();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            told = conditions.iter().filter_map(|it| Some(it["message"].as_str()?.to_owned())).collect();
            told.retain(|message| message.contains("gone"));
            Ok(!told.is_empty())
        })
        .await?;
    assert!(told.iter().all(|message| harmless(message)), "{told:?}");
    for event in scene.objects("events.k8s.io", "v1", "Event").list(&Default::default()).await? {
        let note = event.data["note"].as_str().unwrap_or_default();
        assert!(note.len() <= 1024 && !note.chars().any(char::is_control), "{note:?}");
    }
    scene.end().await
}

/// 48 is the line with long support; 48.0.8 closes what is known of it.
#[test]
fn g13_the_runtime_of_plugins_is_one_with_the_known_holes_closed() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let (_, entry) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
    let version = entry.split('"').next().unwrap();
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(numbers[..2] == [48, 0] && numbers[2] >= 8, "{version}");
    assert_eq!(lock.matches("name = \"wasmtime\"\n").count(), 1);
    // The compiler that the suite's hosts use is the host's own.
    assert!(COMPILER.ends_with("plugins-windlass"));
}
