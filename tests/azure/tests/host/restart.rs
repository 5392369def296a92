//! A creation that takes as long as it was recorded to take, and a host that does not live to see its end.

use crate::stage::{NAME, Stage};
use anyhow::Result;
use azure::{Config, Timing};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_of_46_seconds_goes_on_after_a_restart_in_its_middle_and_is_sent_once() -> Result<()> {
    let timing = Timing { child: 200, vault: 200, ..Timing::default() };
    assert_eq!(timing.create, 46_000);
    let stage = Stage::new(Config::default().timed(timing)).await?;
    let first = stage.host()?;
    stage.apply(serde_json::json!({})).await?;
    let put = format!("servers/{NAME}");
    stage.until("the creation to be accepted", async || Ok(stage.accepted("PUT", &put) == 1)).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    first.kill().await;
    let second = stage.host()?;
    stage.until_ready(NAME).await?;
    stage.agrees(NAME).await?;
    assert_eq!(stage.cloud().ledger().count("PUT", &put), 1, "it is asked for its operation, not created again");
    second.stop().await?;
    stage.end().await;
    Ok(())
}
