//! The one process that a container is at any time. In: commands, one after the other, and the wish that the container
//! ends. Out: how each process ended; a note of the one that runs for who looks from outside.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;
use tokio::process::Command;

use super::access::{Access, Process};
use super::launch::{self, Launcher};

/// The exit code of a container that was told to end between two of its steps: as if a SIGTERM had met it.
pub(super) const TERMINATED: i32 = 143;

/// Holds the process.
pub(super) struct Slot {
    launcher: Launcher,
    access: Access,
    note: Process,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pid: Option<u32>,
    ending: bool,
}

impl Slot {
    /// An empty one. `note` says everything but the number of the process.
    pub(super) fn new(launcher: Launcher, access: Access, note: Process) -> Self {
        Self { launcher, access, note, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where processes beside the container's own come from.
    pub(super) fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// Whether the container was told to end.
    pub(super) fn is_ending(&self) -> bool {
        self.state().ending
    }

    /// Runs a command to its end. None when the container was told to end before it began.
    pub(super) async fn run(&self, command: Command, preparing: bool) -> io::Result<Option<ExitStatus>> {
        if self.is_ending() {
            return Ok(None);
        }
        let mut child = self.launcher.spawn(command).await?;
        let _cleared = Cleared(self);
        let pid = child.id();
        if let Some(pid) = pid {
            let began = launch::began(pid).unwrap_or_default();
            if let Err(error) = self.access.note(&Process { pid, began, preparing, ..self.note.clone() }) {
                tracing::warn!(pid, %error, "failed to note a process of a pod");
            }
            let ending = {
                let mut state = self.state();
                state.pid = Some(pid);
                state.ending
            };
            if ending {
                launch::signal(pid, Signal::TERM)?;
            }
        }
        let status = child.wait().await?;
        // What it started and left behind ends with it.
        pid.map_or(Ok(()), launch::kill_group)?;
        Ok(Some(status))
    }

    /// Asks the container to end: what runs gets a SIGTERM, nothing new begins.
    pub(super) fn end(&self) {
        let pid = {
            let mut state = self.state();
            state.ending = true;
            state.pid
        };
        if let Some(pid) = pid
            && let Err(error) = launch::signal(pid, Signal::TERM)
        {
            tracing::warn!(pid, %error, "failed to terminate a process of a pod");
        }
    }

    /// Ends the container at once, with all that it started.
    pub(super) fn kill(&self) {
        let pid = {
            let mut state = self.state();
            state.ending = true;
            state.pid
        };
        if let Some(pid) = pid
            && let Err(error) = launch::kill_group(pid)
        {
            tracing::warn!(pid, %error, "failed to kill a process of a pod");
        }
    }
}

/// Takes the note back when the process is over, or its future dropped.
struct Cleared<'a>(&'a Slot);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.state().pid = None;
        let note = &self.0.note;
        self.0.access.clear(&note.namespace, &note.pod, &note.container);
    }
}

/// The exit code as a container runtime gives it: 128 and the signal's number when a signal ended it.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
