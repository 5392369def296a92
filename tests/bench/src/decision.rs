//! One decision: the plugin in the sandbox, all limits on and a fresh instance, against the same code native.

use crate::plugin::{bytes, decide_natively, engine, of_model, sandboxed, snapshot};
use anyhow::{Result, ensure};
use std::{hint::black_box, time::Duration};

const CALLS: u32 = 5_000;

pub(crate) fn measure(_: usize) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let engine = engine(None)?;
        let plugin = sandboxed(&engine).await?;
        let snapshot = snapshot()?;
        let shown = of_model(&snapshot);
        let (mut native, mut inside, mut total) = (Vec::new(), Vec::new(), Vec::new());
        let mut fuel = 0;
        // Taken in turns, so that a slow moment of the machine is in both.
        for _ in 0..CALLS {
            let begun = tokio::time::Instant::now();
            black_box(decide_natively(black_box(snapshot.clone()))?);
            native.push(begun.elapsed());
            let begun = tokio::time::Instant::now();
            let decided = plugin.decide(black_box(&shown)).await?;
            total.push(begun.elapsed());
            ensure!(decided.outcome.is_ok(), "the plugin gave no decision in the sandbox: {:?}", decided.outcome);
            inside.push(decided.cost.wall);
            fuel = decided.cost.fuel;
        }
        let (native, inside, total) = (median(native), median(inside), median(total));
        let ratio = inside.as_secs_f64() / native.as_secs_f64();
        Ok(format!(
            "snapshot {:.1} KB, native {} us, sandbox {} us ({} us with queue and reading), ratio {ratio:.2}, fuel {fuel}",
            bytes(&snapshot) as f64 / 1e3,
            native.as_micros(),
            inside.as_micros(),
            total.as_micros(),
        ))
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
