//! What happened comes in as method calls, text for Prometheus goes out. Labels have few values: kinds, plugins and
//! stable words, never names of objects (K4).

use crate::decide::{Cost, DecideError, Meter};
use model::Kind;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The line of wasmtime that plugins run on; a test compares it with the lock file.
pub const WASMTIME_VERSION: &str = "48";

macro_rules! label_sets {
    ($($name:ident { $($label:ident),+ })+) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($label: String),+ }
    )+};
}

label_sets! {
    ByKind { kind }
    Passes { kind, outcome }
    Writes { verb, kind }
    Refusals { plugin, kind, reason }
    Restarts { kind, reason }
    ByPlugin { plugin }
    Decisions { plugin, outcome }
    Limits { plugin, limit }
    Failures { plugin, reason }
}

/// All metrics of one host.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<Passes, Counter>,
    pass_duration: Family<ByKind, Histogram>,
    decisions: Family<Decisions, Counter>,
    memo_hits: Family<ByPlugin, Counter>,
    writes: Family<Writes, Counter>,
    refusals: Family<Refusals, Counter>,
    queue_depth: Family<ByKind, Gauge>,
    watch_restarts: Family<Restarts, Counter>,
    unreadable: Family<ByKind, Counter>,
    cache_objects: Family<ByKind, Gauge>,
    stale_skips: Family<ByKind, Counter>,
    plugin_calls: Family<ByPlugin, Counter>,
    plugin_fuel: Family<ByPlugin, Counter>,
    plugin_duration: Family<ByPlugin, Histogram>,
    plugin_limits: Family<Limits, Counter>,
    plugin_failures: Family<Failures, Counter>,
    plugin_memory: Family<ByPlugin, Histogram>,
    plugin_output: Family<ByPlugin, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let durations = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        // From one page of WebAssembly to the most that can be set, and beyond.
        let memories = || Histogram::new(exponential_buckets(65_536.0, 2.0, 14));
        let mut metrics = Metrics {
            registry: Registry::with_prefix("windlass"),
            passes: Family::default(),
            pass_duration: Family::new_with_constructor(durations),
            decisions: Family::default(),
            memo_hits: Family::default(),
            writes: Family::default(),
            refusals: Family::default(),
            queue_depth: Family::default(),
            watch_restarts: Family::default(),
            unreadable: Family::default(),
            cache_objects: Family::default(),
            stale_skips: Family::default(),
            plugin_calls: Family::default(),
            plugin_fuel: Family::default(),
            plugin_duration: Family::new_with_constructor(durations),
            plugin_limits: Family::default(),
            plugin_failures: Family::default(),
            plugin_memory: Family::new_with_constructor(memories),
            plugin_output: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("wasmtime", WASMTIME_VERSION)]);
        let registry = &mut self.registry;
        registry.register("build", "Version of the host and of what runs its plugins", build);
        registry.register("passes", "Passes over resources by outcome", self.passes.clone());
        let seconds = Unit::Seconds;
        let help = "Duration of a pass over one resource";
        registry.register_with_unit("pass_duration", help, seconds, self.pass_duration.clone());
        registry.register("decisions", "Decisions asked of plugins by outcome", self.decisions.clone());
        let help = "Decisions that were still good and not asked for again";
        registry.register("decision_memo_hits", help, self.memo_hits.clone());
        registry.register("writes", "Writes to the API server by verb and kind", self.writes.clone());
        registry.register("refusals", "Decisions that were refused by reason", self.refusals.clone());
        registry.register("queue_depth", "Resources that wait for a pass", self.queue_depth.clone());
        let help = "Watches that began again by reason";
        registry.register("watch_restarts", help, self.watch_restarts.clone());
        let help = "Objects that could not be read and were passed over";
        registry.register("unreadable_objects", help, self.unreadable.clone());
        registry.register("cache_objects", "Objects in the cache", self.cache_objects.clone());
        let help = "Passes put off because the cache had not seen our own last write";
        registry.register("stale_skips", help, self.stale_skips.clone());
        registry.register("plugin_calls", "Calls of plugins", self.plugin_calls.clone());
        registry.register("plugin_fuel", "Fuel that plugins used", self.plugin_fuel.clone());
        let help = "Duration of calls of plugins";
        registry.register_with_unit("plugin_duration", help, Unit::Seconds, self.plugin_duration.clone());
        registry.register("plugin_limit_hits", "Calls of plugins that a limit ended", self.plugin_limits.clone());
        let help = "Calls of plugins without an answer: crashes, limits, answers that are none";
        registry.register("plugin_failures", help, self.plugin_failures.clone());
        let help = "Most memory that a call of a plugin had at one time";
        registry.register_with_unit("plugin_memory", help, Unit::Bytes, self.plugin_memory.clone());
        let help = "Size of the answers of plugins";
        registry.register_with_unit("plugin_output", help, Unit::Bytes, self.plugin_output.clone());
    }

    /// A pass ended. `outcome`: `done`, `retry`, `waiting`, `parked`, `timeout`, `panic`, or the reason of a retry.
    pub fn pass(&self, kind: &Kind, outcome: &str, took: Duration) {
        self.passes.get_or_create(&Passes { kind: kind.to_string(), outcome: outcome.into() }).inc();
        self.pass_duration.get_or_create(&ByKind { kind: kind.to_string() }).observe(took.as_secs_f64());
    }

    /// A plugin was asked for a decision. `outcome`: `decided`, or the word for the fault.
    pub fn decision(&self, plugin: &str, outcome: &str) {
        self.decisions.get_or_create(&Decisions { plugin: plugin.into(), outcome: outcome.into() }).inc();
    }

    /// An earlier decision was still good.
    pub fn memo_hit(&self, plugin: &str) {
        self.memo_hits.get_or_create(&ByPlugin { plugin: plugin.into() }).inc();
    }

    /// A write was sent. `verb` as RBAC has it: `create`, `patch`, `update`, `delete`.
    pub fn write(&self, verb: &str, kind: &Kind) {
        self.writes.get_or_create(&Writes { verb: verb.into(), kind: kind.to_string() }).inc();
    }

    /// A decision of a plugin about a resource of `kind` was refused.
    pub fn refusal(&self, plugin: &str, kind: &Kind, reason: &str) {
        let label = Refusals { plugin: plugin.into(), kind: kind.to_string(), reason: reason.into() };
        self.refusals.get_or_create(&label).inc();
    }

    /// This many resources of a kind wait.
    pub fn queue_depth(&self, kind: &Kind, depth: usize) {
        self.queue_depth
            .get_or_create(&ByKind { kind: kind.to_string() })
            .set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// A watch of a kind began again.
    pub fn watch_restart(&self, kind: &Kind, reason: &str) {
        self.watch_restarts.get_or_create(&Restarts { kind: kind.to_string(), reason: reason.into() }).inc();
    }

    /// An object of a kind could not be read.
    pub fn unreadable_object(&self, kind: &Kind) {
        self.unreadable.get_or_create(&ByKind { kind: kind.to_string() }).inc();
    }

    /// The cache has this many objects of a kind.
    pub fn cache_objects(&self, kind: &Kind, count: usize) {
        self.cache_objects
            .get_or_create(&ByKind { kind: kind.to_string() })
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A pass was put off until the cache has seen our own last write.
    pub fn stale_skip(&self, kind: &Kind) {
        self.stale_skips.get_or_create(&ByKind { kind: kind.to_string() }).inc();
    }

    /// Everything in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut encoded, &self.registry);
        encoded
    }
}

