//! Decisions per second on all processors, all limits on and a fresh instance for each.

use crate::plugin::{bytes, engine, of_model, sandboxed, snapshot};
use anyhow::{Result, ensure};
use futures::future::try_join_all;

const CALLS: usize = 40_000;
/// Resources that are decided at the same time.
const AT_ONCE: usize = 64;

pub(crate) fn measure(_: usize) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = engine(None)?;
        let plugin = sandboxed(&engine).await?;
        let snapshot = snapshot()?;
        let shown = of_model(&snapshot);
        let begun = tokio::time::Instant::now();
        let workers = (0..AT_ONCE).map(|_| async {
            for _ in 0..CALLS / AT_ONCE {
                ensure!(plugin.decide(&shown).await?.outcome.is_ok(), "the plugin gave no decision");
            }
            Ok(())
        });
        try_join_all(workers).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(format!(
            "{:.0} decisions a second on {processors} processors, snapshot {:.1} KB",
            CALLS as f64 / seconds,
            bytes(&snapshot) as f64 / 1e3
        ))
    })
}
