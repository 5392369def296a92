//! Fields that Azure takes and shows otherwise, and versions that change between a look and a write.

use crate::stage::{NAME, Stage, server_id};
use anyhow::{Result, ensure};
use azure::{Effect, Fault, Match, Shown};
use serde_json::{Value, json};
use std::time::Duration;

const SERVERS: &str = "Microsoft.Sql/servers";
const DATABASES: &str = "Microsoft.Sql/servers/databases";

async fn stage() -> Result<Stage> {
    let mut stage = Stage::brisk().await?;
    stage.look_every = Duration::from_millis(300);
    Ok(stage)
}

/// Waits until something was looked at some more times.
async fn looks(stage: &Stage, end: &str) -> Result<()> {
    let before = stage.cloud().ledger().count("GET", end);
    stage.until("more looks", async || Ok(stage.cloud().ledger().count("GET", end) >= before + 6)).await
}

fn shown(type_: &str, pointer: &str, value: Option<Value>) -> Shown {
    Shown { type_: type_.into(), pointer: pointer.into(), value }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_azure_takes_and_never_shows_is_sent_once_for_each_change_and_not_at_each_look() -> Result<()> {
    let stage = stage().await?;
    let swallowed = shown(SERVERS, "/properties/restrictOutboundNetworkAccess", None);
    stage.cloud().configure(|config| config.shown.push(swallowed));
    let end = format!("servers/{NAME}");
    let patches = || stage.cloud().ledger().count("PATCH", &end);
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;
    looks(&stage, &end).await?;
    assert_eq!(patches(), 0, "the creation carried it");

    let enabled = json!({"restrictOutboundNetworkAccess": "Enabled"});
    stage.apply(enabled.clone()).await?;
    stage.until("the change to be sent", async || Ok(patches() == 1)).await?;
    stage.until_ready(NAME).await?;
    looks(&stage, &end).await?;
    assert_eq!(patches(), 1, "once");
    let sent = stage.cloud().ledger().writes().into_iter().rfind(|one| one.method == "PATCH").and_then(|one| one.body);
    assert_eq!(sent, Some(json!({"properties": enabled})));
    let message = fixtures::stage::condition(&stage.servers().get(NAME).await?, "Ready").message;
    ensure!(message.contains("restrictOutboundNetworkAccess"), "it is told: {message}");

    // What another host remembers is on the resource.
    host.kill().await;
    let second = stage.host()?;
    looks(&stage, &end).await?;
    assert_eq!(patches(), 1, "not by the next host either");
    // A field that is shown is repaired as ever, by a write of that field alone.
    stage.cloud().edit(&server_id(NAME), |body| body["properties"]["minimalTlsVersion"] = json!("1.0"));
    stage.until("the drift to be repaired", async || Ok(patches() == 2)).await?;
    let sent = stage.cloud().ledger().writes().into_iter().rfind(|one| one.method == "PATCH").and_then(|one| one.body);
    assert_eq!(sent, Some(json!({"properties": {"minimalTlsVersion": "1.2"}})));
    second.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_azure_shows_in_other_words_is_not_fought_over() -> Result<()> {
    let stage = stage().await?;
    let renamed = shown(DATABASES, "/properties/requestedBackupStorageRedundancy", Some(json!("Georedundant")));
    stage.cloud().configure(|config| config.shown.push(renamed));
    let end = format!("servers/{NAME}/databases/app");
    let writes = || {
        let all = stage.cloud().ledger().writes();
        all.iter().filter(|one| one.accepted && one.path.ends_with(&end)).count()
    };
    let host = stage.host()?;
    stage.apply(json!({"databases": [{"name": "app", "requestedBackupStorageRedundancy": "Geo"}]})).await?;
    stage.until_ready(NAME).await?;
    looks(&stage, &end).await?;
    assert_eq!(writes(), 2, "the creation, and once more, because somebody else could have changed it");
    let database = format!("{}/databases/app", server_id(NAME));
    stage.cloud().edit(&database, |body| body["properties"]["requestedBackupStorageRedundancy"] = json!("Local"));
    stage.until("a change by others to be taken back", async || Ok(writes() == 3)).await?;
    looks(&stage, &end).await?;
    assert_eq!(writes(), 3);
    host.stop().await?;
    stage.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_meets_the_version_that_was_looked_at_or_is_judged_again() -> Result<()> {
    let stage = stage().await?;
    stage.cloud().configure(|config| config.etags = true);
    let (id, end) = (server_id(NAME), format!("servers/{NAME}"));
    let host = stage.host()?;
    stage.apply(json!({})).await?;
    stage.until_ready(NAME).await?;

    // While a repair is on its way, somebody changes a tag.
    let slow = Fault::once(Match::of("PATCH", &end), Effect::Delay(Duration::from_millis(700)));
    let slow = stage.cloud().faults().add(slow);
    stage.cloud().edit(&id, |body| body["properties"]["minimalTlsVersion"] = json!("1.0"));
    stage.until("the repair to be sent", async || Ok(stage.cloud().faults().fired(slow) == 1)).await?;
    stage.cloud().edit(&id, |body| body["tags"]["theirs"] = json!("kept"));
    let repaired = async || {
        let body = stage.cloud().resource(&id).unwrap_or_default();
        Ok(body["properties"]["minimalTlsVersion"] == "1.2" && body["tags"]["theirs"] == "kept")
    };
    stage.until("the repair", repaired).await?;
    let statuses = || -> Vec<u16> {
        let all = stage.cloud().ledger().writes();
        all.iter().filter(|one| one.method != "PUT" && one.path.ends_with(&end)).filter_map(|one| one.status).collect()
    };
    assert_eq!(statuses(), [412, 202], "refused for the version, looked at again, sent again");
    stage.until_ready(NAME).await?;

    // The same with a deletion: what is deleted is what was looked at.
    let slow = Fault::once(Match::of("DELETE", &end), Effect::Delay(Duration::from_millis(700)));
    let slow = stage.cloud().faults().add(slow);
    stage.delete().await?;
    stage.until("the deletion to be sent", async || Ok(stage.cloud().faults().fired(slow) == 1)).await?;
    stage.cloud().edit(&id, |body| body["tags"]["theirs"] = json!("other"));
    stage.until_gone().await?;
    assert_eq!(statuses(), [412, 202, 412, 202]);
    let events = stage.world.server.store().dump().into_iter().filter(|(name, _)| name.starts_with("events"));
    let told: Vec<_> = events.filter(|(_, event)| event["reason"] == "AzureWriteRefused").collect();
    ensure!(told.is_empty(), "nothing was refused that people have to hear of: {told:?}");
    host.stop().await?;
    stage.end().await;
    Ok(())
}
