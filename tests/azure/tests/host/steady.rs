//! What a fleet that is as it should be costs: reads, and nothing else.

use crate::stage::{NAME, Stage};
use anyhow::{Result, ensure};
use azure::Site;
use serde_json::json;
use std::io::Write as _;
use std::time::Duration;

/// Servers whose looks are counted; each is looked at by itself, so that a thousand cost as much more.
const SERVERS: usize = 20;
/// Azure's published limit for one principal in one subscription and region, in reads per hour.
const LIMIT: usize = 25 * 3600;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_servers_that_are_as_they_should_be_cost_reads_within_azures_limits_and_no_write() -> Result<()> {
    let mut stage = Stage::brisk().await?;
    stage.cloud().configure(|config| config.limits.reads.per_minute = 1_000_000);
    stage.look_every = Duration::from_secs(6);
    let host = stage.host()?;
    let names: Vec<String> = (0..SERVERS).map(|number| format!("{NAME}-{number}")).collect();
    let rules =
        json!({"firewallRules": [{"name": "office", "startIpAddress": "203.0.113.7"}], "allowAzureServices": true});
    for name in &names {
        stage.apply_with(name, rules.clone(), json!({})).await?;
    }
    for name in &names {
        stage.until_ready(name).await?;
    }
    stage.world.until_quiet().await?;
    let (azure, kubernetes) = (stage.writes(), stage.world.count_host_writes());
    stage.cloud().ledger().clear();
    tokio::time::sleep(Duration::from_secs(24)).await;
    let all = stage.cloud().ledger().all();
    let writes = all.iter().filter(|one| one.is_write()).count();
    let looks =
        all.iter().filter(|one| one.site == Site::Arm && one.path.ends_with(&format!("servers/{}", names[0]))).count();
    let of = |site: fn(&Site) -> bool| all.iter().filter(|one| site(&one.site)).count();
    let arm = of(|site| *site == Site::Arm);
    let vault = of(|site| matches!(site, Site::Vault(_)));
    ensure!(azure > 0 && looks >= 3, "it is looked at: {looks}");
    ensure!(writes == 0 && kubernetes.count() == 0, "writes: {writes}, {:?}", kubernetes.list());
    // A server with two rules: one question for each. The host asks every ten minutes.
    let servers = all.iter().filter(|one| one.site == Site::Arm && !one.path.contains("firewallRules")).count();
    let per_look = arm.div_ceil(servers);
    let hourly = per_look * 6 * 1000;
    let _ = writeln!(
        std::io::stdout(),
        "steady: {per_look} ARM reads and {} vault reads a look of a server with 2 rules; 1,000 servers, looked at every 10 \
         minutes: {hourly} ARM reads an hour of {LIMIT} allowed, 0 writes",
        vault.div_ceil(servers),
    );
    ensure!(hourly < LIMIT, "{hourly}");
    host.stop().await?;
    stage.end().await;
    Ok(())
}
