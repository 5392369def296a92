//! The policy on thousands of simulated clusters: no acknowledged row is lost, no two servers take writes, and everything
//! comes right when the trouble ends.
//!
//! `WINDLASS_SIMULATOR_SEED=S` replays one seed and prints what happened; `WINDLASS_SIMULATOR_STEPS=N` ends its trouble
//! after N steps. `WINDLASS_SIMULATOR_SEEDS=N` runs so many, `WINDLASS_SIMULATOR_FIRST=S` from this one on.

#![allow(clippy::unwrap_used)]

use fixtures::environment::variable;
use simulator::brain::component::Component;
use simulator::brain::{Brain, Native};
use simulator::run::{Options, Outcome, run};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use windlass::decide::{Compiler, Engine, EngineOptions, Limits, Plugin};

/// Seeds of one run of the suite.
const SEEDS: u64 = 10_000;
/// Of so many seeds one is decided by native code as well, and both must say the same.
const COMPARED: u64 = 20;

fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn say(text: &str) {
    // Past the test runner, which keeps what tests print: the counts are part of what the suite says.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn plugin() -> Plugin {
    let file = fixtures::components::folder().unwrap().join("mysql.wasm");
    let bytes = std::fs::read(&file).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let engine = Engine::new(EngineOptions::new(Compiler::InProcess)).unwrap();
    let plugin = runtime.block_on(engine.load("mysql", bytes, Limits::default())).unwrap();
    // The threads of the engine end with the process.
    std::mem::forget(engine);
    plugin
}

/// Runs one seed; a failing one is made as short as it can be cheaply.
fn judge(seed: u64, brain: &mut dyn Brain) -> (Outcome, Option<String>) {
    let outcome = run(&Options::seed(seed), brain);
    if outcome.broken.is_empty() {
        return (outcome, None);
    }
    let mut shortest = (outcome.steps, outcome.broken.clone());
    let mut steps = outcome.steps;
    while steps > 1 {
        steps /= 2;
        let shorter = run(&Options { steps: Some(steps), ..Options::seed(seed) }, brain);
        if !shorter.broken.is_empty() {
            shortest = (shorter.steps.min(steps), shorter.broken);
        }
    }
    let (steps, broken) = shortest;
    let told = format!(
        "seed {seed}, {steps} steps of trouble: {}\n  replay: WINDLASS_SIMULATOR_SEED={seed} \
         WINDLASS_SIMULATOR_STEPS={steps} cargo xtask test --suite simulator --filter any_seed",
        broken.join("; ")
    );
    (outcome, Some(told))
}

fn replay(seed: u64) {
    let steps = number("WINDLASS_SIMULATOR_STEPS").map(|steps| steps as usize);
    let outcome = run(&Options { steps, log: true, ..Options::seed(seed) }, &mut Native);
    outcome.log.iter().for_each(|line| say(line));
    assert!(outcome.broken.is_empty(), "seed {seed}: {}", outcome.broken.join("; "));
}

#[derive(Default)]
struct Sums {
    steps: u64,
    decisions: u64,
    rows: u64,
    moves: u64,
    hours: u64,
}

#[test]
fn any_seed_keeps_every_acknowledged_row_and_comes_right() {
    if let Some(seed) = number("WINDLASS_SIMULATOR_SEED") {
        return replay(seed);
    }
    let first = number("WINDLASS_SIMULATOR_FIRST").unwrap_or(1);
    let last = first + number("WINDLASS_SIMULATOR_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let failures = Mutex::new(BTreeMap::new());
    let sums = Mutex::new(Sums::default());
    let plugin = plugin();
    let native = variable("WINDLASS_SIMULATOR_NATIVE").is_some();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut component = Component::new(plugin.clone()).unwrap();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last || failures.lock().unwrap().len() >= 20 {
                        break;
                    }
                    component.compare = seed.is_multiple_of(COMPARED);
                    let brain: &mut dyn Brain = if native { &mut Native } else { &mut component };
                    let (outcome, failure) = judge(seed, brain);
                    let mut sums = sums.lock().unwrap();
                    sums.steps += outcome.steps as u64;
                    sums.decisions += outcome.decisions;
                    sums.rows += outcome.acknowledged as u64;
                    sums.moves += u64::from(outcome.moves);
                    sums.hours += outcome.time;
                    if let Some(failure) = failure {
                        failures.lock().unwrap().insert(seed, failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let sums = sums.into_inner().unwrap();
    say(&format!(
        "simulator: seeds {first} to {}, {} steps of trouble, {} decisions, {} rows acknowledged, {} changes of primary, \
         {} hours of clusters, {} failed",
        last - 1,
        sums.steps,
        sums.decisions,
        sums.rows,
        sums.moves,
        sums.hours / 3_600_000,
        failures.len()
    ));
    assert!(failures.is_empty(), "{}", failures.values().cloned().collect::<Vec<_>>().join("\n"));
}
