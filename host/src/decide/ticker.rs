//! The clock of the wall-time limit: an OS thread that advances the engine's epoch while calls run.
//!
//! A thread and not a task: tasks of a busy runtime catch up in bursts, and a burst of ticks kills healthy calls. It holds
//! the engine weakly and ends with it. While nothing runs it sleeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};
use wasmtime::Engine;

/// Length of one epoch. A call that is over its time runs at most two longer.
const TICK: Duration = Duration::from_millis(5);
/// Quiet ticks before the thread goes to sleep: waking it costs more than a tick, so not after each call.
const QUIET: u32 = 50;

pub(super) struct Ticker {
    state: Arc<State>,
    thread: thread::Thread,
}

#[derive(Default)]
struct State {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let engine = engine.weak();
        let shared = state.clone();
        let handle = thread::Builder::new().name("decide-ticker".into()).spawn(move || {
            let mut quiet = 0;
            while !shared.stopped.load(SeqCst) {
                quiet = if shared.running.load(SeqCst) == 0 { quiet + 1 } else { 0 };
                if quiet > QUIET {
                    shared.asleep.store(true, SeqCst);
                    // A call may have begun between the look and the store. It then saw no sleeper.
                    if shared.running.load(SeqCst) == 0 && !shared.stopped.load(SeqCst) {
                        thread::park();
                    }
                    shared.asleep.store(false, SeqCst);
                    quiet = 0;
                    continue;
                }
                thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Ticker { state, thread: handle.thread().clone() })
    }

    /// Epochs that a call may see go by before it has run for `wall`. The first may end right after it begins.
    pub(super) fn epochs(wall: Duration) -> u64 {
        let ticks = wall.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
    }

    /// Keeps the epochs going until dropped.
    pub(super) fn run(&self) -> Running<'_> {
        self.state.running.fetch_add(1, SeqCst);
        if self.state.asleep.load(SeqCst) {
            self.thread.unpark();
        }
        Running(&self.state)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stopped.store(true, SeqCst);
        self.thread.unpark();
    }
}

/// A call runs.
pub(super) struct Running<'a>(&'a State);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_at_least_its_time() {
        assert_eq!(Ticker::epochs(Duration::ZERO), 1);
        assert_eq!(Ticker::epochs(Duration::from_millis(5)), 2);
        assert_eq!(Ticker::epochs(Duration::from_millis(6)), 3);
        assert_eq!(Ticker::epochs(Duration::from_secs(1)), 201);
    }
}
