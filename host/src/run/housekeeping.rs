//! What a host does by the clock: looks at everything now and then, ends watches that nobody needs, counts.

use super::Host;
use crate::decide::Engine;
use crate::serve::Metrics;
use crate::watch::watches::definitions;
use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often gauges are set and needless watches ended.
const TIDY: Duration = Duration::from_secs(5);

/// After so long without a call a plugin's machine code leaves memory.
const IDLE: Duration = Duration::from_secs(30);

/// Has every resource looked at once in each period, spread over it.
pub(super) async fn resync(host: &Host, period: Duration) -> Infallible {
    loop {
        tokio::time::sleep(period).await;
        for kind in host.trigger.served() {
            for key in host.cache.keys(&kind) {
                host.queue.resync_after(&key, host.entropy.within(period));
            }
        }
    }
}

/// Sets gauges, lets plugins that have nothing to do rest, and ends the watches of kinds that no plugin names and no resource read last.
pub(super) async fn tidy(host: &Host, metrics: &Metrics, engine: Option<&Engine>) -> Infallible {
    let mut tick = tokio::time::interval(TIDY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut idle: HashSet<model::Kind> = HashSet::new();
    loop {
        tick.tick().await;
        let resting = engine.map_or(0, |engine| engine.rest(IDLE));
        if resting > 0 {
            tracing::debug!(plugins = resting, "the code of plugins without work was taken out of memory");
        }
        for (kind, count) in host.cache.counts() {
            metrics.cache_objects(&kind, count);
        }
        for (kind, depth) in host.queue.depths() {
            metrics.queue_depth(&kind, depth);
        }
        let mut needed = host.trigger.kinds_read();
        needed.extend([definitions(), crate::plugins::resource::kind()]);
        for kind in host.trigger.served() {
            for served in [host.plugins.serving(&kind), host.plugins.incoming(&kind)].into_iter().flatten() {
                let description = served.decider.description();
                needed.extend(description.writes.iter().cloned());
                needed.extend(description.reads.iter().map(|query| query.kind.clone()));
            }
            needed.insert(kind);
        }
        // Needless twice in a row: a pass may be about to read what it just had watched.
        let watched: HashSet<_> = host.watches.kinds().into_iter().filter(|kind| !needed.contains(kind)).collect();
        let ended: HashSet<_> = watched.intersection(&idle).cloned().collect();
        if !ended.is_empty() {
            host.watches.retain(|kind| !ended.contains(kind));
            for kind in &ended {
                metrics.cache_objects(kind, 0);
            }
        }
        idle = watched;
    }
}
