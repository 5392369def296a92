//! `cargo xtask demo`: the main job from end to end on the embedded cluster, with a real kubectl.
//!
//! Starts the cluster, its local node and the host as processes of their own, applies the manifest that users know, kills
//! the primary under a client that writes, changes the cluster, breaks it, deletes it, and shows what happens while it
//! happens. The servers are real: the node runs `mysqld`. Leaves nothing running.

mod azure;
mod client;
mod plugins;
mod processes;
mod screen;
mod tree;

use anyhow::{Context, Result, bail};
use clap::Args;
use client::Client;
use processes::{Cluster, Stage};
use screen::Screen;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What `cargo xtask demo` takes.
#[derive(Args)]
pub struct Options {
    /// What to show.
    #[arg(value_enum, default_value_t = Show::Mysql)]
    show: Show,
    /// Leave the cluster and the host running until Ctrl-C, and print the kubeconfig to use.
    #[arg(long)]
    keep: bool,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Show {
    /// A MySQL with its failover.
    Mysql,
    /// An Azure SQL server, against the stand-in for Azure.
    Azure,
    /// A kind that is added to a running host, upgraded with the difference shown, broken, rolled back and removed.
    Plugins,
}

const MANIFEST: &str = "crds/examples/mysql.yaml";
const NAME: &str = "prod-db";
/// How long any one step may take before the demo gives up and says what it waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs the demo.
pub fn demo(options: &Options) -> Result<()> {
    match options.show {
        Show::Azure => return azure::demo(),
        Show::Plugins => return plugins::demo(),
        Show::Mysql => {}
    }
    let stage = Stage::set()?;
    let mut screen = Screen::new();
    let cluster = Cluster::start(&stage, &mut screen)?;
    let result = if options.keep { keep(&cluster, &mut screen) } else { scenario(&cluster, &mut screen) };
    if result.is_err() {
        eprintln!("{}", cluster.last_lines_of_logs());
    }
    screen.timeline();
    result
}

fn scenario(cluster: &Cluster, screen: &mut Screen) -> Result<()> {
    create(cluster, screen)?;

    let mut client = Client::start(cluster.kubernetes(), cluster.mysql()?, NAME)?;
    screen.step("a client writes: one row a statement, to whoever the Service prod-db-primary points at");
    until(cluster, screen, "200 rows acknowledged", |_| client.acknowledged() >= 200)?;
    kill_primary(cluster, screen, &client)?;

    screen.step("a user changes a setting: kubectl patch mysql prod-db --type=merge -p '{\"spec\":{\"config\":{\"max_connections\":300}}}'");
    let old: Vec<String> = tree::pods(&cluster.world()?, NAME);
    let patch = r#"{"spec":{"config":{"max_connections":300}}}"#;
    cluster.kubectl(&["patch", "mysql", NAME, "--type=merge", "-p", patch])?;
    until(cluster, screen, "every server restarted with it, the primary last", |world| {
        let new = tree::pods(world, NAME);
        new.len() == 3 && new.iter().all(|uid| !old.contains(uid)) && tree::ready(world, NAME)
    })?;

    screen.step("a user scales it: kubectl scale mysql prod-db --replicas=5");
    cluster.kubectl(&["scale", "mysql", NAME, "--replicas=5"])?;
    until(cluster, screen, "5 replicas ready", |world| {
        tree::status(world, NAME, "readyReplicas") == Some(5) && tree::ready(world, NAME)
    })?;

    screen.step("a child is lost: kubectl delete service prod-db-primary");
    let lost =
        tree::uid(&cluster.world()?, "Service", "prod-db-primary").context("there is no Service prod-db-primary")?;
    cluster.kubectl(&["delete", "service", "prod-db-primary"])?;
    until(cluster, screen, "the Service made again", |world| {
        tree::uid(world, "Service", "prod-db-primary").is_some_and(|uid| uid != lost) && tree::ready(world, NAME)
    })?;

    client.stop();
    screen.step("every acknowledged row is looked for on every server");
    count(cluster, screen, &client)?;

    screen.step("kubectl get mysql, and its events");
    screen.text(&cluster.kubectl(&["get", "mysql", NAME, "-o", "wide"])?);
    screen.text(&cluster.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=MySQL"])?);

    screen.step("the user deletes it: kubectl delete mysql prod-db");
    cluster.kubectl(&["delete", "mysql", NAME, "--wait=false"])?;
    until(cluster, screen, "all of it gone, data volumes kept", |world| tree::owned_left(world, NAME) == 0)?;
    screen.text(&cluster.kubectl(&["get", "persistentvolumeclaim"])?);
    Ok(())
}

fn create(cluster: &Cluster, screen: &mut Screen) -> Result<()> {
    let series = cluster.series()?;
    screen.step(&format!(
        "a user applies {MANIFEST}, with the version that this machine has, {series}: kubectl apply -f"
    ));
    let manifest = cluster.read(MANIFEST)?.replace("\"8.0\"", &format!("\"{series}\""));
    screen.text(&manifest);
    cluster.apply(&manifest)?;
    until(cluster, screen, "3 replicas ready", |world| {
        tree::status(world, NAME, "readyReplicas") == Some(3) && tree::ready(world, NAME)
    })
}

/// Kills the primary and shows when writes stop, who is next, when writes go on, and when the old one is back.
fn kill_primary(cluster: &Cluster, screen: &mut Screen, client: &Client) -> Result<()> {
    let primary = tree::text_of(&cluster.world()?, NAME, "currentPrimary").context("the status names no primary")?;
    let process = cluster.server_process(&primary).with_context(|| format!("no server runs in {primary}"))?;
    screen.step(&format!("the primary is killed: kill -KILL {process}, the mysqld of {primary}"));
    let killed = screen::now();
    cluster.kill(process)?;
    let mut last = process;
    let mut next = None;
    until(cluster, screen, "another primary, which takes writes", |world| {
        let now = tree::text_of(world, NAME, "currentPrimary").filter(|now| *now != primary);
        if next.is_none() && now.is_some() {
            next = now.map(|name| (name, screen::now()));
        }
        // One that is up again within a second or so just goes on. What is shown here is a server that does not come back.
        if next.is_none()
            && let Some(again) = cluster.server_process(&primary).filter(|process| *process != last)
        {
            last = again;
            let _ = cluster.kill(again);
        }
        next.is_some()
            && client.told().acknowledged.values().any(|at| next.as_ref().is_some_and(|(_, since)| at > since))
    })?;
    let is_back = |world: &Value| tree::role(world, &primary).as_deref() == Some("replica") && tree::ready(world, NAME);
    until(cluster, screen, &format!("{primary} answers again"), |world| {
        is_back(world) || tree::errant(world, NAME).is_some()
    })?;
    if let Some(errant) = tree::errant(&cluster.world()?, NAME) {
        // It died after it had written a row to its own log and before another server had it. The client has no answer.
        screen.text(&errant);
        let patch = r#"{"spec":{"recovery":{"reinitErrant":true}}}"#;
        screen.step(&format!("it has a row that nobody else has and nobody was promised: kubectl patch mysql {NAME} --type=merge -p '{patch}'"));
        cluster.kubectl(&["patch", "mysql", NAME, "--type=merge", "-p", patch])?;
    }
    until(cluster, screen, &format!("{primary} back, as a replica"), is_back)?;
    let (name, chosen) = next.context("nobody was chosen")?;
    let (last, first) = client.gap(killed).context("nobody wrote")?;
    let since = |at: Instant| format!("{:.2} s", at.saturating_duration_since(killed).as_secs_f64());
    screen.text(&format!(
        "after the kill: the last row was acknowledged at {}, {name} was seen as the primary at {}, the next row was \
         acknowledged at {}; writes stopped for {:.2} s",
        since(last),
        since(chosen),
        since(first),
        first.duration_since(last).as_secs_f64()
    ));
    screen.note(&format!("  writes stopped for {:.2} s", first.duration_since(last).as_secs_f64()));
    Ok(())
}

/// Counts the acknowledged rows on every server, each after it has what the primary has.
fn count(cluster: &Cluster, screen: &mut Screen, client: &Client) -> Result<()> {
    let (kubernetes, mysql) = (cluster.kubernetes(), cluster.mysql()?);
    let password = kubernetes.password(&format!("{NAME}-root"))?;
    let root = ("root", password.as_str());
    let primary = kubernetes.behind(&format!("{NAME}-primary"))?.context("the Service for writes has no server")?;
    let executed = mysql.ask(&primary, root, "SELECT @@global.gtid_executed")?.replace("\\n", "");
    let mut lost = 0;
    for (pod, address) in tree::addresses(&cluster.world()?, NAME) {
        let statement =
            format!("DO WAIT_FOR_EXECUTED_GTID_SET('{executed}', 60); SELECT id FROM demo.written ORDER BY id");
        let answer = mysql.ask(&address, root, &statement)?;
        let there: BTreeSet<u64> = answer.lines().filter_map(|line| line.parse().ok()).collect();
        let told = client.told();
        let missing = told.acknowledged.keys().filter(|id| !there.contains(id)).count();
        screen.text(&format!(
            "{pod}: {} of {} acknowledged rows, {missing} missing",
            told.acknowledged.len() - missing,
            told.acknowledged.len()
        ));
        lost += missing;
    }
    if lost > 0 {
        bail!("{lost} acknowledged rows are missing");
    }
    let told = client.told();
    let unknown = told.sent - told.acknowledged.len() as u64;
    screen.done(&format!("{} rows acknowledged, all found; {unknown} sent without an answer", told.acknowledged.len()));
    Ok(())
}

fn keep(cluster: &Cluster, screen: &mut Screen) -> Result<()> {
    create(cluster, screen)?;
    let mysql = cluster.mysql()?;
    screen.text(&format!(
        "\nThe cluster and the host stay up. In another terminal:\n\n    export KUBECONFIG={}\n    kubectl get mysql -w\n\n\
         and to reach the primary:\n\n    {} --port=3306 --user=root \\\n      \
         --host=\"$(kubectl get endpointslices -l kubernetes.io/service-name={NAME}-primary \\\n        \
         -o jsonpath='{{.items[0].endpoints[0].addresses[0]}}')\" \\\n      \
         --password=\"$(kubectl get secret {NAME}-root -o go-template='{{{{.data.password | base64decode}}}}')\"\n\n\
         Ctrl-C ends them.",
        cluster.kubeconfig().display(),
        mysql.program().display()
    ));
    cluster.wait_for_end()
}

/// Shows what changes until `done`, or fails with what it waited for.
fn until(cluster: &Cluster, screen: &mut Screen, what: &str, mut done: impl FnMut(&Value) -> bool) -> Result<()> {
    let limit = screen::now() + PATIENCE;
    loop {
        cluster.check_alive()?;
        let world = cluster.world()?;
        screen.show(&tree::render(&world, NAME));
        if done(&world) {
            screen.done(what);
            return Ok(());
        }
        if screen::now() > limit {
            bail!("waited {} s for: {what}", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}
