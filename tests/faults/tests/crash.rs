//! A1, A7: the host is killed before and after every single API write of four scenarios, in turn. Each run must end in the
//! state of the run without a crash (O1), with the same creations and deletions (O2), and a host that starts afterwards
//! writes nothing (O3).

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, bail, ensure};
use apiserver::faults::Phase;
use fixtures::host::USER_AGENT;
use fixtures::oracle;
use fixtures::world::World;
use fixtures::writes::Deadly;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;

const NAME: &str = "prod-db";

/// What a user does, and what should come of it.
#[derive(Clone, Copy)]
enum Scenario {
    Create,
    Scale,
    Upgrade,
    Delete,
}

impl Scenario {
    fn spec(replicas: i64, version: &str) -> Value {
        json!({"replicas": replicas, "version": version, "backup": {"enabled": true, "schedule": "0 2 * * *"}})
    }

    /// Brings the world to where the scenario starts.
    async fn prepare(self, world: &World) -> Result<()> {
        match self {
            Scenario::Create => Ok(()),
            Scenario::Scale | Scenario::Upgrade | Scenario::Delete => {
                world.apply(NAME, Scenario::spec(3, "8.0")).await?;
                world.until_ready(NAME, 3).await
            }
        }
    }

    async fn begin(self, world: &World) -> Result<()> {
        match self {
            Scenario::Create => world.apply(NAME, Scenario::spec(3, "8.0")).await,
            Scenario::Scale => world.apply(NAME, Scenario::spec(5, "8.0")).await,
            Scenario::Upgrade => world.apply(NAME, Scenario::spec(3, "8.4")).await,
            Scenario::Delete => world.delete(NAME).await,
        }
    }

    async fn end(self, world: &World) -> Result<()> {
        match self {
            Scenario::Create => world.until_ready(NAME, 3).await?,
            Scenario::Scale => world.until_ready(NAME, 5).await?,
            Scenario::Upgrade => world.until_ready(NAME, 3).await?,
            Scenario::Delete => world.until_gone(NAME).await?,
        }
        world.until_quiet().await
    }
}

struct Reference {
    writes: Vec<String>,
    state: BTreeMap<String, Value>,
    counts: BTreeMap<String, (u64, u64)>,
}

async fn reference(scenario: Scenario) -> Result<Reference> {
    let world = World::start().await?;
    let host = world.host().await?;
    scenario.prepare(&world).await?;
    world.until_quiet().await?;
    world.server.store().reset_counts();
    let writes = world.count_host_writes();
    scenario.begin(&world).await?;
    scenario.end(&world).await?;
    let reference = Reference {
        writes: writes.list(),
        state: oracle::state(&world.server),
        counts: oracle::creations_and_deletions(&world.server),
    };
    host.stop().await?;
    world.stop().await;
    Ok(reference)
}

/// One run with one crash. False when the run ended before the host came to that write.
async fn crash(scenario: Scenario, reference: &Reference, k: u64, phase: Phase) -> Result<bool> {
    let world = World::start().await?;
    let host = world.host().await?;
    scenario.prepare(&world).await?;
    world.until_quiet().await?;
    world.server.store().reset_counts();
    let deadly = Deadly::at(world.faults(), USER_AGENT, k, phase, host.killer());
    scenario.begin(&world).await?;
    world
        .until("the crash or the end", async || Ok(deadly.happened() || scenario_is_over(scenario, &world).await?))
        .await?;
    host.kill().await;
    world.faults().remove_observers();

    let second = world.host().await?;
    scenario.end(&world).await.context("after the crash it did not converge")?;
    let found = oracle::state(&world.server);
    let differences = oracle::differences(&reference.state, &found);
    ensure!(differences.is_empty(), "the end state differs:\n  {}", differences.join("\n  "));
    let counts = oracle::creations_and_deletions(&world.server);
    if counts != reference.counts {
        let of = |name: &String| (reference.counts.get(name), counts.get(name));
        let names = reference.counts.keys().chain(counts.keys());
        let lines: Vec<String> =
            names.filter(|name| of(name).0 != of(name).1).map(|name| format!("{name}: {:?}", of(name))).collect();
        bail!("creations and deletions differ (reference, found):\n  {}", lines.join("\n  "));
    }
    second.stop().await?;

    // A host that starts now finds everything as it should be.
    let writes = world.count_host_writes();
    let third = world.host().await?;
    if !matches!(scenario, Scenario::Delete) {
        world
            .until("a pass of the third host", async || {
                Ok(third.metrics.encode().contains("windlass_passes_total{kind=\"MySQL.database.example.com\""))
            })
            .await?;
    }
    world.until_quiet().await?;
    ensure!(writes.count() == 0, "a second pass writes: {:?}", writes.list());
    third.stop().await?;
    world.stop().await;
    Ok(deadly.happened())
}

async fn scenario_is_over(scenario: Scenario, world: &World) -> Result<bool> {
    let object = world.mysqls().get_opt(NAME).await?;
    Ok(match (scenario, object) {
        (Scenario::Delete, object) => object.is_none(),
        (_, None) => false,
        (_, Some(object)) => {
            let conditions = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready =
                conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            ready && object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
        }
    })
}

async fn enumerate(scenario: Scenario, name: &str) -> Result<()> {
    let reference = reference(scenario).await.context("the run without a crash failed")?;
    let points: Vec<(u64, Phase)> =
        (1..=reference.writes.len() as u64).flat_map(|k| [(k, Phase::Before), (k, Phase::After)]).collect();
    let mut reached = 0;
    let mut failures = Vec::new();
    for (k, phase) in &points {
        match crash(scenario, &reference, *k, *phase).await {
            Ok(happened) => reached += u32::from(happened),
            Err(error) => {
                failures.push(format!("{phase:?} write {k} ({}): {error:#}", reference.writes[*k as usize - 1]))
            }
        }
    }
    // Past the test runner, which keeps what tests print: the count is part of what the suite says.
    let _ = writeln!(
        std::io::stdout(),
        "{name}: {} writes, {} points enumerated, {reached} reached, {} failed",
        reference.writes.len(),
        points.len(),
        failures.len()
    );
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    // How many status writes a run has varies with what coincides, so the last points of the reference may lie past the end.
    ensure!(reached as usize * 2 > points.len(), "most points must be reached: {reached} of {}", points.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_creation_ends_in_the_same_state() -> Result<()> {
    enumerate(Scenario::Create, "create").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_scaling_ends_in_the_same_state() -> Result<()> {
    enumerate(Scenario::Scale, "scale").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_an_upgrade_ends_in_the_same_state() -> Result<()> {
    enumerate(Scenario::Upgrade, "upgrade").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_any_write_of_a_deletion_ends_in_the_same_state() -> Result<()> {
    enumerate(Scenario::Delete, "delete").await
}
