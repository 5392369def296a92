//! What a fleet that is as it should be costs: reads, and nothing else. With `--full` a thousand servers under the limits that
//! Azure publishes; else fewer, which cost as much each, since each is looked at by itself.

use crate::stage::{NAME, Stage, full};
use anyhow::{Result, ensure};
use azure::{Limits, Site};
use serde_json::json;
use std::io::Write as _;
use std::time::Duration;

/// Azure's published limit for one principal in one subscription and region, in reads per hour.
const LIMIT: usize = 25 * 3600;
/// Looks at each server in an hour, by default.
const LOOKS: usize = 6;

/// Servers, and how often each is looked at here.
fn size() -> (usize, Duration) {
    // The thousand read 20 times a second: more would be more than the limit.
    if full() { (1_000, Duration::from_secs(150)) } else { (20, Duration::from_secs(3)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_as_they_should_be_cost_reads_within_azures_limits_and_no_write() -> Result<()> {
    let (servers, every) = size();
    let mut stage = Stage::brisk().await?;
    let unlimited = |limits: &mut Limits| {
        limits.reads.per_minute = 1_000_000;
        limits.writes.per_minute = 1_000_000;
    };
    stage.cloud().configure(|config| unlimited(&mut config.limits));
    stage.look_every = every;
    let host = stage.host()?;
    let names: Vec<String> = (0..servers).map(|number| format!("{NAME}-{number}")).collect();
    let rules =
        json!({"firewallRules": [{"name": "office", "startIpAddress": "203.0.113.7"}], "allowAzureServices": true});
    for name in &names {
        stage.apply_with(name, rules.clone(), json!({})).await?;
    }
    let ready = async || {
        let all = stage.servers().list(&Default::default()).await?;
        Ok(all.items.iter().filter(|one| fixtures::stage::condition(one, "Ready").status == "True").count() == servers)
    };
    stage.until_in(Duration::from_secs(1_800), "every server to be ready", ready).await?;
    // Every server is looked at once more, so that what was learned of the last writes is written down.
    tokio::time::sleep(every * 6 / 5).await;
    stage.world.until_quiet().await?;

    stage.cloud().configure(|config| config.limits = Limits::default());
    let (azure, kubernetes) = (stage.writes(), stage.world.count_host_writes());
    stage.cloud().ledger().clear();
    // Looks come a tenth sooner or later.
    tokio::time::sleep(every * 6 / 5 * 2).await;
    let all = stage.cloud().ledger().all();
    let writes: Vec<_> = all.iter().filter(|one| one.is_write()).map(|one| &one.path).collect();
    ensure!(azure > 0 && writes.is_empty() && kubernetes.count() == 0, "writes: {writes:?}, {:?}", kubernetes.list());
    ensure!(all.iter().all(|one| one.status == Some(200)), "nothing is refused, throttled or lost");

    // Each server, its two rules: one question for each, and no other.
    let of = |end: &str| all.iter().filter(|one| one.site == Site::Arm && one.path.ends_with(end)).count();
    for name in &names {
        let (looks, rules) = (of(&format!("/servers/{name}")), of(&format!("/servers/{name}/firewallRules/office")));
        // What is counted may begin or end in the middle of a look.
        ensure!(looks >= 1 && rules.abs_diff(looks) <= 1, "{name}: {looks} looks, {rules} at its rule");
    }
    let arm = all.iter().filter(|one| one.site == Site::Arm).count();
    let vault = all.iter().filter(|one| matches!(one.site, Site::Vault(_))).count();
    let looks: usize = all.iter().filter(|one| one.site == Site::Arm && !one.path.contains("firewallRules")).count();
    let each = |reads: usize| (reads as f64 / looks as f64).round();
    assert_eq!((each(arm), each(vault)), (3.0, 4.0), "a server, two rules; four secrets");
    // As measured, for a thousand that are looked at as often as by default.
    let measured = arm as f64 / (every * 6 / 5 * 2).as_secs_f64() * every.as_secs_f64();
    let hourly = (measured / servers as f64 * 1_000.0 * LOOKS as f64).round() as usize;
    let _ = writeln!(
        std::io::stdout(),
        "steady: {servers} servers with 2 rules each, {looks} looks at them in {} s, {arm} ARM reads, {vault} reads of the vault, \
         0 writes; 1,000 servers, looked at every 10 minutes: {hourly} ARM reads an hour of {LIMIT} allowed",
        (every * 6 / 5 * 2).as_secs(),
    );
    ensure!(hourly < LIMIT, "{hourly}");
    host.stop().await?;
    stage.end().await;
    Ok(())
}
