//! What the suite of hostile plugins needs: an engine with tight limits, a snapshot, log lines that were caught, and the
//! memory of this process.
//!
//! The suite proves G1 to G12 of the reliability checklist: whatever a plugin does, only its own call fails, by name,
//! within its budget, and everybody else is served meanwhile.

pub mod attacks;

use model::Snapshot;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use windlass::decide::{Compiler, Engine, EngineOptions, Limits, LogLevel, LogSink};

/// Tight limits, so that attacks end soon.
pub fn limits() -> Limits {
    Limits {
        wall: Duration::from_millis(300),
        fuel: 50_000_000,
        memory: 16 << 20,
        table_elements: 10_000,
        output: 1 << 20,
        items: 100,
        json_depth: 32,
        json_values: 10_000,
        log: 4 << 10,
        ..Limits::default()
    }
}

/// Limits under which only time ends an endless loop.
pub fn endless_fuel() -> Limits {
    Limits { fuel: 1 << 60, ..limits() }
}

/// An engine that compiles in this process, with three threads: one plugin can have two of them.
pub fn engine() -> Engine {
    engine_with(Compiler::InProcess, Arc::new(Lines::default()))
}

/// An engine with a compiler and a place for log lines.
pub fn engine_with(compiler: Compiler, logs: Arc<dyn LogSink>) -> Engine {
    let options = EngineOptions { threads: 3, slots: 3, logs, ..EngineOptions::new(compiler) };
    Engine::new(options).expect("an engine starts anywhere")
}

/// A resource and nothing else.
pub fn snapshot(resource: &str) -> Snapshot {
    Snapshot {
        resource: resource.into(),
        deleting: false,
        items: vec![],
        related: vec![],
        now: 1_700_000_000_000,
        settings: "{}".into(),
    }
}

/// Log lines that plugins wrote, each with the plugin's name.
#[derive(Default)]
pub struct Lines(Mutex<Vec<(String, LogLevel, String)>>);

impl Lines {
    /// All lines so far.
    pub fn all(&self) -> Vec<(String, LogLevel, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LogSink for Lines {
    fn line(&self, plugin: &str, level: LogLevel, message: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((plugin.into(), level, message.into()));
    }
}

/// Bytes of memory that this process has resident now, and had at most.
pub fn resident() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        kib.map_or(0, |kib| kib << 10)
    };
    (field("VmRSS:"), field("VmHWM:"))
}
