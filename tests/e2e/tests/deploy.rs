//! The plain manifests: the API server takes them, and the rights in them are enough for the host and no more.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use apiserver::faults::{Effect, Match, Rule, RuleId};
use azure::{Cloud, Config, SystemClock, Timing};
use fixtures::host::{self, Host};
use fixtures::world::{NAMESPACE, World};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use model::redact::Redacted;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use windlass::azure::{Azure, Endpoints, Identity, Wire};
use windlass::rbac;

/// The vault that the plugin's settings name.
const VAULT: &str = "windlass-customers";

/// One right: a verb on a resource of a group, subresource included.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
}

fn manifests() -> Result<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests");
    let mut files: Vec<_> = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut documents = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for document in serde_yaml::Deserializer::from_str(&text) {
            documents.push(Value::deserialize(document).with_context(|| format!("{} is no YAML", file.display()))?);
        }
    }
    Ok(documents)
}

fn rights(documents: &[Value]) -> Vec<Right> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let mut rights = Vec::new();
    for rule in documents.iter().filter_map(|document| document["rules"].as_array()).flatten() {
        for group in texts(&rule["apiGroups"]) {
            for whole in texts(&rule["resources"]) {
                let (resource, subresource) = whole.split_once('/').unwrap_or((&whole, ""));
                for verb in texts(&rule["verbs"]) {
                    let (group, resource) = (group.clone(), resource.to_owned());
                    rights.push(Right { verb, group, resource, subresource: subresource.to_owned() });
                }
            }
        }
    }
    rights
}

async fn apply(world: &World, document: &Value) -> Result<()> {
    let kind = document["kind"].as_str().context("a document without kind")?;
    let version = document["apiVersion"].as_str().context("a document without apiVersion")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = kube::api::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind));
    let name = document["metadata"]["name"].as_str().context("a document without name")?;
    let parameters =
        PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..PatchParams::apply("deploy") };
    match document["metadata"]["namespace"].as_str() {
        Some(namespace) => {
            let api: Api<kube::api::DynamicObject> = Api::namespaced_with(world.client.clone(), namespace, &resource);
            api.patch(name, &parameters, &Patch::Apply(document)).await
        }
        None => {
            let api: Api<kube::api::DynamicObject> = Api::all_with(world.client.clone(), &resource);
            api.patch(name, &parameters, &Patch::Apply(document)).await
        }
    }
    .with_context(|| format!("{kind} {name} is refused"))
    .map(drop)
}

/// A host that has what the ServiceAccount of the manifests has, and an Azure.
async fn restricted_host(world: &World, azure: &azure::Server) -> Result<Host> {
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), host::SYSTEM_NAMESPACE);
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    let token = accounts.create_token_request("windlass", &PostParams::default(), &request).await?;
    let token = token.status.and_then(|status| status.token).context("no token")?;
    let mut config = kube::Config::new(world.server.url().parse()?);
    config.auth_info.token = Some(token.into());
    let login = "https://login.windlass.test".to_owned();
    let vault = (format!("https://{VAULT}.vault.azure.net"), azure.vault(VAULT));
    let instead = [(login.clone(), azure.login()), vault];
    let endpoints = Endpoints { resource_manager: azure.arm(), login, instead: instead.into(), ..Endpoints::public() };
    let identity = Identity::ClientSecret {
        tenant: "00000000-0000-4000-8000-00000000da7e".into(),
        client: "00000000-0000-4000-8000-0000000000c1".into(),
        secret: Redacted::new("a-client-secret".to_owned()),
    };
    let wire = Arc::new(Wire::new(endpoints.instead.clone()));
    let backend = Arc::new(Azure::new(endpoints, wire, Some(identity)));
    let plugins = host::load(&["azuresql"]).await?;
    let change = |config: &mut windlass::run::RunConfig| {
        config.loaded.extend(plugins);
        config.azure = backend;
    };
    world.host_over(host::connect(config)?, change).await
}

/// The `AzureSQLServer` resources.
fn cloud_servers(world: &World) -> Api<kube::api::DynamicObject> {
    let kind = kube::core::GroupVersionKind::gvk("serviceoperator.azure.com", "v1beta1", "AzureSQLServer");
    let resource = kube::api::ApiResource::from_gvk_with_plural(&kind, "azuresqlservers");
    Api::namespaced_with(world.client.clone(), NAMESPACE, &resource)
}