impl Meter for Metrics {
    fn called(&self, plugin: &str, cost: &Cost, error: Option<&DecideError>) {
        let label = ByPlugin { plugin: plugin.into() };
        self.plugin_calls.get_or_create(&label).inc();
        self.plugin_fuel.get_or_create(&label).inc_by(cost.fuel);
        self.plugin_duration.get_or_create(&label).observe(cost.wall.as_secs_f64());
        // Exact up to 2^53 bytes.
        self.plugin_memory.get_or_create(&label).observe(cost.peak_memory as f64);
        self.plugin_output.get_or_create(&label).inc_by(cost.output_bytes as u64);
        if let Some(error) = error {
            self.plugin_failures
                .get_or_create(&Failures { plugin: plugin.into(), reason: error.reason().into() })
                .inc();
        }
        if let Some(limit) = error.and_then(DecideError::limit) {
            self.plugin_limits.get_or_create(&Limits { plugin: plugin.into(), limit: limit.into() }).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_of_wasmtime_is_the_one_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"wasmtime\"\n")).unwrap();
        assert!(entry.contains(&format!("version = \"{WASMTIME_VERSION}.")), "{entry}");
    }

    #[test]
    fn what_happened_is_counted_by_kind_and_word() {
        let metrics = Metrics::new();
        let kind = Kind::new("apps", "v1", "StatefulSet");
        metrics.pass(&kind, "done", Duration::from_millis(3));
        metrics.pass(&kind, "done", Duration::from_millis(3));
        metrics.write("patch", &kind);
        let cost =
            Cost { fuel: 70, wall: Duration::from_micros(50), peak_memory: 1 << 20, output_bytes: 300, log_bytes: 0 };
        metrics.refusal("mysql", &kind, "NotGranted");
        metrics.called("mysql", &cost, None);
        metrics.called("mysql", &cost, Some(&DecideError::OutOfFuel { limit: 70 }));
        metrics.cache_objects(&kind, 4);
        let text = metrics.encode();
        for line in [
            r#"windlass_passes_total{kind="StatefulSet.apps",outcome="done"} 2"#,
            r#"windlass_writes_total{verb="patch",kind="StatefulSet.apps"} 1"#,
            r#"windlass_plugin_calls_total{plugin="mysql"} 2"#,
            r#"windlass_plugin_fuel_total{plugin="mysql"} 140"#,
            r#"windlass_plugin_limit_hits_total{plugin="mysql",limit="fuel"} 1"#,
            r#"windlass_plugin_duration_seconds_count{plugin="mysql"} 2"#,
            r#"windlass_plugin_memory_bytes_sum{plugin="mysql"} 2097152.0"#,
            r#"windlass_plugin_output_bytes_total{plugin="mysql"} 600"#,
            r#"windlass_plugin_failures_total{plugin="mysql",reason="PluginOutOfFuel"} 1"#,
            r#"windlass_refusals_total{plugin="mysql",kind="StatefulSet.apps",reason="NotGranted"} 1"#,
            r#"windlass_cache_objects{kind="StatefulSet.apps"} 4"#,
            r#"windlass_pass_duration_seconds_count{kind="StatefulSet.apps"} 2"#,
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
    }

    /// Everything that is counted, once.
    fn everything() -> String {
        let (metrics, kind) = (Metrics::new(), Kind::new("apps", "v1", "StatefulSet"));
        metrics.pass(&kind, "done", Duration::from_millis(3));
        metrics.decision("mysql", "done");
        metrics.memo_hit("mysql");
        metrics.write("patch", &kind);
        metrics.refusal("mysql", &kind, "NotGranted");
        metrics.queue_depth(&kind, 1);
        metrics.watch_restart(&kind, "Expired");
        metrics.unreadable_object(&kind);
        metrics.cache_objects(&kind, 4);
        metrics.stale_skip(&kind);
        metrics.called("mysql", &Cost::default(), Some(&DecideError::OutOfFuel { limit: 70 }));
        metrics.encode()
    }

    #[test]
    fn every_metric_and_label_that_an_alert_names_is_exported() {
        use regex::Regex;
        let exported = everything();
        let alerts: serde_json::Value = serde_yaml::from_str(include_str!("../../../deploy/alerts.yaml")).unwrap();
        let (metric, label) = (Regex::new(r"windlass_\w+").unwrap(), Regex::new(r#"(\w+)(?:=~|!~|!=|=)""#).unwrap());
        let (by, told) = (Regex::new(r"by \(([^)]*)\)").unwrap(), Regex::new(r"\$labels\.(\w+)").unwrap());
        let groups = alerts["groups"].as_array().unwrap();
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(rules.len() >= 4, "{alerts}");
        for rule in rules {
            let (expression, texts) = (rule["expr"].as_str().unwrap(), rule["annotations"].to_string());
            let mut labels: Vec<String> =
                label.captures_iter(expression).chain(told.captures_iter(&texts)).map(|it| it[1].to_owned()).collect();
            labels.extend(by.captures_iter(expression).flat_map(|it| {
                let names: Vec<_> = it[1].split(',').map(|name| name.trim().to_owned()).collect();
                names
            }));
            let metrics: Vec<&str> = metric.find_iter(expression).map(|it| it.as_str()).collect();
            assert!(!metrics.is_empty() && !labels.is_empty(), "{rule}");
            for name in metrics {
                let samples = exported.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
                let sample = samples.unwrap_or_default();
                assert!(!sample.is_empty(), "{name} of {rule} is not among\n{exported}");
                for label in &labels {
                    assert!(sample.contains(&format!("{label}=\"")), "{label} of {rule} is not in {name}{{{sample}");
                }
            }
        }
    }
}
