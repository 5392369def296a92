//! `windlass rbac` as a user runs it: roles from files, from a folder and from a cluster.

use crate::{COMPILER, grants, scene};
use anyhow::{Context, Result};
use plugins_suite::command::Windlass;
use plugins_suite::greeting;
use serde_json::{Value, json};
use std::path::Path;

/// Verbs on resources of a group that some role gives.
fn rights(list: &Value) -> Vec<(String, String, String)> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let mut rights = Vec::new();
    for rule in list["items"].as_array().into_iter().flatten().flat_map(|role| role["rules"].as_array()).flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| (verb, group.clone(), resource.clone())));
            }
        }
    }
    rights
}

fn has(rights: &[(String, String, String)], verb: &str, group: &str, resource: &str) -> bool {
    rights.iter().any(|right| (right.0.as_str(), right.1.as_str(), right.2.as_str()) == (verb, group, resource))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_are_those_of_the_grants_wherever_the_plugin_is_read_from_and_a_cluster_takes_them() -> Result<()> {
    let scene = scene().await?;
    let folder = tempfile::tempdir()?;
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    let component = greeting("Hello, ", 1)?;
    std::fs::write(folder.path().join("a.wasm"), &component)?;
    let spec = json!({"source": {"file": {"path": "a.wasm"}}, "grants": grants()});
    let plugin = json!({
        "apiVersion": "windlass.dev/v1alpha1", "kind": "Plugin", "metadata": {"name": "greeting"}, "spec": spec,
    });
    // JSON is YAML.
    std::fs::write(folder.path().join("plugin.yaml"), plugin.to_string())?;
    let by_component = windlass.json(&["rbac", "--file", "plugin.yaml", "--plugin-files", "."]).await?;
    let found = rights(&by_component);
    assert!(has(&found, "patch", "", "configmaps"), "{found:?}");
    assert!(has(&found, "patch", "examples.windlass.dev", "greetings/status"), "{found:?}");
    assert!(found.iter().all(|(verb, group, resource)| verb != "*" && group != "*" && resource != "*"), "{found:?}");
    // The host's own Secret in its own namespace is all that there is besides.
    let too_much = |(verb, _, resource): &(String, String, String)| {
        resource == "pods" || resource == "secrets" && !["create", "get"].contains(&verb.as_str())
    };
    assert!(!found.iter().any(too_much), "{found:?}");

    // Without the component somebody has to say what it serves.
    let error = windlass.refused(&["rbac", "--file", "plugin.yaml"]).await?;
    assert!(error.contains("which kinds plugin greeting serves is not known"), "{error}");
    let said = "greeting=greetings.examples.windlass.dev";
    let by_word = windlass.json(&["rbac", "--file", "plugin.yaml", "--serves", said]).await?;
    assert_eq!(by_word, by_component);
    let error = windlass.refused(&["rbac"]).await?;
    assert!(error.contains("--plugins DIR"), "{error}");

    // What is served tells it as well, and the cluster takes what is printed.
    scene.put("a.wasm", &component)?;
    scene.apply("greeting", spec).await?;
    scene.until_serves("greeting", &component).await?;
    let kubeconfig = scene.folder().join("kubeconfig").display().to_string();
    let by_cluster = windlass.json(&["rbac", "--cluster", "--kubeconfig", &kubeconfig]).await?;
    assert_eq!(rights(&by_cluster), found);
    let printed = windlass.ok(&["rbac", "--file", "plugin.yaml", "--plugin-files", "."]).await?;
    let _ = scene.kubectl.run(&["create", "namespace", "windlass-system"]).await;
    scene.kubectl.run_with_input(&["apply", "--namespace=", "-f", "-"], &printed).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_the_roles_that_are_in_the_manifests() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let windlass = Windlass { program: COMPILER, home: folder.path() };
    let built = fixtures::components::folder()?;
    for name in ["azuresql", "backup", "mysql"] {
        for ending in ["wasm", "grants.yaml"] {
            let file = format!("{name}.{ending}");
            std::fs::copy(built.join(&file), folder.path().join(&file))
                .with_context(|| format!("{file} is not built"))?;
        }
    }
    let printed = windlass.ok(&["rbac", "--plugins", ".", "--no-plugin-resources"]).await?;
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests/20-rbac.yaml");
    assert_eq!(printed, std::fs::read_to_string(stored)?);
    Ok(())
}
