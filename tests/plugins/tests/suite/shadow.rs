//! A new version is asked about every resource before it decides for one.

use crate::{grants, scene};
use anyhow::Result;
use guests::{Guest, crd};
use kube::api::{Patch, PatchParams};
use plugins_suite::scene::Scene;
use plugins_suite::{greeting, sha256};
use serde_json::{Value, json};

/// A resource of the plugin `guest`.
pub async fn thing(scene: &Scene, name: &str) -> Result<()> {
    let api = scene.objects("guest.example", "v1", "Thing");
    let manifest = json!({"apiVersion": "guest.example/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {}});
    api.patch(name, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
    Ok(())
}

/// Sets annotations on an object.
pub async fn annotate(scene: &Scene, kind: (&str, &str, &str), name: &str, annotations: Value) -> Result<()> {
    let api = scene.objects(kind.0, kind.1, kind.2);
    let patch = json!({"metadata": {"annotations": annotations}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

const GREETING: (&str, &str, &str) = ("examples.windlass.dev", "v1", "Greeting");

/// Counts writes to ConfigMaps from now on.
pub fn count_maps(scene: &Scene) -> impl Fn() -> usize + use<> {
    let wire = scene.wire.clone();
    wire.forget();
    move || wire.count(|sent| sent.is_write() && sent.path.contains("/configmaps"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_version_would_change_is_told_before_it_changes_anything() -> Result<()> {
    let scene = scene().await?;
    let (old, new) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    scene.put("a.wasm", &old)?;
    let spec = json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants(), "rollout": {"strategy": "Manual"}});
    scene.apply("greeting", spec).await?;
    scene.until_serves("greeting", &old).await?;
    for name in ["a", "b", "paused"] {
        scene.greet(name).await?;
        scene.until_greeted(name, "Hello, ").await?;
    }
    annotate(&scene, GREETING, "paused", json!({"windlass.dev/paused": "true"})).await?;
    let maps = count_maps(&scene);
    scene.put("a.wasm", &new)?;

    let message = scene.until_says("greeting", "Shadowed", "False", "AwaitingApproval").await?;
    let token = format!("sha256:{}", sha256(&new));
    assert!(message.contains("2 of 3 resources differ") && message.contains(&token), "{message}");
    let told = scene.until_phase("greeting", "Waiting").await?;
    assert_eq!((&told["digest"], &told["approve"], &told["version"]), (&json!(token), &json!(token), &json!("0.2.0")));
    let shadow = &told["shadow"];
    assert_eq!(shadow["complete"], true, "{shadow}");
    for (field, count) in [("total", 3), ("judged", 2), ("equal", 0), ("different", 2), ("failing", 0), ("destroys", 0)]
    {
        assert_eq!(shadow[field], count, "{field}: {shadow}");
    }
    // What is paused was not judged, and is not counted as equal.
    assert_eq!(shadow["notJudged"], json!({"Paused": 1}));
    assert_eq!(shadow["changes"], json!({"change": 2, "status": 2}));
    let worst = &shadow["worst"][0];
    assert_eq!(
        (&worst["resource"], &worst["item"], &worst["change"]),
        (&json!("default/a"), &json!("config"), &json!("change"))
    );
    assert_eq!((&worst["fields"], &worst["target"]), (&json!(["data.text"]), &json!("ConfigMap default/a-greeting")));
    // The words of the plugin are not in the status: paths are, values are not.
    assert!(!shadow.to_string().contains("Salve"), "{shadow}");
    let shown = scene.kubectl.run(&["get", "plugins"]).await?;
    assert!(shown.contains("ROLLOUT") && shown.contains("Waiting"), "{shown}");

    // Nothing was done, and the old version decides on.
    assert_eq!(maps(), 0);
    scene.greet("c").await?;
    scene.until_greeted("c", "Hello, ").await?;

    // An approval of something else approves nothing.
    let kubectl = &scene.kubectl;
    kubectl.run(&["annotate", "plugin", "greeting", "windlass.dev/approve=sha256:0000"]).await?;
    scene.until_says("greeting", "Shadowed", "False", "AwaitingApproval").await?;
    assert_eq!(scene.text("a").await?, "Hello, a!");
    kubectl.run(&["annotate", "plugin", "greeting", "--overwrite", &format!("windlass.dev/approve={token}")]).await?;
    scene.until_serves("greeting", &new).await?;
    scene.until_greeted("a", "Salve, ").await?;
    scene.until_says("greeting", "Shadowed", "True", "Approved").await?;
    scene.until_phase("greeting", "Promoted").await?;
    assert_eq!(scene.text("paused").await?, "Hello, paused!");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_changes_nothing_bad_takes_over_by_itself_and_the_difference_stays_told() -> Result<()> {
    let scene = scene().await?;
    let (old, new) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    scene.put("a.wasm", &old)?;
    scene.apply("greeting", json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants()})).await?;
    scene.until_says("greeting", "Shadowed", "True", "NothingToCompare").await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene.put("a.wasm", &new)?;
    scene.until_greeted("a", "Salve, ").await?;
    let told = scene.until_phase("greeting", "Promoted").await?;
    assert_eq!(told["shadow"]["different"], 1, "{told}");
    scene.until_says("greeting", "Shadowed", "True", "Differences").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_in_the_shadow_never_decides() -> Result<()> {
    let scene = scene().await?;
    let good = Guest::idle().build()?;
    let source = scene.put("a.wasm", &good)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &good).await?;
    for number in 0..15 {
        thing(&scene, &format!("thing-{number}")).await?;
    }
    scene
        .until("all resources to be ready", async || {
            Ok(scene.status("guest").await?["resources"] == json!({"total": 15, "ready": 15, "failing": 0}))
        })
        .await?;
    let bad = Guest::idle().doing("unreachable").build()?;
    scene.put("a.wasm", &bad)?;
    let message = scene.until_says("guest", "Shadowed", "False", "ShadowFailed").await?;
    assert!(message.contains("PluginCrashed") && message.contains("default/thing-"), "{message}");
    let message = scene.until_says("guest", "Serving", "True", "PreviousVersion").await?;
    assert!(message.contains(&sha256(&good)), "{message}");
    let status = scene.status("guest").await?;
    assert_eq!(status["rollout"]["shadow"]["failing"], 15, "{status}");
    assert_eq!(status["resources"], json!({"total": 15, "ready": 15, "failing": 0}));
    scene.end().await
}

/// A plugin whose things are a StatefulSet and a ConfigMap, or the latter alone.
fn stateful(with_set: bool) -> Result<Vec<u8>> {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"replicas": 0, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}}},
    });
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "db"}, "data": {"a": "b"}});
    let item = |id: &str, object: &Value| json!({"id": id, "body": {"kubernetes": object.to_string()}});
    let mut items = vec![item("config", &map)];
    if with_set {
        items.push(item("set", &set));
    }
    let description = json!({
        "name": "guest", "version": if with_set { "1.0.0" } else { "2.0.0" }, "serves": [crd("guest")],
        "writes": [
            {"group": "", "version": "v1", "kind": "ConfigMap"}, {"group": "apps", "version": "v1", "kind": "StatefulSet"},
        ],
    });
    Guest::answering(json!({"ok": {"status": "{}", "items": items}})).describing(description).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_takes_away_what_holds_state_stops_and_asks() -> Result<()> {
    let scene = scene().await?;
    let (old, new) = (stateful(true)?, stateful(false)?);
    scene.put("a.wasm", &old)?;
    let grants = json!({"writes": [{"group": "", "kind": "ConfigMap"}, {"group": "apps", "kind": "StatefulSet"}]});
    let spec = |rollout: Value| json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants, "rollout": rollout});
    scene.apply("guest", spec(json!({}))).await?;
    scene.until_serves("guest", &old).await?;
    thing(&scene, "a").await?;
    let sets = scene.objects("apps", "v1", "StatefulSet");
    scene.until("the set", async || Ok(sets.get_opt("db").await?.is_some())).await?;
    scene.put("a.wasm", &new)?;
    let message = scene.until_says("guest", "Shadowed", "False", "DestroysState").await?;
    let token = format!("sha256:{}", sha256(&new));
    for word in ["default/a", "delete set (StatefulSet.apps default/db)", "windlass.dev/approve", token.as_str()] {
        assert!(message.contains(word), "{word}: {message}");
    }
    let told = scene.until_phase("guest", "Waiting").await?;
    assert_eq!((&told["shadow"]["destroys"], &told["shadow"]["changes"]["delete"]), (&json!(1), &json!(1)), "{told}");
    assert!(sets.get("db").await?.metadata.deletion_timestamp.is_none());

    // Approved by the spec. The guard of the resource still stands.
    scene.apply("guest", spec(json!({"approved": token}))).await?;
    scene.until_serves("guest", &new).await?;
    scene.until_says("guest", "Shadowed", "True", "Approved").await?;
    assert!(sets.get("db").await?.metadata.deletion_timestamp.is_none());
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_has_seen_enough_is_not_taken_for_equal() -> Result<()> {
    let scene = scene().await?;
    let good = Guest::idle().build()?;
    let source = scene.put("a.wasm", &good)?;
    scene.apply("guest", json!({"source": source})).await?;
    scene.until_serves("guest", &good).await?;
    thing(&scene, "a").await?;
    scene
        .until("the resource to be ready", async || Ok(scene.status("guest").await?["resources"]["ready"] == 1))
        .await?;
    let query = json!({"name": "more", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "names": []});
    scene.put("a.wasm", &Guest::answering(json!({"err": {"needs": [query]}})).build()?)?;
    let message = scene.until_says("guest", "Shadowed", "False", "NotJudged").await?;
    assert!(message.contains("1 NeedsUnending"), "{message}");
    let shadow = scene.status("guest").await?["rollout"]["shadow"].clone();
    assert_eq!((&shadow["equal"], &shadow["notJudged"]), (&json!(0), &json!({"NeedsUnending": 1})), "{shadow}");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn other_grants_are_shadowed_too_and_approved_apart_from_the_digest() -> Result<()> {
    let scene = scene().await?;
    let component = greeting("Hello, ", 1)?;
    scene.put("a.wasm", &component)?;
    let spec = |grants: Value, approved: Option<&str>| {
        json!({
            "source": {"file": {"path": "a.wasm"}}, "grants": grants,
            "rollout": {"strategy": "Manual", "approved": approved},
        })
    };
    let digest = format!("sha256:{}", sha256(&component));
    scene.apply("greeting", spec(grants(), Some(&digest))).await?;
    scene.until_serves("greeting", &component).await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    let none = json!({"writes": [{"group": "batch", "kind": "Job"}]});
    scene.apply("greeting", spec(none.clone(), Some(&digest))).await?;
    let message = scene.until_says("greeting", "Shadowed", "False", "ShadowFailed").await?;
    assert!(message.contains("refused"), "{message}");
    let told = scene.until_phase("greeting", "Waiting").await?;
    let token = told["approve"].as_str().unwrap_or_default().to_owned();
    assert!(token.starts_with(&format!("{digest}+")), "{token}");
    // Back to what serves: as if nothing had been.
    scene.apply("greeting", spec(grants(), Some(&digest))).await?;
    scene.until_says("greeting", "Serving", "True", "WantedVersion").await?;
    scene.apply("greeting", spec(none, Some(&token))).await?;
    scene
        .until("the resource to fail, as was approved", async || {
            Ok(scene.status("greeting").await?["resources"]["failing"] == 1)
        })
        .await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_run_over_many_resources_tells_how_far_it_is_and_does_not_hold_up_the_serving_version() -> Result<()> {
    let scene = scene().await?;
    let (old, new) = (greeting("Hello, ", 1)?, greeting("Salve, ", 2)?);
    scene.put("a.wasm", &old)?;
    let spec = json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants(), "rollout": {"strategy": "Manual"}});
    scene.apply("greeting", spec).await?;
    scene.until_serves("greeting", &old).await?;
    for number in 0..400 {
        scene.greet(&format!("g{number}")).await?;
    }
    for number in 0..400 {
        scene.until_greeted(&format!("g{number}"), "Hello, ").await?;
    }
    scene.put("a.wasm", &new)?;
    scene.until_phase("greeting", "Shadowing").await?;
    // While it runs, a new resource is served by the old version as ever.
    scene.greet("late").await?;
    scene.until_greeted("late", "Hello, ").await?;
    let told = scene.until_phase("greeting", "Waiting").await?;
    assert_eq!((&told["shadow"]["complete"], &told["shadow"]["different"]), (&json!(true), &told["shadow"]["total"]));
    assert!(told["shadow"]["total"].as_u64() >= Some(400), "{told}");
    assert_eq!(told["shadow"]["worst"].as_array().map(Vec::len), Some(20));
    scene.end().await
}
