//! The life of a server in a real subscription, for whoever has one: `cargo xtask test --suite azure --live`.

use crate::stage::{NAMESPACE, Stage, plugin, resource_kind};
use anyhow::{Context, Result};
use fixtures::environment::variable;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use model::grant::AzureScope;
use model::redact::Redacted;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use windlass::azure::{Azure, Endpoints, Identity, Wire};
use windlass::context::Served;
use windlass::run::Loaded;

/// How long a step may take in a real cloud.
const PATIENCE: Duration = Duration::from_secs(900);

fn needed(name: &str) -> Result<String> {
    variable(name).with_context(|| format!("set {name} to run this against a real subscription"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a subscription and costs money: cargo xtask test --suite azure --live"]
async fn live_a_server_is_made_changed_and_deleted_in_a_real_subscription() -> Result<()> {
    let group = needed("WINDLASS_AZURE_GROUP")?;
    let subscription = group.split('/').nth(2).context("WINDLASS_AZURE_GROUP is no id of a resource group")?.to_owned();
    let name = group.rsplit('/').next().unwrap_or_default().to_owned();
    let identity = Identity::ClientSecret {
        tenant: needed("AZURE_TENANT_ID")?,
        client: needed("AZURE_CLIENT_ID")?,
        secret: Redacted::new(needed("AZURE_CLIENT_SECRET")?),
    };
    let vault = variable("WINDLASS_AZURE_VAULT");
    let mut stage = Stage::brisk().await?;
    let known = plugin().await?;
    let mut grants = known.served.grants.clone();
    grants.azure_scopes = vec![AzureScope { subscription: subscription.clone(), resource_group: Some(name.clone()) }];
    grants.vaults = vault.iter().map(|vault| format!("https://{vault}.vault.azure.net")).collect();
    let settings = json!({"subscription": subscription, "resourceGroup": name, "keyVault": vault}).to_string();
    let served = Served::new(known.served.decider.clone(), grants, settings.into());
    stage.loaded = vec![Loaded { name: known.name, served: Arc::new(served) }];
    let backend = || {
        let wire = Arc::new(Wire::new(Default::default()));
        Azure::new(Endpoints::public(), wire, Some(identity.clone())).looking_every(Duration::from_secs(30))
    };
    let host = stage.host_with(Arc::new(backend()))?;

    // A name that nobody has: names of servers are one for all of Azure.
    let server = format!("windlass-{}-{}", std::process::id(), subscription.get(..8).unwrap_or_default());
    let location = variable("WINDLASS_AZURE_LOCATION").unwrap_or_else(|| "eastus".into());
    let servers: Api<DynamicObject> = Api::namespaced_with(stage.world.client.clone(), NAMESPACE, &resource_kind());
    let spec = |generation: u32| {
        json!({"apiVersion": "serviceoperator.azure.com/v1beta1", "kind": "AzureSQLServer", "metadata": {"name": server},
            "spec": {"location": location, "administratorLogin": "admin", "version": "12.0", "allowAzureServices": true,
                "credentials": {"generation": generation}}})
    };
    let parameters = PatchParams::apply("user").force();
    let apply =
        async |generation| Ok(servers.patch(&server, &parameters, &Patch::Apply(&spec(generation))).await.is_ok());
    stage.until("the kind to be served", async || apply(0).await).await?;
    let ready = async || {
        let object = servers.get(&server).await?;
        let current = object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation;
        Ok(current && fixtures::stage::condition(&object, "Ready").status == "True")
    };
    let result = async {
        stage.until_in(PATIENCE, "the server to be ready", ready).await?;
        apply(1).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        stage.until_in(PATIENCE, "the new password", ready).await
    }
    .await;
    // Whatever happened: nothing that costs money stays.
    servers.delete(&server, &DeleteParams::default()).await?;
    let gone = async || Ok(servers.get_opt(&server).await?.is_none());
    let deleted = stage.until_in(PATIENCE, "the server to be gone", gone).await;
    host.stop().await?;
    stage.end().await;
    result.and(deleted)
}
