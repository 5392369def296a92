//! Seeded rounds of faults on a cluster with three real servers, under clients that write: no acknowledged row is lost, no
//! two servers take writes at the same time, and the cluster is in order again each time.
//!
//! `cargo xtask test --suite mysql --rounds 100 --seed 7` for more of them; a failure prints the seed that replays it.

use anyhow::{Context, Result};
use fixtures::environment::variable;
use mysql_suite::durability::report::{self, say};
use mysql_suite::durability::round::{self, rounds};
use mysql_suite::durability::world::RealWorld;
use mysql_suite::durability::writer::Writers;
use serde_json::json;

/// Rounds, unless `WINDLASS_ROUNDS` says otherwise: every fault alone, and as many pairs.
const ROUNDS: usize = 30;
/// Connections that follow the Service.
const FOLLOWERS: usize = 4;

fn number(name: &str) -> Result<Option<u64>> {
    variable(name).map(|text| text.parse().with_context(|| format!("{name} is no number: {text}"))).transpose()
}

#[expect(clippy::disallowed_methods, reason = "a run without a seed takes another one each time, and prints it")]
fn any_seed() -> u64 {
    u64::from(rand::random::<u32>())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_row_is_lost_whatever_fails() -> Result<()> {
    let count = number("WINDLASS_ROUNDS")?.map_or(ROUNDS, |rounds| rounds as usize);
    let seed = number("WINDLASS_SEED")?.unwrap_or_else(any_seed);
    let world = RealWorld::with(json!({
        "replicas": 3, "version": "9.7", "recovery": {"reinitErrant": true},
        "resources": {"requests": {"memory": "256Mi"}, "limits": {"memory": "256Mi"}},
    }))
    .await?;
    if !world.network.is_own() {
        say("the network of this program is not its own: partitions are left out");
    }
    say(&format!("seed {seed}"));
    let writers = Writers::start(&world.around, FOLLOWERS);
    let mut trials = Vec::new();
    for round in rounds(seed, count, world.network.is_own()) {
        match round::run(&world, &round).await {
            Ok(trial) => {
                say(&report::line(&trial));
                trials.push(trial);
            }
            Err(error) => {
                say(&format!("round {:>3}  FAILED  {}\n{error:#}", round.number, round.name()));
                say(&world.account_of_failure().await);
                return Err(error.context(format!("round {} of seed {seed}: {}", round.number, round.name())));
            }
        }
    }
    writers.stop().await;
    let counts = world.around.record.counts();
    match variable("WINDLASS_OUTPUT").as_deref() {
        Some("json") => say(&report::json(seed, &trials, counts).to_string()),
        _ => say(&report::text(seed, &trials, counts)),
    }
    world.stop().await;
    Ok(())
}
