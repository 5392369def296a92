//! `cargo xtask demo`: the main job from end to end on the embedded cluster, with a real kubectl.
//!
//! Starts the cluster, its local node and the host as processes of their own, applies the manifest that users know,
//! changes it, breaks it, deletes it, and shows what happens while it happens. Leaves nothing running.

mod processes;
mod screen;
mod tree;

use anyhow::{Context, Result, bail};
use clap::Args;
use processes::{Cluster, Stage};
use screen::Screen;
use serde_json::Value;
use std::time::Duration;

/// What `cargo xtask demo` takes.
#[derive(Args)]
pub struct Options {
    /// Leave the cluster and the host running until Ctrl-C, and print the kubeconfig to use.
    #[arg(long)]
    keep: bool,
}

const MANIFEST: &str = "crds/examples/mysql.yaml";
const NAME: &str = "prod-db";
/// How long any one step may take before the demo gives up and says what it waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs the demo.
pub fn demo(options: &Options) -> Result<()> {
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

    screen.step("a user scales it: kubectl scale mysql prod-db --replicas=5");
    cluster.kubectl(&["scale", "mysql", NAME, "--replicas=5"])?;
    until(cluster, screen, "5 replicas ready", |world| {
        tree::status(world, NAME, "readyReplicas") == Some(5) && tree::ready(world, NAME)
    })?;

    screen.step("a user upgrades it: kubectl patch mysql prod-db --type=merge -p '{\"spec\":{\"version\":\"8.4\"}}'");
    cluster.kubectl(&["patch", "mysql", NAME, "--type=merge", "-p", r#"{"spec":{"version":"8.4"}}"#])?;
    until(cluster, screen, "every pod on 8.4", |world| {
        tree::pods_running(world, "8.4") == 5 && tree::ready(world, NAME)
    })?;

    screen.step("a child is lost: kubectl delete service prod-db-primary");
    let lost =
        tree::uid(&cluster.world()?, "Service", "prod-db-primary").context("there is no Service prod-db-primary")?;
    cluster.kubectl(&["delete", "service", "prod-db-primary"])?;
    until(cluster, screen, "the Service made again", |world| {
        tree::uid(world, "Service", "prod-db-primary").is_some_and(|uid| uid != lost) && tree::ready(world, NAME)
    })?;

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
    screen.step(&format!("a user applies {MANIFEST}: kubectl apply -f {MANIFEST}"));
    screen.text(&cluster.read(MANIFEST)?);
    cluster.kubectl(&["apply", "-f", MANIFEST])?;
    until(cluster, screen, "3 replicas ready", |world| {
        tree::status(world, NAME, "readyReplicas") == Some(3) && tree::ready(world, NAME)
    })
}

fn keep(cluster: &Cluster, screen: &mut Screen) -> Result<()> {
    create(cluster, screen)?;
    screen.text(&format!(
        "\nThe cluster and the host stay up. In another terminal:\n\n    export KUBECONFIG={}\n    kubectl get mysql -w\n\nCtrl-C ends them.",
        cluster.kubeconfig().display()
    ));
    cluster.wait_for_end()
}

/// Shows what changes until `done`, or fails with what it waited for.
fn until(cluster: &Cluster, screen: &mut Screen, what: &str, done: impl Fn(&Value) -> bool) -> Result<()> {
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
