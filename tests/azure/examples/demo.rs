//! What `cargo xtask demo azure` shows: the manifest that users know becomes a server in the stand-in for Azure, with
//! rules, a Secret and secrets in a Key Vault; somebody changes it in the portal; it is deleted. kubectl is a real one.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that shows something")]

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/host/stage.rs"]
mod stage;

use anyhow::{Context, Result};
use azure::{Config, Timing};
use fixtures::Kubectl;
use serde_json::{Value, json};
use stage::{NAME, Stage, VAULT, server_id};
use std::time::Duration;

const MANIFEST: &str = "\
apiVersion: serviceoperator.azure.com/v1beta1
kind: AzureSQLServer
metadata:
  name: customer-123-db
  namespace: customer-123
spec:
  location: eastus
  administratorLogin: admin
  version: \"12.0\"
";

fn step(text: &str) {
    println!("\n== {text}");
}

fn indented(text: &str) {
    text.lines().for_each(|line| println!("   {line}"));
}

fn shown(value: &Value) {
    indented(&serde_json::to_string_pretty(value).unwrap_or_default());
}

#[tokio::main]
async fn main() -> Result<()> {
    // As recorded, but for a creation of 12 s and not of 46.
    let timing = Timing { create: 12_000, invisible: 8_000, update: 2_000, delete: 3_000, ..Timing::default() };
    let mut stage = Stage::new(Config::default().timed(timing)).await?;
    (stage.look_every, stage.namespace) = (Duration::from_secs(3), "customer-123".into());
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, stage.world.server.kubeconfig())?;
    let kubectl = Kubectl::new(&file, &stage.namespace);
    let host = stage.host()?;
    kubectl.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: customer-123}\n").await?;
    stage.until("the kind to be served", async || Ok(kubectl.run(&["get", "azuresqlservers"]).await.is_ok())).await?;

    step("a user applies: kubectl apply -f");
    indented(MANIFEST);
    kubectl.apply(MANIFEST).await?;
    let mut last = String::new();
    stage
        .until("the server to be ready", async || {
            let table = kubectl.run(&["get", "azuresqlservers"]).await?;
            let line = table.lines().nth(1).unwrap_or_default();
            let words: String = line.split_whitespace().take(4).collect::<Vec<_>>().join("  ");
            if words != last {
                indented(&words);
                last = words;
            }
            Ok(stage.ready(NAME).await?.0 == "True")
        })
        .await?;
    indented(&kubectl.run(&["get", "azuresqlservers", "-o", "wide"]).await?);

    step("a user opens it to an office: kubectl patch azuresqlserver customer-123-db --type=merge -p …");
    let patch = r#"{"spec":{"firewallRules":[{"name":"office","startIpAddress":"203.0.113.7"}]}}"#;
    kubectl.run(&["patch", "azuresqlserver", NAME, "--type=merge", "-p", patch]).await?;
    let rule = format!("{}/firewallRules/office", server_id(NAME));
    stage.until("the rule", async || Ok(stage.cloud().resource(&rule).is_some())).await?;
    stage.until_ready(NAME).await?;

    step("what Azure has");
    shown(&stage.cloud().resource(&server_id(NAME)).context("no server")?);
    shown(&stage.cloud().resource(&rule).context("no rule")?);

    step("the Secret, values hidden");
    let secret = kubectl.json(&["secret", &format!("{NAME}-credentials")]).await?;
    for (key, value) in secret["data"].as_object().into_iter().flatten() {
        indented(&format!("{key}: ({} characters of Base64)", value.as_str().map_or(0, str::len)));
    }
    step(&format!("the Key Vault {VAULT}, values hidden"));
    for part in ["host", "login", "password", "connection-string"] {
        let name = format!("{NAME}-{part}");
        indented(&format!("{name}: {} version", stage.cloud().vault_versions(VAULT, &name)));
    }
    stage.agrees(NAME).await?;
    indented("server, Secret and Key Vault have the same login and password");

    step("somebody lowers the TLS version in the portal");
    stage.cloud().edit(&server_id(NAME), |body| body["properties"]["minimalTlsVersion"] = json!("1.0"));
    let repaired = async || {
        Ok(stage.cloud().resource(&server_id(NAME)).unwrap_or_default()["properties"]["minimalTlsVersion"] == "1.2")
    };
    stage.until("the drift to be repaired", repaired).await?;
    indented("minimalTlsVersion is 1.2 again");
    stage.until_ready(NAME).await?;

    step("the user deletes it: kubectl delete azuresqlserver customer-123-db");
    kubectl.run(&["delete", "azuresqlserver", NAME, "--wait=false"]).await?;
    stage.until_gone().await?;
    indented(&format!("servers in Azure: {}", stage.cloud().resources_of("Microsoft.Sql/servers").len()));

    step("every write that Azure saw");
    for one in stage.cloud().ledger().writes() {
        let (status, id) = (one.status.map_or_else(String::new, |status| status.to_string()), one.request_id);
        indented(&format!("{:<6} {status} {} (request {})", one.method, one.path, id.unwrap_or_default()));
    }
    host.stop().await?;
    stage.end().await;
    Ok(())
}
