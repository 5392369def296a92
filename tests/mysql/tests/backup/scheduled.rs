//! A backup as users have it: a schedule in a `MySQL`, a pod that the CronJob makes, and a new cluster that gets the rows.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, Patch, PatchParams};
use mysql_suite::durability::report::say;
use mysql_suite::durability::session::{Account, PORT, Session};
use mysql_suite::durability::world::{NAME, NAMESPACE, RealWorld};
use mysql_suite::durability::writer::Writers;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

/// The cluster that gets the backup.
const COPY: &str = "copy";
/// A schedule has a minute at most to come, and its pod as long again.
const PATIENCE: Duration = Duration::from_secs(120);

fn spec(replicas: u32, version: &str, schedule: Option<&str>) -> Value {
    let memory = json!({"requests": {"memory": "256Mi"}, "limits": {"memory": "256Mi"}});
    let backup = json!({"enabled": schedule.is_some(), "schedule": schedule.unwrap_or("0 2 * * *")});
    json!({"replicas": replicas, "version": version, "resources": memory, "backup": backup})
}

#[test]
fn a_scheduled_backup_is_taken_in_its_pod_while_clients_write_and_restores_into_a_new_cluster() {
    crate::on_each(|installation| async move {
        let series: Vec<&str> = installation.version.split('.').take(2).collect();
        story(&series.join(".")).await.unwrap_or_else(|error| panic!("{error:#}"));
    });
}

async fn story(version: &str) -> Result<()> {
    let command = env!("CARGO_BIN_EXE_windlass-under-test");
    let world = RealWorld::with_command(spec(2, version, Some("* * * * *")), command).await?;
    let writers = Writers::start(&world.around, 1);
    let told = told(&world).await;
    if told.is_err() {
        say(&world.account_of_failure().await);
    }
    let done = match told {
        Ok((folder, known)) => restored(&world, version, &folder, &known).await,
        Err(error) => Err(error),
    };
    writers.stop().await;
    world.stop().await;
    done
}

/// Waits for the schedule, and for the word of the resources about it. Where the backups are, and rows that are in it.
async fn told(world: &RealWorld) -> Result<(PathBuf, BTreeSet<u64>)> {
    let named = format!("{NAME}-backup");
    let backups = world.api("backup.windlass.dev", "v1alpha1", "Backup");
    let status = async || anyhow::Ok(backups.get(&named).await?.data["status"].clone());
    let time = |status: &Value, of: &str| status[of].as_str().unwrap_or_default().to_owned();
    let writing = async || {
        ensure!(world.around.record.acknowledged().len() > 100, "{:?}", world.around.record.counts());
        status().await
    };
    let before = world.until("clients to write, and a Backup", PATIENCE, writing).await?;
    // Only a backup that is due from now on has all of these.
    let (since, known) = (Instant::now(), world.around.record.acknowledged().into_keys().collect());
    let claim = world
        .until("a backup that is told to be good", PATIENCE, async || {
            let now = status().await?;
            let due = time(&now, "lastScheduleTime");
            ensure!(due > time(&before, "lastScheduleTime") && time(&now, "lastSuccessTime") >= due, "{now}");
            ensure!(succeeded(&now), "{now}");
            let last = &now["lastBackup"];
            ensure!(last["role"] == "replica" && last["gtidSet"].is_string(), "{last}");
            now["claim"].as_str().map(str::to_owned).context("no claim is told")
        })
        .await?;
    ensure!(world.around.record.answers_since(since) > 100, "clients were kept from writing");
    let volume = world.processes.claim(NAMESPACE, &claim).context("the node has no such claim")?;
    Ok((volume.join(named), known))
}

fn succeeded(status: &Value) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "LastBackupSucceeded" && condition["status"] == "True")
}

/// Brings the newest backup into a new cluster, and compares.
async fn restored(world: &RealWorld, version: &str, backups: &Path, known: &BTreeSet<u64>) -> Result<()> {
    let manifest = json!({
        "apiVersion": "database.example.com/v1", "kind": "MySQL", "metadata": {"name": COPY},
        "spec": spec(1, version, None),
    });
    world.mysqls().patch(COPY, &PatchParams::apply("user"), &Patch::Apply(&manifest)).await?;
    let primary = world
        .until("the new cluster", PATIENCE, async || {
            let status = world.mysqls().get(COPY).await?.data["status"].clone();
            let mut conditions = status["conditions"].as_array().into_iter().flatten();
            let open = conditions.any(|condition| condition["type"] == "Available" && condition["status"] == "True");
            ensure!(open, "{status}");
            status["currentPrimary"].as_str().map(str::to_owned).context("no primary")
        })
        .await?;
    let pods: Api<Pod> = Api::namespaced(world.around.client.clone(), NAMESPACE);
    let address = pods.get(&primary).await?.status.and_then(|status| status.pod_ip).context("no address")?;
    let secrets: Api<Secret> = Api::namespaced(world.around.client.clone(), NAMESPACE);
    let secret = secrets.get(&format!("{COPY}-root")).await?.data.unwrap_or_default();
    let password = String::from_utf8(secret.get("password").context("no password")?.0.clone())?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("password"), &password)?;
    let output = Command::new(env!("CARGO_BIN_EXE_windlass-under-test"))
        .args(["restore", "--latest", "--user=root", "--target-host", &address])
        .arg("--source")
        .arg(backups)
        .arg("--password-file")
        .arg(folder.path().join("password"))
        .arg("--tools")
        .arg(&mysql_suite::installations().into_iter().next().context("no installation")?.bin)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let root = Account { user: "root".into(), password };
    let to = (address.parse()?, PORT);
    let mut session = Session::open(&world.around.doors, to, &root, Duration::from_secs(5)).await?;
    let rows: BTreeSet<u64> = session.rows("SELECT id FROM suite.written").await?.into_iter().collect();
    let lost: Vec<_> = known.difference(&rows).take(10).collect();
    ensure!(lost.is_empty(), "acknowledged before the backup and not in it: {lost:?}");
    let mut first = world.session(&world.primary().await?).await?;
    let all: BTreeSet<u64> = first.rows("SELECT id FROM suite.written").await?.into_iter().collect();
    ensure!(rows.is_subset(&all), "rows that the cluster never had");
    ensure!(rows.len() < all.len(), "clients did not write after the backup");
    Ok(())
}
