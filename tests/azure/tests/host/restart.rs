//! A creation that takes as long as it was recorded to take, and a host that does not live to see its end. The second time
//! the host is a process of its own, which is killed by the system.

use crate::stage::{NAME, Stage, server_id};
use anyhow::{Context, Result, ensure};
use azure::{Config, Timing};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

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

/// What the host is told: where the cluster and Azure are, who it is there, and its plugin.
fn prepare(stage: &Stage, folder: &Path) -> Result<()> {
    let plugins = folder.join("plugins");
    std::fs::create_dir(&plugins)?;
    for file in ["azuresql.wasm", "azuresql.grants.yaml"] {
        std::fs::copy(fixtures::components::folder()?.join(file), plugins.join(file)).context("no built plugin")?;
    }
    std::fs::write(folder.join("kubeconfig"), stage.world.server.kubeconfig())?;
    let endpoints = stage.endpoints();
    let endpoints = serde_json::json!({
        "resourceManager": endpoints.resource_manager, "login": endpoints.login, "instead": endpoints.instead,
    });
    std::fs::write(folder.join("endpoints.json"), endpoints.to_string())?;
    std::fs::write(folder.join("client-secret"), "a-client-secret\n")?;
    Ok(())
}

/// `windlass run` as a process of its own, as an operator starts it. What it says goes into `log` in its folder.
fn spawn(folder: &Path, log: &str) -> Result<Child> {
    let at = |name: &str| folder.join(name).display().to_string();
    let log = std::fs::File::create(folder.join(log))?;
    // Cargo puts examples beside the folder of test programs, and builds them with these.
    let programs = std::env::current_exe()?;
    let built = programs.ancestors().nth(2).context("the test program is in no folder")?;
    Command::new(built.join("examples/azure-windlass"))
        .args(["--log", "info", "run", "--kubeconfig", &at("kubeconfig"), "--cache-dir", &at("cache")])
        .args(["--plugins", &at("plugins"), "--no-plugin-resources", "--azure-endpoints", &at("endpoints.json")])
        .args(["--azure-tenant-id", "00000000-0000-4000-8000-00000000da7e"])
        .args(["--azure-client-id", "00000000-0000-4000-8000-0000000000c1"])
        .args(["--azure-client-secret-file", &at("client-secret")])
        .env_remove("AZURE_FEDERATED_TOKEN_FILE")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("the host's program does not start")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_process_killed_by_the_system_in_the_middle_of_a_creation_leaves_one_server_and_its_password()
-> Result<()> {
    // A fifth of what was recorded.
    let recorded = Timing::default();
    let timing = Timing {
        create: recorded.create / 5,
        invisible: recorded.invisible / 5,
        ..Timing { child: 200, vault: 200, ..recorded }
    };
    let stage = Stage::new(Config::default().timed(timing)).await?;
    let folder = tempfile::tempdir()?;
    prepare(&stage, folder.path())?;
    let said = || -> String {
        let logs = ["first", "second"].map(|log| std::fs::read_to_string(folder.path().join(log)).unwrap_or_default());
        logs.concat()
    };
    let mut first = spawn(folder.path(), "first")?;
    stage.apply(serde_json::json!({})).await.with_context(said)?;
    let put = format!("servers/{NAME}");
    // It has asked about its operation: the answer to its creation is known to it, and the creation goes on.
    let asked = |one: &azure::Entry| one.method == "GET" && one.path.to_ascii_lowercase().contains("asyncoperation");
    let asks = async || Ok(stage.cloud().ledger().all().iter().any(asked));
    stage.until("the creation to be asked for", asks).await.with_context(said)?;
    first.start_kill()?;
    let ended = first.wait().await?;
    ensure!(ended.signal() == Some(9), "it ended by itself: {ended}\n{}", said());
    let password = stage.secret(NAME, "password").await?.context("there is no password though it was sent")?;
    let polls = stage.cloud().ledger().all().iter().filter(|one| asked(one)).count();
    ensure!(stage.ready(NAME).await?.0 != "True", "the creation was over before the host was killed");

    let mut second = spawn(folder.path(), "second")?;
    stage.until_ready(NAME).await.with_context(said)?;
    stage.agrees(NAME).await?;
    ensure!(stage.cloud().ledger().all().iter().filter(|one| asked(one)).count() > polls, "it goes on asking");
    assert_eq!(stage.cloud().ledger().count("PUT", &put), 1, "it is asked for its operation, not created again");
    assert_eq!(stage.cloud().resources_of("Microsoft.Sql/servers"), [server_id(NAME)]);
    assert_eq!(stage.secret(NAME, "password").await?, Some(password.clone()), "the password is kept");
    second.kill().await?;
    ensure!(!said().contains(&password), "a log has the password");
    stage.end().await;
    Ok(())
}
