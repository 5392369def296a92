//! The host is killed before and after every single write to ARM and the vault, and to Kubernetes, in turn. Each run must end as the run
//! without a crash does: one server, with the Secret's password, and a host that starts afterwards writes nothing.

use crate::stage::{Host, NAME, Stage, VAULT, server_id};
use anyhow::{Context, Result, ensure};
use azure::{Phase, Verdict};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const FOREIGN: &str = "of-somebody-else";

/// Whose writes are enumerated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Azure,
    Kubernetes,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scenario {
    Create,
    Rotate,
    Recover,
    Delete,
}

fn spec(generation: u32) -> Value {
    json!({"firewallRules": [{"name": "office", "startIpAddress": "203.0.113.7"}], "databases": [{"name": "app"}],
        "credentials": {"generation": generation}})
}

impl Scenario {
    async fn prepare(self, stage: &Stage) -> Result<()> {
        let foreign = json!({"location": "eastus", "properties": {"administratorLogin": "ada", "version": "12.0", "state": "Ready"}});
        stage.cloud().put(&server_id(FOREIGN), &foreign);
        if self == Scenario::Create {
            // What a host writes before it serves the kind has nothing to do with Azure.
            let served = async || Ok(stage.servers().list(&Default::default()).await.is_ok());
            return stage.until("the kind to be served", served).await;
        }
        stage.apply(spec(0)).await?;
        stage.until_ready(NAME).await?;
        if self == Scenario::Recover {
            stage.delete().await?;
            stage.until_gone().await?;
        }
        Ok(())
    }

    async fn begin(self, stage: &Stage) -> Result<()> {
        match self {
            Scenario::Create | Scenario::Recover => stage.apply(spec(0)).await,
            Scenario::Rotate => stage.apply(spec(1)).await,
            Scenario::Delete => stage.delete().await,
        }
    }

    async fn over(self, stage: &Stage) -> Result<bool> {
        if self == Scenario::Delete {
            return Ok(stage.servers().get_opt(NAME).await?.is_none());
        }
        let Some(object) = stage.servers().get_opt(NAME).await? else { return Ok(false) };
        let ready = fixtures::stage::condition(&object, "Ready").status == "True";
        let current = object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation;
        Ok(ready && current && stage.agrees(NAME).await.is_ok())
    }

    /// What must be so at the end, however it came there.
    async fn verify(self, stage: &Stage) -> Result<()> {
        let mut servers = stage.cloud().resources_of("Microsoft.Sql/servers");
        servers.retain(|id| *id != server_id(FOREIGN));
        ensure!(stage.cloud().resource(&server_id(FOREIGN)).is_some(), "the server of somebody else is gone");
        ensure!(stage.cloud().ledger().count("DELETE", FOREIGN) == 0, "a delete of what is not ours");
        let purged = stage
            .cloud()
            .ledger()
            .all()
            .iter()
            .any(|one| one.method == "DELETE" && one.path.contains("deletedsecrets"));
        ensure!(!purged, "something was purged");
        if self == Scenario::Delete {
            ensure!(servers.is_empty(), "left behind: {servers:?}");
            let databases = stage.cloud().resources_of("Microsoft.Sql/servers/databases");
            ensure!(databases.is_empty(), "left behind: {databases:?}");
            ensure!(
                stage.cloud().vault_value(VAULT, &format!("{NAME}-password")).is_none(),
                "the vault keeps a secret"
            );
            ensure!(stage.secret(NAME, "password").await?.is_none(), "the Secret is left behind");
            return Ok(());
        }
        ensure!(servers == [server_id(NAME)], "servers: {servers:?}");
        stage.agrees(NAME).await
    }
}

/// Writes of the scenario without a crash, as lines.
async fn reference(to: To, scenario: Scenario) -> Result<Vec<String>> {
    let stage = Stage::brisk().await?;
    let host = stage.host()?;
    scenario.prepare(&stage).await?;
    let before = stage.cloud().ledger().writes().len();
    let kubernetes = stage.world.count_host_writes();
    scenario.begin(&stage).await?;
    stage.until("the end", async || scenario.over(&stage).await).await?;
    scenario.verify(&stage).await?;
    let writes = stage.cloud().ledger().writes().split_off(before);
    host.stop().await?;
    stage.end().await;
    Ok(match to {
        To::Azure => writes.iter().map(|one| format!("{} {}", one.method, one.path)).collect(),
        To::Kubernetes => kubernetes.list(),
    })
}

