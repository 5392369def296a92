//! The server processes of the local node. In: the node's folder, a pod. Out: what can be done to its server from outside.

use anyhow::{Context, Result};
use apiserver::node::processes::{Access, Process};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};

/// The server's container, and where it has its data.
const CONTAINER: &str = "mysql";
const DATA: &str = "/var/lib/mysql";

/// A running `mysqld`.
#[derive(Clone, Debug)]
pub struct Mysqld {
    pid: Pid,
    /// Its data directory.
    pub data: PathBuf,
    /// What it wrote to its log.
    pub log: PathBuf,
}

impl Mysqld {
    /// The server of a pod; none where none runs. One that initialises its data does not count.
    pub fn of(node: &Access, namespace: &str, pod: &str) -> Option<Mysqld> {
        let Process { pid, log, paths, .. } =
            node.find(namespace, pod, CONTAINER).filter(|process| !process.preparing)?;
        let data = paths.get(DATA)?.clone();
        Some(Mysqld { pid: Pid::from_raw(i32::try_from(pid).ok()?)?, data, log })
    }

    /// Ends it at once.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Has it hang: it answers nothing, and its connections stay open.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Ends the hang.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it and takes its data away: it does nothing more once the call began, and is not started again before its data
    /// is gone.
    pub fn wipe(&self) -> Result<()> {
        self.stop()?;
        let emptied = empty(&self.data);
        self.kill()?;
        emptied
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).with_context(|| format!("could not send {signal:?} to the server"))
    }
}

fn empty(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let path = entry?.path();
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.with_context(|| format!("could not remove {}", path.display()))?;
    }
    Ok(())
}
