//! The life of a server: from a manifest to a server, rules, a Secret and a vault, through changes, to nothing.

use crate::stage::{GROUP, NAME, Stage, VAULT, server_id};
use anyhow::{Result, ensure};
use azure::{Effect, Fault, Match};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

fn rules() -> serde_json::Value {
    json!({"firewallRules": [{"name": "office", "startIpAddress": "203.0.113.7"}], "allowAzureServices": true})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_a_server_with_rules_a_secret_and_a_vault_and_is_kept_so_until_it_is_deleted() -> Result<()>
{
    let mut stage = Stage::brisk().await?;
    stage.look_every = Duration::from_secs(1);
    let host = stage.host()?;
    stage.apply(rules()).await?;
    stage.until_ready(NAME).await?;
    stage.agrees(NAME).await?;
    let id = server_id(NAME);
    assert_eq!(stage.secret(NAME, "username").await?.as_deref(), Some("sqladmin"), "Azure reserves admin");
    assert_eq!(stage.accepted("PUT", &format!("servers/{NAME}")), 1);
    assert!(stage.cloud().resource(&format!("{id}/firewallRules/office")).is_some());

    // Drift of a field, of a tag, and of a rule is taken back; what others added stays.
    stage.cloud().put(
        &format!("{id}/firewallRules/theirs"),
        &json!({"properties": {"startIpAddress": "198.51.100.1", "endIpAddress": "198.51.100.1"}}),
    );
    stage.cloud().edit(&id, |body| {
        body["properties"]["minimalTlsVersion"] = json!("1.0");
        body["tags"]["theirs"] = json!("kept");
    });
    stage.cloud().remove(&format!("{id}/firewallRules/office"));
    stage
        .until("the drift to be repaired", async || {
            let server = stage.cloud().resource(&id).unwrap_or_default();
            let rule = stage.cloud().resource(&format!("{id}/firewallRules/office"));
            Ok(server["properties"]["minimalTlsVersion"] == "1.2" && rule.is_some())
        })
        .await?;
    assert_eq!(stage.cloud().resource(&id).unwrap()["tags"]["theirs"], "kept");

    // A new password reaches Secret, server and vault.
    let before = stage.secret(NAME, "password").await?;
    let mut spec = rules();
    spec["credentials"] = json!({"generation": 1});
    stage.apply(spec).await?;
    stage
        .until("the new password everywhere", async || {
            Ok(stage.secret(NAME, "password").await? != before && stage.agrees(NAME).await.is_ok())
        })
        .await?;
    stage.until_ready(NAME).await?;

    // A rule that is no longer declared goes, the foreign one stays.
    stage.apply(json!({"allowAzureServices": true, "firewallRules": [], "credentials": {"generation": 1}})).await?;
    let office = format!("{id}/firewallRules/office");
    stage.until("the rule to go", async || Ok(stage.cloud().resource(&office).is_none())).await?;
    assert!(stage.cloud().resource(&format!("{id}/firewallRules/theirs")).is_some());

    stage.delete().await?;
    stage.until_gone().await?;
    assert!(stage.cloud().resources_of("Microsoft.Sql/servers").is_empty());
    assert_eq!(stage.cloud().vault_value(VAULT, &format!("{NAME}-password")), None);
    ensure!(stage.cloud().vault_versions(VAULT, &format!("{NAME}-password")) == 2, "nothing is ever purged");
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_server_stays_as_it_is_with_its_secret_and_its_vault() -> Result<()> {
    let stage = Stage::brisk().await?;
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;
    let annotation =
        json!({"metadata": {"annotations": {"serviceoperator.azure.com/reconcile-policy": "detach-on-delete"}}});
    stage.servers().patch(NAME, &PatchParams::default(), &Patch::Merge(&annotation)).await?;
    stage.delete().await?;
    stage.until_gone().await?;
    stage.agrees(NAME).await?;
    assert_eq!(stage.accepted("DELETE", ""), 0);
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_looked_at_is_never_written_to() -> Result<()> {
    let stage = Stage::brisk().await?;
    stage.cloud().put(
        &server_id(NAME),
        &json!({"location": "eastus", "properties": {"administratorLogin": "ada", "version": "12.0", "state": "Ready", "minimalTlsVersion": "1.0"}}),
    );
    let host = stage.host()?;
    let skip = json!({"serviceoperator.azure.com/reconcile-policy": "skip"});
    stage.apply_with(NAME, json!({}), skip).await?;
    stage.until("a judgement", async || Ok(!["", "Looking"].contains(&stage.ready(NAME).await?.1.as_str()))).await?;
    stage.delete().await?;
    stage.until_gone().await?;
    assert_eq!(stage.writes(), 0);
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_has_is_never_sent_and_another_one_is() -> Result<()> {
    let stage = Stage::brisk().await?;
    stage.cloud().configure(|config| config.names_of_others.push(NAME.into()));
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_reason(NAME, "NameTaken").await?;
    assert_eq!(stage.writes(), 0);
    stage.apply(json!({"azureName": "customer-123-other"})).await?;
    stage.until_ready(NAME).await?;
    assert_eq!(stage.cloud().resources_of("Microsoft.Sql/servers"), [server_id("customer-123-other")]);
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_somebody_else_is_not_taken_over_before_a_user_says_so() -> Result<()> {
    let stage = Stage::brisk().await?;
    let foreign = json!({"location": "eastus", "tags": {"team": "a"}, "properties": {"administratorLogin": "sqladmin", "version": "12.0", "state": "Ready", "minimalTlsVersion": "1.2", "publicNetworkAccess": "Enabled", "restrictOutboundNetworkAccess": "Disabled"}});
    stage.cloud().put(&server_id(NAME), &foreign);
    let host = stage.host()?;
    stage.apply(json!({"credentials": {"generation": 1}})).await?;
    stage
        .until("a refusal", async || {
            let object = stage.servers().get(NAME).await?;
            Ok(object.data["status"].to_string().contains("not marked as ours"))
        })
        .await?;
    assert_eq!(stage.writes(), 0);
    stage.apply_with(NAME, json!({"credentials": {"generation": 1}}), json!({"windlass.dev/adopt": "server"})).await?;
    stage.until_ready(NAME).await?;
    stage.agrees(NAME).await?;
    assert_eq!(stage.cloud().resource(&server_id(NAME)).unwrap()["tags"]["team"], "a");
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_is_told_and_not_sent_again_before_the_resource_changes() -> Result<()> {
    let stage = Stage::brisk().await?;
    let host = stage.host()?;
    let refusal = azure::ApiError::new(400, "RegionDoesNotAllowProvisioning", "this region takes no new servers");
    stage.cloud().faults().add(Fault::once(Match::of("PUT", &format!("servers/{NAME}")), Effect::FailBefore(refusal)));
    stage.apply(json!({})).await?;
    stage.until_reason(NAME, "RegionDoesNotAllowProvisioning").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.cloud().ledger().count("PUT", &format!("servers/{NAME}")), 1);
    stage.apply(json!({"location": "westus2"})).await?;
    stage.until_ready(NAME).await?;
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_holds_a_deletion_until_it_is_taken_away() -> Result<()> {
    let stage = Stage::brisk().await?;
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;
    stage.cloud().lock(GROUP);
    stage.delete().await?;
    stage.until_reason(NAME, "ScopeLocked").await?;
    assert_eq!(stage.cloud().resources_of("Microsoft.Sql/servers").len(), 1);
    stage.cloud().unlock(GROUP);
    stage.until_gone().await?;
    assert!(stage.cloud().resources_of("Microsoft.Sql/servers").is_empty());
    host.stop().await?;
    stage.end().await;
    Ok(())
}