/// Kills a host at its `k`-th write from now on. The flag says whether it came to that.
fn deadly(stage: &Stage, host: &Host, to: To, k: u64, phase: Phase) -> Arc<AtomicBool> {
    let dead = Arc::new(AtomicBool::new(false));
    let (flag, killer) = (dead.clone(), host.killer());
    // The dead send nothing, to nobody.
    let die = move |on: To, at: u64, when: Phase| {
        if flag.load(Ordering::SeqCst) {
            return when == Phase::Before;
        }
        let now = on == to && at == k && when == phase;
        if now {
            flag.store(true, Ordering::SeqCst);
            killer.abort();
        }
        now
    };
    let same = die.clone();
    stage.cloud().faults().on_write(move |seen| match same(To::Azure, seen.k, seen.phase) {
        true => Verdict::Cut,
        false => Verdict::Continue,
    });
    stage.world.faults().on_write(fixtures::host::USER_AGENT, move |seen| {
        let when = if seen.phase == apiserver::faults::Phase::Before { Phase::Before } else { Phase::After };
        match die(To::Kubernetes, seen.k, when) {
            true => apiserver::faults::Verdict::Cut,
            false => apiserver::faults::Verdict::Continue,
        }
    });
    dead
}

async fn crash(to: To, scenario: Scenario, k: u64, phase: Phase) -> Result<bool> {
    let stage = Stage::brisk().await?;
    let host = stage.host()?;
    scenario.prepare(&stage).await?;
    let dead = deadly(&stage, &host, to, k, phase);
    scenario.begin(&stage).await?;
    let flag = dead.clone();
    stage
        .until("the crash or the end", async || Ok(flag.load(Ordering::SeqCst) || scenario.over(&stage).await?))
        .await?;
    host.kill().await;
    stage.cloud().faults().clear();
    stage.world.faults().remove_observers();
    let password = stage.secret(NAME, "password").await?;

    let second = stage.host()?;
    stage.until("the end after the crash", async || scenario.over(&stage).await).await?;
    scenario.verify(&stage).await?;
    if scenario != Scenario::Delete {
        ensure!(password.is_none() || stage.secret(NAME, "password").await? == password, "the password was lost");
    }
    second.stop().await?;

    // A host that starts now finds everything as it should be.
    let (azure, kubernetes) = (stage.writes(), stage.world.count_host_writes());
    let reads = stage.cloud().ledger().all().len();
    let third = stage.host()?;
    if scenario != Scenario::Delete {
        stage.until("a look of the third host", async || Ok(stage.cloud().ledger().all().len() > reads + 3)).await?;
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    ensure!(stage.writes() == azure, "it writes to Azure: {}", stage.summary());
    let late: Vec<String> = kubernetes.list().into_iter().filter(|line| line.contains("azuresqlservers")).collect();
    ensure!(late.is_empty(), "it writes to Kubernetes: {late:?}");
    third.stop().await?;
    stage.end().await;
    Ok(dead.load(Ordering::SeqCst))
}

async fn enumerate(to: To, scenario: Scenario) -> Result<()> {
    let writes = reference(to, scenario).await.context("the run without a crash failed")?;
    let points = (1..=writes.len() as u64).flat_map(|k| [(k, Phase::Before), (k, Phase::After)]);
    let runs = points.map(|(k, phase)| async move { (k, phase, crash(to, scenario, k, phase).await) });
    let results: Vec<_> = stream::iter(runs).buffer_unordered(6).collect().await;
    let reached = results.iter().filter(|(_, _, result)| matches!(result, Ok(true))).count();
    let failures: Vec<String> = results
        .iter()
        .filter_map(|(k, phase, result)| {
            let error = result.as_ref().err()?;
            Some(format!("{phase:?} write {k} ({}): {error:#}", writes[*k as usize - 1]))
        })
        .collect();
    // Past the test runner, which keeps what tests print: the count is part of what the suite says.
    let _ = writeln!(
        std::io::stdout(),
        "{scenario:?}: {} writes to {to:?}, {} points enumerated, {reached} reached, {} failed",
        writes.len(),
        results.len(),
        failures.len()
    );
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    // How many status writes a run has varies with what coincides, so the last points may lie past the end.
    let enough = if to == To::Azure { reached == results.len() } else { reached * 2 > results.len() };
    ensure!(enough, "{reached} of {} points were reached", results.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_creation_ends_with_one_server_and_its_password() -> Result<()> {
    enumerate(To::Azure, Scenario::Create).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_rotation_loses_no_password() -> Result<()> {
    enumerate(To::Azure, Scenario::Rotate).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_recovery_of_deleted_vault_secrets_ends_with_current_ones() -> Result<()> {
    enumerate(To::Azure, Scenario::Recover).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_deletion_leaves_nothing_and_touches_nothing_else() -> Result<()> {
    enumerate(To::Azure, Scenario::Delete).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_to_kubernetes_of_a_creation_ends_with_one_server_and_its_password() -> Result<()> {
    enumerate(To::Kubernetes, Scenario::Create).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_to_kubernetes_of_a_deletion_leaves_nothing() -> Result<()> {
    enumerate(To::Kubernetes, Scenario::Delete).await
}