/// Applies a server with a firewall rule and waits until it is ready.
async fn cloud_server(world: &World, address: &str) -> Result<()> {
    let (servers, parameters) = (cloud_servers(world), PatchParams::apply("user").force());
    let manifest = json!({
        "apiVersion": "serviceoperator.azure.com/v1beta1", "kind": "AzureSQLServer", "metadata": {"name": "cloud"},
        "spec": {"location": "eastus", "administratorLogin": "admin", "version": "12.0",
            "firewallRules": [{"name": "office", "startIpAddress": address}]},
    });
    let applied = async || Ok(servers.patch("cloud", &parameters, &Patch::Apply(&manifest)).await.is_ok());
    world.until("the kind AzureSQLServer to be served", applied).await?;
    let ready = async || {
        let object = servers.get("cloud").await?;
        let current = object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation;
        Ok(current && fixtures::stage::condition(&object, "Ready").status == "True")
    };
    world.until("the server in Azure to be ready", ready).await
}

/// The credential of a namespace, which the host keeps while somebody needs it.
async fn credential(world: &World) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aso-credential"},
        "stringData": {
            "AZURE_TENANT_ID": "00000000-0000-4000-8000-00000000da7e",
            "AZURE_CLIENT_ID": "00000000-0000-4000-8000-0000000000c1",
            "AZURE_CLIENT_SECRET": "a-client-secret",
        },
    });
    let secrets = world.api("", "v1", "Secret");
    secrets.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
    Ok(())
}

/// Counts the host's uses of each right.
fn watch_uses(world: &World, rights: &[Right]) -> Vec<(Right, RuleId)> {
    let rule = |right: &Right| {
        let matches = Match {
            verbs: vec![right.verb.clone()],
            group: Some(right.group.clone()),
            resource: Some(right.resource.clone()),
            subresource: Some(right.subresource.clone()),
            user_agent: Some(host::USER_AGENT.into()),
            ..Match::default()
        };
        world.faults().add(Rule::new(matches, Effect::Delay(Duration::ZERO)))
    };
    rights.iter().map(|right| (right.clone(), rule(right))).collect()
}

/// Rights that are needed and cannot be seen in use here, each with its reason.
fn unseen(right: &Right) -> bool {
    // Only clusters with the admission plugin OwnerReferencesPermissionEnforcement ask for it.
    (right.subresource == "finalizers" && right.verb == "update")
        // A pod that was labelled is asked for by name only when the watch does not show the label in time.
        || (right.resource == "pods" && right.verb == "get")
        // Server-side apply that creates asks for `create` beside `patch`; requests show as `patch`.
        || (right.verb == "create" && !["secrets", "events"].contains(&right.resource.as_str()))
}

/// Deletes a child and a value of a generated Secret, edits another child, and waits until all is mended.
async fn damage(world: &World) -> Result<()> {
    let services = world.api("", "v1", "Service");
    let before = services.get("db-primary").await?.metadata.uid;
    services.delete("db-primary", &DeleteParams::default()).await?;
    world
        .until("the Service made again", async || {
            Ok(services.get_opt("db-primary").await?.is_some_and(|service| service.metadata.uid != before))
        })
        .await?;
    let secrets = world.api("", "v1", "Secret");
    let patch = Patch::Merge(json!({"data": {"password": null}}));
    secrets.patch("db-monitor", &PatchParams::default(), &patch).await?;
    world
        .until("the password made again", async || {
            Ok(secrets.get("db-monitor").await?.data["data"]["password"].is_string())
        })
        .await?;
    let sets = world.api("apps", "v1", "StatefulSet");
    let edit = Patch::Merge(json!({"spec": {"replicas": 4}}));
    sets.patch("db", &PatchParams { field_manager: Some("editor".into()), ..PatchParams::default() }, &edit).await?;
    world.until("the edit reverted", async || Ok(sets.get("db").await?.data["spec"]["replicas"] == 5)).await?;
    world.until_ready("db", 5).await?;
    world.until_quiet().await
}

/// Makes a Backup whose volume goes with it, and deletes it.
async fn backup_with_its_volume(world: &World) -> Result<()> {
    let backups = world.api("backup.windlass.dev", "v1alpha1", "Backup");
    let mut backup: Value = serde_yaml::from_str(include_str!("../../../crds/examples/backup.yaml"))?;
    backup["metadata"]["name"] = json!("extra");
    backup["spec"]["source"]["mysql"] = json!("db");
    backups.patch("extra", &PatchParams::apply("user"), &Patch::Apply(&backup)).await?;
    let jobs = world.api("batch", "v1", "CronJob");
    world.until("the CronJob of the backup", async || Ok(jobs.get_opt("extra").await?.is_some())).await?;
    backups.delete("extra", &DeleteParams::default()).await?;
    world.until("the backup to be gone", async || Ok(backups.get_opt("extra").await?.is_none())).await
}

