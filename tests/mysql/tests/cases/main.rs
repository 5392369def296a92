//! Whole-cluster cases on real servers, each under clients that write and with all questions asked at its end. They run
//! one after the other and share a cluster as long as all goes well: making one takes longer than most cases.
//!
//! As with other test programs, an argument is a part of the names of the cases to run.

mod stories;

use anyhow::Result;
use futures::future::LocalBoxFuture;
use mysql_suite::durability::report::say;
use mysql_suite::durability::world::RealWorld;
use mysql_suite::durability::writer::Writers;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Connections that follow the Service.
const FOLLOWERS: usize = 3;

/// A case.
pub struct Case {
    name: &'static str,
    /// Servers of the cluster that it begins with.
    replicas: u32,
    /// It needs a network and mounts of this program's own.
    encloses: bool,
    run: for<'a> fn(&'a RealWorld) -> LocalBoxFuture<'a, Result<()>>,
}

/// The spec of the clusters.
pub fn spec(replicas: u32) -> Value {
    json!({
        "replicas": replicas, "version": "9.7", "recovery": {"reinitErrant": true},
        "resources": {"requests": {"memory": "256Mi"}, "limits": {"memory": "256Mi"}},
    })
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut cases = stories::all();
    cases.retain(|case| wanted.is_empty() || wanted.iter().any(|part| case.name.contains(part.as_str())));
    let mut failed = Vec::new();
    let mut stage: Option<(u32, RealWorld, Writers)> = None;
    for case in &cases {
        let started = Instant::now();
        match play(case, &mut stage).await {
            Ok(true) => say(&format!("test {} ... ok ({:.1} s)", case.name, started.elapsed().as_secs_f64())),
            Ok(false) => say(&format!("test {} ... ignored: it needs namespaces of its own", case.name)),
            Err(error) => {
                say(&format!("test {} ... FAILED ({:.1} s)\n{error:#}", case.name, started.elapsed().as_secs_f64()));
                failed.push(case.name);
                end(stage.take()).await;
            }
        }
    }
    end(stage.take()).await;
    say(&format!(
        "\n{} cases, {} failed{}{}",
        cases.len(),
        failed.len(),
        if failed.is_empty() { "" } else { ": " },
        failed.join(", ")
    ));
    if failed.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

/// Runs a case; false where this machine cannot.
async fn play(case: &Case, stage: &mut Option<(u32, RealWorld, Writers)>) -> Result<bool> {
    if stage.as_ref().is_none_or(|(replicas, _, _)| *replicas != case.replicas) {
        end(stage.take()).await;
        let world = RealWorld::with(spec(case.replicas)).await?;
        let writers = Writers::start(&world.around, FOLLOWERS);
        *stage = Some((case.replicas, world, writers));
    }
    let Some((_, world, _)) = stage else { return Ok(false) };
    if case.encloses && !world.network.is_own() {
        return Ok(false);
    }
    if let Err(error) = (case.run)(world).await {
        say(&world.account_of_failure().await);
        return Err(error);
    }
    Ok(true)
}

async fn end(stage: Option<(u32, RealWorld, Writers)>) {
    if let Some((_, world, writers)) = stage {
        writers.stop().await;
        world.stop().await;
    }
}
