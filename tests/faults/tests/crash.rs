//! A1, A7: the host is killed before and after every single API write of four scenarios, in turn. Each run must end in the
//! state of the run without a crash (O1), with the same creations and deletions (O2), and a host that starts afterwards
//! writes nothing (O3).
//!
//! `WINDLASS_CRASH_EVERY=N` tries every N-th of these points only, from one on that `WINDLASS_SEED` picks.

#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, bail, ensure};
use apiserver::faults::Phase;
use fixtures::environment::variable;
use fixtures::host::{SYSTEM_NAMESPACE, USER_AGENT};
use fixtures::oracle;
use fixtures::stage::condition;
use fixtures::world::World;
use fixtures::writes::Deadly;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;

const NAME: &str = "prod-db";
/// Clusters of one scenario that live at a time.
const AT_A_TIME: usize = 4;

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

    /// Brings the world to where the scenario starts: what a host and a cluster make when they start is there.
    async fn prepare(self, world: &World) -> Result<()> {
        world.until("host and cluster to have started", async || Ok(has_started(world))).await?;
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
        // Ready comes before the last words: a look that finds nothing to do may be a second away, which is long for quiet.
        world.until("everything to be as desired", async || as_desired(world).await).await?;
        world.until_quiet().await
    }
}

/// Whether everything exists that comes with the start of a host and of a cluster.
fn has_started(world: &World) -> bool {
    let objects = world.server.store().dump();
    let account = |namespace: &str| format!("serviceaccounts/{namespace}/default");
    let definition = |name: &str| format!("customresourcedefinitions.apiextensions.k8s.io/{name}");
    [
        definition("mysqls.database.example.com"),
        definition("backups.backup.windlass.dev"),
        format!("secrets/{SYSTEM_NAMESPACE}/windlass-host"),
        account(SYSTEM_NAMESPACE),
        account("default"),
        account("kube-node-lease"),
        account("kube-public"),
        account("kube-system"),
    ]
    .iter()
    .all(|name| objects.contains_key(name))
}

/// Whether the host says of the resource that nothing is left to do. One that is gone is as desired.
async fn as_desired(world: &World) -> Result<bool> {
    let Some(object) = world.mysqls().get_opt(NAME).await? else { return Ok(true) };
    Ok(condition(&object, "Reconciled").reason == "AsDesired")
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

/// Which of the points are tried: all, or every so many-th from one on that the seed picks.
#[derive(Clone, Copy)]
struct Sample {
    every: usize,
    seed: usize,
}

impl Sample {
    fn wanted() -> Result<Sample> {
        let number = |name: &str| -> Result<Option<usize>> {
            variable(name).map(|text| text.parse().with_context(|| format!("{name} is no number: {text}"))).transpose()
        };
        let every = number("WINDLASS_CRASH_EVERY")?.unwrap_or(1).max(1);
        Ok(Sample { every, seed: number("WINDLASS_SEED")?.unwrap_or_default() })
    }

    /// The first point that is tried. Scenarios begin at different ones.
    fn offset(self, scenario: Scenario) -> usize {
        (self.seed + scenario as usize) % self.every
    }
}

/// Past the test runner, which keeps what tests print: how far it is and the counts are part of what the suite says.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

async fn enumerate(scenario: Scenario, name: &str) -> Result<()> {
    let sample = Sample::wanted()?;
    let reference = reference(scenario).await.context("the run without a crash failed")?;
    let points: Vec<(u64, Phase)> =
        (1..=reference.writes.len() as u64).flat_map(|k| [(k, Phase::Before), (k, Phase::After)]).collect();
    let offset = sample.offset(scenario);
    let tried: Vec<(u64, Phase)> = points.iter().skip(offset).step_by(sample.every).copied().collect();
    let (mut done, mut reached, mut failures) = (0, 0, Vec::new());
    let live = |(k, phase)| {
        let reference = &reference;
        async move { (k, phase, crash(scenario, reference, k, phase).await) }
    };
    // Most of what a cluster does in its life is to wait.
    let mut lives = stream::iter(tried.clone()).map(live).buffer_unordered(AT_A_TIME);
    while let Some((k, phase, end)) = lives.next().await {
        done += 1;
        match end {
            Ok(happened) => reached += usize::from(happened),
            Err(error) => {
                let failure = format!("{name}, {phase:?} write {k} ({}): {error:#}", reference.writes[k as usize - 1]);
                say(&failure);
                failures.push(failure);
            }
        }
        if done % 10 == 0 {
            say(&format!("{name}: {done} of {} points, {} failed", tried.len(), failures.len()));
        }
    }
    say(&format!(
        "{name}: {} writes, {} points, every {} from {offset} tried (WINDLASS_CRASH_EVERY={} WINDLASS_SEED={}): {} tried, \
         {reached} reached, {} failed",
        reference.writes.len(),
        points.len(),
        sample.every,
        sample.every,
        sample.seed,
        tried.len(),
        failures.len()
    ));
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    // How many status writes a run has varies with what coincides, so the last points of the reference may lie past the end.
    ensure!(reached * 2 > tried.len(), "most points must be reached: {reached} of {}", tried.len());
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