/// What `windlass rbac` prints for the plugins that the deployment has.
async fn generated() -> Result<String> {
    let mut names = rbac::Names::default();
    let mut plugins = Vec::new();
    let mut deployed = host::plugins().await?;
    deployed.extend(host::load(&["azuresql"]).await?);
    deployed.sort_by(|one, other| one.name.cmp(&other.name));
    for loaded in deployed {
        let mut plugin = rbac::Plugin {
            name: loaded.name.clone(),
            serves: Vec::new(),
            grants: loaded.served.grants.clone(),
            source: None,
            deletes_definitions: false,
            deletes_resources: false,
        };
        plugin.serve(&loaded.served.decider.description().serves, &mut names);
        plugins.push(plugin);
    }
    let account = format!("{}/windlass", host::SYSTEM_NAMESPACE);
    let host = rbac::Host {
        account: model::grant::ServiceAccount::parse(&account).map_err(anyhow::Error::msg)?,
        namespaces: Vec::new(),
        plugin_resources: false,
        system_namespace: host::SYSTEM_NAMESPACE.into(),
    };
    Ok(rbac::yaml(&plugins, &rbac::documents(&host, &plugins, &names))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_in_the_manifests_are_those_that_the_command_makes_from_the_grants() -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests/20-rbac.yaml");
    let (stored, wanted) = (std::fs::read_to_string(file)?, generated().await?);
    ensure!(
        stored == wanted,
        "deploy/manifests/20-rbac.yaml is not what `windlass rbac --plugins DIR --no-plugin-resources` prints for \
         azuresql, backup and mysql; it would be:\n{wanted}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_in_the_manifests_are_enough_for_the_host_and_no_more() -> Result<()> {
    let world = World::start().await?;
    let documents = manifests()?;
    for document in &documents {
        apply(&world, document).await?;
    }
    let uses = watch_uses(&world, &rights(&documents));
    let timing = Timing { token: 3_600_000, ..Timing::instant() };
    let cloud = Cloud::new(Config::default().timed(timing).with_vault(VAULT), SystemClock);
    let azure = azure::Server::start(cloud).await?;
    credential(&world).await?;
    let host = restricted_host(&world, &azure).await?;
    cloud_server(&world, "203.0.113.7").await?;

    // A whole life: made, changed, damaged before and after a restart of the host, deleted with its backups.
    let backup = |schedule: &str| json!({"enabled": true, "schedule": schedule});
    world.apply("db", json!({"replicas": 3, "version": "8.0", "backup": backup("0 2 * * *")})).await?;
    world.until_ready("db", 3).await?;
    world
        .apply(
            "db",
            json!({"replicas": 5, "version": "8.4", "backup": backup("0 3 * * *"), "config": {"max_connections": "200"},
                   "services": {"primary": {"annotations": {"a": "b"}}}}),
        )
        .await?;
    world.until_ready("db", 5).await?;
    damage(&world).await?;
    host.stop().await?;
    let host = restricted_host(&world, &azure).await?;
    damage(&world).await?;
    cloud_server(&world, "203.0.113.8").await?;
    cloud_servers(&world).delete("cloud", &DeleteParams::default()).await?;
    let gone = async || Ok(cloud_servers(&world).get_opt("cloud").await?.is_none());
    world.until("the server to be gone", gone).await?;
    ensure!(azure.cloud().resources_of("Microsoft.Sql/servers").is_empty(), "a server is left behind in Azure");
    backup_with_its_volume(&world).await?;
    world.delete("db").await?;
    world.until_gone("db").await?;
    world.until_quiet().await?;
    host.stop().await?;

    let unused: Vec<String> = uses
        .iter()
        .filter(|(right, rule)| world.faults().fired(*rule) == 0 && !unseen(right))
        .map(|(right, _)| format!("{} {}/{} {}", right.verb, right.group, right.resource, right.subresource))
        .collect();
    ensure!(unused.is_empty(), "rights that the host never used in namespace {NAMESPACE}:\n  {}", unused.join("\n  "));
    world.stop().await;
    Ok(())
}
