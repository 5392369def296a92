//! A plugin with a ServiceAccount of its own: the API server's roles are the second wall, and the host has no rights of its
//! own to write what the plugin's resources are made of.

use crate::{COMPILER, grants};
use anyhow::{Context, Result};
use fixtures::stage::condition;
use kube::api::DeleteParams;
use plugins_suite::greeting;
use plugins_suite::scene::Scene;
use serde_json::{Value, json};
use windlass::rbac;

const HOST: &str = "windlass-system/windlass";
const USER: &str = "system:serviceaccount:default:greeter";

/// What `windlass rbac` prints for a host with this Plugin.
fn roles(spec: &Value) -> Result<String> {
    let document = json!({"metadata": {"name": "greeting"}, "spec": spec});
    let mut plugin = rbac::Plugin::of_resource(&document).map_err(anyhow::Error::msg)?;
    plugin.serves.extend(rbac::Served::named("greetings.examples.windlass.dev", true));
    let host = rbac::Host {
        account: model::grant::ServiceAccount::parse(HOST).map_err(anyhow::Error::msg)?,
        namespaces: Vec::new(),
        plugin_resources: true,
        system_namespace: "windlass-system".into(),
    };
    let plugins = [plugin];
    Ok(rbac::yaml(&plugins, &rbac::documents(&host, &plugins, &rbac::Names::default()))?)
}

/// Applies them, each in its own namespace.
async fn apply_roles(scene: &Scene, spec: &Value) -> Result<()> {
    scene.kubectl.run_with_input(&["apply", "--namespace=", "-f", "-"], &roles(spec)?).await.map(drop)
}

/// A host that may do what those roles say and nothing else, and its Plugin, which acts as `default/greeter`.
async fn restricted() -> Result<(Scene, Value)> {
    let mut scene = Scene::prepare(COMPILER, |_| {}).await?;
    let source = scene.put("a.wasm", &greeting("Hello, ", 1)?)?;
    let mut grants = grants();
    grants["serviceAccount"] = json!({"namespace": "default", "name": "greeter"});
    let spec = json!({"source": source, "grants": grants});
    scene.kubectl.run(&["create", "namespace", "windlass-system"]).await?;
    for (namespace, name) in [("windlass-system", "windlass"), ("default", "greeter")] {
        scene.kubectl.run(&["create", "serviceaccount", name, "-n", namespace]).await?;
    }
    apply_roles(&scene, &spec).await?;
    scene.token =
        Some(scene.kubectl.run(&["create", "token", "windlass", "-n", "windlass-system"]).await?.trim().into());
    scene.start_host().await?;
    scene.apply("greeting", spec.clone()).await?;
    scene.until_says("greeting", "Serving", "True", "WantedVersion").await?;
    Ok((scene, spec))
}

/// Waits until the resource's last pass is told to have ended so; the message comes out.
async fn until_told(scene: &Scene, name: &str, status: &str, reason: &str) -> Result<String> {
    let greetings = scene.objects("examples.windlass.dev", "v1", "Greeting");
    let mut message = String::new();
    scene
        .until(&format!("{name} to say {status} {reason}"), async || {
            let shown = condition(&greetings.get(name).await?, "Reconciled");
            message = shown.message;
            Ok(shown.status == status && shown.reason == reason)
        })
        .await?;
    Ok(message)
}

/// Takes the rights on ConfigMaps out of the role of the plugin's account.
async fn without_config_maps(scene: &Scene) -> Result<()> {
    let role = scene.kubectl.json(&["clusterrole", "windlass-plugin-greeting"]).await?;
    let rules = role["rules"].as_array().context("no rules")?;
    let kept: Vec<&Value> = rules.iter().filter(|rule| !rule["resources"].to_string().contains("configmaps")).collect();
    let patch = json!({ "rules": kept }).to_string();
    scene
        .kubectl
        .run(&["patch", "clusterrole", "windlass-plugin-greeting", "--type=merge", "-p", &patch])
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generated_roles_are_enough_for_a_whole_life_in_the_name_of_the_plugin() -> Result<()> {
    let (scene, _) = restricted().await?;
    // The host itself may not, and the account may: what is done below is done in the account's name.
    for (who, answer) in [("system:serviceaccount:windlass-system:windlass", "no"), (USER, "yes")] {
        for right in [["patch", "configmaps"], ["delete", "configmaps"], ["patch", "greetings.examples.windlass.dev"]] {
            let asked = scene.kubectl.run(&["auth", "can-i", right[0], right[1], "--as", who]).await;
            let said = asked.unwrap_or_else(|error| error.to_string());
            assert!(said.contains(answer), "{who} {right:?}: {said}");
        }
    }
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    until_told(&scene, "a", "True", "AsDesired").await?;
    scene.until_says("greeting", "Permitted", "True", "NothingRefused").await?;
    scene.kubectl.run(&["delete", "greetings", "a", "--timeout=20s"]).await?;
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_told_with_verb_resource_and_account_and_is_enough_when_it_comes() -> Result<()> {
    let (scene, spec) = restricted().await?;
    without_config_maps(&scene).await?;
    scene.greet("a").await?;
    let message = until_told(&scene, "a", "False", "Forbidden").await?;
    let plugin = scene.until_says("greeting", "Permitted", "False", "Forbidden").await?;
    for word in ["cannot patch resource \"configmaps\"", USER, "windlass rbac"] {
        assert!(message.contains(word), "{word} in {message}");
        assert!(plugin.contains(word), "{word} in {plugin}");
    }
    assert!(plugin.contains("ServiceAccount default/greeter"), "{plugin}");
    // Without a restart, and without anybody touching the resource.
    apply_roles(&scene, &spec).await?;
    scene.until_greeted("a", "Hello, ").await?;
    until_told(&scene, "a", "True", "AsDesired").await?;
    scene.until_says("greeting", "Permitted", "True", "NothingRefused").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_may_not_act_as_the_account_writes_nothing_and_says_so_on_the_plugin() -> Result<()> {
    let (scene, spec) = restricted().await?;
    scene.kubectl.run(&["delete", "rolebinding", "windlass"]).await?;
    scene.greet("a").await?;
    let message = scene.until_says("greeting", "Permitted", "False", "Forbidden").await?;
    for word in ["cannot impersonate resource \"serviceaccounts\"", "system:serviceaccount:windlass-system:windlass"] {
        assert!(message.contains(word), "{word} in {message}");
    }
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());
    let greeting = scene.objects("examples.windlass.dev", "v1", "Greeting").get("a").await?;
    assert!(greeting.data["status"].is_null() && greeting.metadata.finalizers.is_none());
    apply_roles(&scene, &spec).await?;
    scene.until_greeted("a", "Hello, ").await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_the_plugin_is_gone_goes_in_the_name_of_its_account() -> Result<()> {
    let (scene, _) = restricted().await?;
    scene.greet("a").await?;
    scene.until_greeted("a", "Hello, ").await?;
    until_told(&scene, "a", "True", "AsDesired").await?;
    scene.plugins().delete("greeting", &DeleteParams::default()).await?;
    scene.until("the Plugin to be gone", async || Ok(scene.plugins().get_opt("greeting").await?.is_none())).await?;
    let greetings = scene.objects("examples.windlass.dev", "v1", "Greeting");
    greetings.delete("a", &DeleteParams::default()).await?;
    scene.until("the resource to be gone", async || Ok(greetings.get_opt("a").await?.is_none())).await?;
    assert!(scene.objects("", "v1", "ConfigMap").get_opt("a-greeting").await?.is_none());
    scene.end().await
}
