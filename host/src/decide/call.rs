//! One call: a fresh store with every limit on, what the guest did in it, and why it ended.

use super::{
    error::DecideError,
    limits::Limits,
    logs::{LogLevel, LogSink},
    text,
    ticker::Ticker,
};
use model::{Decision, Fault};
use std::{fmt, sync::Arc, time::Duration};
use wasmtime::{ResourceLimiter, Store, Trap, WasmBacktrace};

/// What one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Units of work. The same for the same input.
    pub fuel: u64,
    /// Time that the call ran.
    pub wall: Duration,
    /// Most bytes that all memories of the instance had together.
    pub peak_memory: usize,
    /// Bytes of all strings in the answer.
    pub output_bytes: usize,
    /// Bytes of all log lines.
    pub log_bytes: usize,
}

/// An answer of `decide`, and what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// What should be, or why the plugin does not say.
    pub outcome: Result<Decision, Fault>,
    /// What the call used.
    pub cost: Cost,
}

/// The host's side of one instance: what it may use, and what it used so far.
pub(super) struct Guest {
    plugin: Arc<str>,
    logs: Arc<dyn LogSink>,
    limits: Limits,
    /// Bytes of all memories now, and at most.
    memory: usize,
    peak_memory: usize,
    /// Elements of all tables.
    elements: usize,
    log_bytes: usize,
    /// The guest wanted more memory, and was told that there is none.
    refused_memory: bool,
    /// The guest wanted more table elements, and was told that there are none.
    refused_elements: bool,
}

/// Ends a call: a log line too many.
#[derive(Debug)]
struct LogLimitReached;

impl fmt::Display for LogLimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many log lines")
    }
}

impl std::error::Error for LogLimitReached {}

impl Guest {
    /// A store for one call. Its deadline counts from now: instantiation may run code of the guest, too.
    pub(super) fn store(
        engine: &wasmtime::Engine,
        plugin: &Arc<str>,
        logs: &Arc<dyn LogSink>,
        limits: &Limits,
    ) -> Result<Store<Guest>, DecideError> {
        let guest = Guest {
            plugin: plugin.clone(),
            logs: logs.clone(),
            limits: limits.clone(),
            memory: 0,
            peak_memory: 0,
            elements: 0,
            log_bytes: 0,
            refused_memory: false,
            refused_elements: false,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(limits.output);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(Ticker::epochs(limits.wall));
        store.epoch_deadline_trap();
        store.set_fuel(limits.fuel).map_err(|error| DecideError::Sandbox { message: error.to_string() })?;
        Ok(store)
    }

    /// A log line of the guest.
    pub(super) fn log(&mut self, level: LogLevel, message: &str) -> wasmtime::Result<()> {
        // An empty line is a line, too.
        self.log_bytes = self.log_bytes.saturating_add(message.len().max(1));
        if self.log_bytes > self.limits.log {
            return Err(wasmtime::Error::new(LogLimitReached));
        }
        self.logs.line(&self.plugin, level, &text::clean(message, text::LINE));
        Ok(())
    }

    /// What the call used so far, without time and answer.
    pub(super) fn cost(store: &Store<Guest>) -> Cost {
        let guest = store.data();
        Cost {
            fuel: guest.limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0)),
            wall: Duration::ZERO,
            peak_memory: guest.peak_memory,
            output_bytes: 0,
            log_bytes: guest.log_bytes,
        }
    }

    /// Why the call ended with `error`. `stack` is the engine's.
    pub(super) fn explain(&self, error: &wasmtime::Error, stack: usize) -> DecideError {
        let limits = &self.limits;
        if error.downcast_ref::<LogLimitReached>().is_some() {
            return DecideError::LogLimit { limit: limits.log };
        }
        let trap = error.downcast_ref::<Trap>();
        match trap {
            Some(Trap::OutOfFuel) => return DecideError::OutOfFuel { limit: limits.fuel },
            Some(Trap::Interrupt) => return DecideError::TimeLimit { limit: limits.wall },
            Some(Trap::StackOverflow) => return DecideError::StackLimit { limit: stack },
            Some(_) | None => {}
        }
        // The type of this error is private to wasmtime; a test in the suite `hostile` notices when its words change.
        if error.chain().any(|cause| cause.to_string().contains("fuel allocated for hostcalls")) {
            return DecideError::OutputLimit { limit: limits.output };
        }
        // Guests that are refused memory mostly give up by a trap. Those that go on are judged by their answer.
        if self.refused_memory {
            return DecideError::MemoryLimit { limit: limits.memory };
        }
        if self.refused_elements {
            return DecideError::TableLimit { limit: limits.table_elements };
        }
        match trap {
            Some(trap) => DecideError::Trap { message: text::clean(&describe_trap(error, *trap), text::MESSAGE) },
            // What is neither trap nor limit is a value that could not be read.
            None => DecideError::InvalidOutput {
                at: "answer".into(),
                message: text::clean(&error.root_cause().to_string(), text::MESSAGE),
            },
        }
    }
}

/// The kind of trap and the innermost functions, where the component has names.
fn describe_trap(error: &wasmtime::Error, trap: Trap) -> String {
    let frames: Vec<_> = error
        .downcast_ref::<WasmBacktrace>()
        .map(|trace| trace.frames().iter().filter_map(|frame| frame.func_name()).take(4).collect())
        .unwrap_or_default();
    if frames.is_empty() { trap.to_string() } else { format!("{trap} in {}", frames.join(" from ")) }
}

impl ResourceLimiter for Guest {
    /// Over all memories: the limiter that comes with wasmtime counts each by itself.
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.limits.memory {
            self.refused_memory = true;
            return Ok(false);
        }
        self.memory = total;
        self.peak_memory = self.peak_memory.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_sub(current).saturating_add(desired);
        if total > self.limits.table_elements {
            self.refused_elements = true;
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }
}
