//! Specs and statuses of every shape: refused at the door, or answered with a condition.

use super::{manifest, post, said, served, unharmed};
use anyhow::{Context, Result, ensure};
use fixtures::stage::{Stage, condition};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn f1_every_shape_of_a_spec_is_refused_at_the_door_or_answered_with_a_condition() -> Result<()> {
    let stage = Stage::start().await?;
    served(&stage).await?;
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let specs: Vec<String> = [
        r#"null"#,
        r#"{}"#,
        r#"[]"#,
        r#""text""#,
        r#"{"version":""}"#,
        r#"{"version":null}"#,
        r#"{"version":"8.0","version":"8.4"}"#,
        r#"{"version":"8.0","replicas":9007199254740993}"#,
        r#"{"version":"8.0","replicas":-9223372036854775808}"#,
        r#"{"version":"8.0","replicas":1e400}"#,
        r#"{"version":"8.0","replicas":1.5}"#,
        r#"{"version":"8.0","replicas":"NaN"}"#,
        r#"{"version":"8.0","replicas":null}"#,
        r#"{"version":"8.0","unknown":{"a":1}}"#,
        r#"{"version":"8.4.999999999999999999999"}"#,
        r#"{"version":"8.0","config":{"max_connections":9223372036854775807}}"#,
        r#"{"version":"8.0","config":{"max_connections":18446744073709551615}}"#,
        r#"{"version":"8.0","config":{"max_connections":null}}"#,
        r#"{"version":"8.0","config":{"max_connections":"NaN","":"x","a b":"y"}}"#,
        r#"{"version":"8.0","storage":null,"backup":null,"config":null,"services":null,"podTemplate":null}"#,
        r#"{"version":"8.0","storage":{"size":"0"}}"#,
        r#"{"version":"8.0","storage":{"size":"99999999999999999999999999999E"}}"#,
        r#"{"version":"8.0","resources":{"limits":{"memory":-1}}}"#,
        r#"{"version":"8.0","resources":{"limits":{"memory":9223372036854775807}}}"#,
        r#"{"version":"8.0","resources":{"requests":{"":"","cpu":"1e999"}}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{}]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{"name":7}]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[null]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{"name":"A","value":{"deep":[]}}]}}"#,
        r#"{"version":"8.0","podTemplate":{"env":[{"name":"A"},{"name":"A"}]}}"#,
        r#"{"version":"8.0","podTemplate":{"sidecars":[{"name":"UPPER CASE","image":3}]}}"#,
        r#"{"version":"8.0","podTemplate":{"volumes":[{"name":"data"}]}}"#,
        r#"{"version":"8.0","podTemplate":{"labels":{"a/b/c":"!!"}}}"#,
        r#"{"version":"8.0","podTemplate":{"topologySpreadConstraints":[{"labelSelector":7}]}}"#,
        r#"{"version":"8.0","podTemplate":{"affinity":{"nodeAffinity":[]}}}"#,
        r#"{"version":"8.0","backup":{"enabled":true,"schedule":"99 99 99 99 99"}}"#,
        r#"{"version":"8.0","backup":{"enabled":true,"schedule":"@never"}}"#,
        r#"{"version":"8.0","backup":{"enabled":true,"timeZone":"Not/A_Zone"}}"#,
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!(r#"{{"version":"8.0","podTemplate":{{"affinity":{}}}}}"#, nested(60)),
        format!(r#"{{"version":"8.0","podTemplate":{{"affinity":{}}}}}"#, nested(110)),
        format!(r#"{{"version":"8.0","podTemplate":{{"affinity":{}}}}}"#, nested(1000)),
    ])
    .collect();
    let mut accepted = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("nasty-{index}");
        match post(&stage, manifest(&name, spec)).await {
            Ok(()) => accepted.push((name, spec)),
            Err(code) => ensure!((400..500).contains(&code), "{spec} is answered by {code}"),
        }
    }
    ensure!(accepted.len() >= 12, "only {} got through the door", accepted.len());
    ensure!(specs.len() - accepted.len() >= 8, "the door is open: {} of {}", accepted.len(), specs.len());
    for (name, spec) in &accepted {
        let shown = said(&stage, name).await.with_context(|| spec.chars().take(200).collect::<String>())?;
        let known = ["AsDesired", "Progressing", "Invalid", "Rejected", "Oversize", "PluginInvalidOutput"];
        ensure!(known.contains(&shown.reason.as_str()), "{spec} is answered by {shown:?}");
        ensure!(!shown.message.is_empty(), "{spec}: no word why");
    }
    unharmed(&stage).await?;
    stage.end().await
}

/// Any JSON, with the fields that a `MySQL` has more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        3 => prop::sample::select(vec!["8.0", "8.4", "10Gi", "0 2 * * *", "Retain", "Delete", "ClusterIP", "name", ""])
            .prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    let field = prop_oneof![
        4 => prop::sample::select(vec![
            "replicas", "version", "image", "storage", "size", "resources", "limits", "memory", "config", "podTemplate",
            "env", "sidecars", "volumes", "affinity", "labels", "services", "primary", "type", "backup", "enabled",
            "schedule", "retention", "count", "podDisruptionBudget", "maxUnavailable", "name", "storageClassName",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(1), Just(3), any::<i64>()].prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => prop::collection::btree_map(field.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Most fields sound, one of them anything.
fn any_spec() -> impl Strategy<Value = Value> {
    let nearly =
        (prop::sample::select(vec!["replicas", "storage", "config", "podTemplate", "services", "backup"]), any_json())
            .prop_map(|(field, value)| {
                let mut spec = json!({"version": "8.0"});
                spec[field] = value;
                spec
            });
    prop_oneof![2 => nearly, 1 => any_json()]
}

#[test]
fn f1_any_json_behind_a_permissive_definition_ends_in_a_condition_or_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(async {
        let stage = Stage::start().await.unwrap();
        served(&stage).await.unwrap();
        open_the_door(&stage).await.unwrap();
        stage
    });
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 96, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let answered = std::cell::Cell::new(0);
    runner
        .run(&(any_spec(), any_json()), |(spec, status)| {
            number.set(number.get() + 1);
            let name = format!("any-{}", number.get());
            let told = runtime.block_on(any_resource(&stage, &name, &spec, &status));
            match told {
                Ok(told) => answered.set(answered.get() + usize::from(told)),
                Err(error) => return Err(TestCaseError::fail(format!("{error:#}"))),
            }
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 30, "only {} resources were answered at all", answered.get());
    runtime.block_on(async {
        unharmed(&stage).await.unwrap();
        stage.end().await.unwrap();
    });
}

/// A schema that lets everything through, as a user with rights on definitions may install it.
async fn open_the_door(stage: &Stage) -> Result<()> {
    let resource = kube::api::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ));
    let definitions: Api<DynamicObject> = Api::all_with(stage.world.client.clone(), &resource);
    let mut definition = definitions.get("mysqls.database.example.com").await?;
    definition.metadata.managed_fields = None;
    definition.data["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definitions.replace("mysqls.database.example.com", &Default::default(), &definition).await?;
    let open = async || Ok(post(stage, manifest("open", r#"{"version":"8.0","anything":[1]}"#)).await.is_ok());
    stage.world.until("the door to be open", open).await?;
    stage.world.until_ready("open", 1).await
}

/// Whether the host said something about a resource with that spec and status.
async fn any_resource(stage: &Stage, name: &str, spec: &Value, status: &Value) -> Result<bool> {
    let passes = stage.passes();
    if post(stage, manifest(name, &spec.to_string())).await.is_err() {
        return Ok(false);
    }
    let patch = Patch::Merge(json!({"status": status}));
    // The server may refuse a status that is no object.
    let _ = stage.world.mysqls().patch_status(name, &PatchParams::default(), &patch).await;
    stage.world.until("a pass over it", async || Ok(stage.passes() > passes)).await?;
    let told = async || {
        let object = stage.world.mysqls().get(name).await?;
        let shown = condition(&object, "Reconciled");
        Ok(!shown.reason.is_empty() && object.data["status"]["observedGeneration"].is_i64())
    };
    stage.world.until(&format!("a word about {spec} with {status}"), told).await?;
    let shown = stage.condition(name, "Reconciled").await?;
    ensure!(!["PluginTrapped", "Trapped", "Panicked"].contains(&shown.reason.as_str()), "{spec}: {shown:?}");
    ensure!(stage.metric("windlass_passes_total", "Panicked") == 0, "{spec} with {status}: a pass panicked");
    Ok(true)
}
