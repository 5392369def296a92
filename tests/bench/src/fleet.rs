//! Many resources of one kind: how long until all are ready, what that takes, and what a host does that starts anew and
//! finds nothing changed. The cluster runs in a process of its own; all numbers of the host are those of this process.

use crate::{
    cluster::Kind,
    stage::{Stage, Usage},
    usage::{self, Resident},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use windlass::{
    decide::Compiler,
    run::{Loaded, RunConfig, RunError, run},
};

/// How often the second host looks at everything though nothing changed.
const RESYNC: Duration = Duration::from_secs(3);
/// Looks at each unchanged resource that are measured.
const LOOKS: u64 = 3;
/// How long a host that starts anew may take to look at everything.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was measured.
pub(crate) struct Measured {
    count: usize,
    wall: Duration,
    host_cpu: f64,
    cluster_cpu: f64,
    writes: f64,
    resident: Resident,
    restart: Duration,
    restart_writes: u64,
    look: f64,
    looks: u64,
    look_calls: u64,
    look_writes: u64,
}

impl Measured {
    /// From nothing to all ready.
    pub(crate) fn convergence(&self) -> String {
        let Measured { count, wall, host_cpu, cluster_cpu, writes, resident, restart, restart_writes, .. } = self;
        format!(
            "{count} resources ready in {:.1} s, processor time {host_cpu:.1} s host and {cluster_cpu:.1} s cluster, \
             {writes:.2} writes a resource by the host, host {resident}; after a restart all looked at in \
             {:.1} s with {restart_writes} writes",
            wall.as_secs_f64(),
            restart.as_secs_f64(),
        )
    }

    /// Looks at what did not change.
    pub(crate) fn looks(&self) -> String {
        let Measured { count, look, looks, look_calls, look_writes, .. } = self;
        format!(
            "{look:.1} us a look at one of {count} unchanged resources, mean of {looks} looks, with {look_calls} plugin \
             calls and {look_writes} writes"
        )
    }

    /// Memory of the host when all were ready.
    pub(crate) fn resident(&self) -> Resident {
        self.resident
    }

    /// Fails where a host wrote though nothing had changed.
    fn judged(self) -> Result<Self> {
        ensure!(self.look_calls == 0, "{} plugin calls for resources that did not change", self.look_calls);
        Ok(self)
    }
}

/// Makes `count` resources and has a host with these plugins bring them to what they should be. `calls` is what the
/// plugins count their calls in.
pub(crate) async fn measure(loaded: Vec<Loaded>, calls: &AtomicU64, kind: Kind, count: usize) -> Result<Measured> {
    let mut stage = Stage::start().await?;
    let first = Host::start(&stage, &loaded, |_| {})?;
    // The kind has to be served before there can be any; the first resource is part of the measure.
    stage.apply(kind, 1).await?;
    stage.quiet().await?;
    let (before, cpu, begun) = (stage.usage().await?, usage::processor_seconds(), Instant::now());
    stage.apply(kind, count + 1).await?;
    stage.ready(kind, count + 1).await?;
    let wall = begun.elapsed();
    stage.quiet().await?;
    let (after, host_cpu) = (stage.usage().await?, usage::processor_seconds() - cpu);
    let resident = usage::resident();
    first.stop().await?;

    let begun = Instant::now();
    let second = Host::start(&stage, &loaded, |config| config.resync = RESYNC)?;
    let everything = count as u64 + 1;
    second.until_passes(kind, everything).await?;
    let restart = begun.elapsed();
    stage.quiet().await?;
    let called = settled(calls).await;
    let restarted = stage.usage().await?;
    let (passes, seconds) = second.passes(kind);
    second.until_passes(kind, passes + LOOKS * everything).await?;
    let (passes_after, seconds_after) = second.passes(kind);
    let look_calls = calls.load(Ordering::Relaxed) - called;
    let looked = stage.usage().await?;
    second.stop().await?;
    let restart_writes = restarted.host_writes - after.host_writes;
    if restart_writes + looked.host_writes - restarted.host_writes > 0 {
        let all = stage.listing().await?;
        let some: Vec<_> = all.iter().skip(usize::try_from(after.host_writes)?).take(5).collect();
        bail!("{restart_writes} writes after a restart though nothing had changed: {some:?}");
    }
    stage.stop().await?;
    let Usage { host_writes, processor_seconds, .. } = before;
    let looks = passes_after - passes;
    Measured {
        count,
        wall,
        host_cpu,
        cluster_cpu: after.processor_seconds - processor_seconds,
        writes: (after.host_writes - host_writes) as f64 / count as f64,
        resident,
        restart,
        restart_writes,
        look: (seconds_after - seconds) / looks as f64 * 1e6,
        looks,
        look_calls,
        look_writes: looked.host_writes - restarted.host_writes,
    }
    .judged()
}

/// Waits until plugins are not called any more.
async fn settled(calls: &AtomicU64) -> u64 {
    loop {
        let called = calls.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(500)).await;
        if calls.load(Ordering::Relaxed) == called {
            return called;
        }
    }
}

/// A host in this process.
struct Host {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
    metrics: Arc<windlass::serve::Metrics>,
}

impl Host {
    fn start(stage: &Stage, loaded: &[Loaded], change: impl FnOnce(&mut RunConfig)) -> Result<Host> {
        let mut config = RunConfig { loaded: loaded.to_vec(), ..RunConfig::new(Compiler::child()?) };
        change(&mut config);
        let (stop, metrics) = (CancellationToken::new(), config.metrics.clone());
        let task = tokio::spawn(run(config, stage.client()?, stop.clone()));
        Ok(Host { stop, task, metrics })
    }

    /// Passes over resources of a kind so far, and the seconds that they took together.
    fn passes(&self, kind: Kind) -> (u64, f64) {
        let text = self.metrics.encode();
        let label = format!("{{kind=\"{}.", kind.word());
        let value = |name: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(&label));
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>()
        };
        (value("windlass_pass_duration_seconds_count") as u64, value("windlass_pass_duration_seconds_sum"))
    }

    async fn until_passes(&self, kind: Kind, wanted: u64) -> Result<()> {
        let begun = Instant::now();
        while self.passes(kind).0 < wanted {
            ensure!(begun.elapsed() < PATIENCE, "the host does not look at everything: {:?}", self.passes(kind));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.task.await.context("the host panicked")?.context("the host failed")
    }
}
