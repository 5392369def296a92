//! What runs, for who looks from outside: suites that kill, stop and wipe, and people. In: the node's folder. Out: the
//! processes of its pods, with their addresses and places. It is read from files, so it works from any process.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::launch;

/// A running process of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container's name.
    pub container: String,
    /// The number of the process, which heads a process group of the same number.
    pub pid: u32,
    /// When it began, in ticks since the machine did: a process of this number and another beginning is another one.
    pub began: u64,
    /// Whether this is a step before the container's own process, like the server that initialises a data folder.
    pub preparing: bool,
    /// The pod's address.
    pub address: Ipv4Addr,
    /// The file that holds what the container wrote.
    pub log: PathBuf,
    /// Where the volumes of the container are, by their names in the pod.
    pub volumes: BTreeMap<String, PathBuf>,
    /// Where the paths of the container are.
    pub paths: BTreeMap<String, PathBuf>,
}

impl Process {
    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        launch::began(self.pid) == Some(self.began)
    }
}

/// Looks into the folder of a node.
#[derive(Clone, Debug)]
pub struct Access {
    root: PathBuf,
}

impl Access {
    /// The node that keeps its state in this folder.
    pub fn to(state: impl Into<PathBuf>) -> Self {
        Self { root: state.into() }
    }

    /// The process of a container, if one runs.
    pub fn find(&self, namespace: &str, pod: &str, container: &str) -> Option<Process> {
        read(&self.file(namespace, pod, container)).filter(Process::is_alive)
    }

    /// All processes that run.
    pub fn all(&self) -> Vec<Process> {
        self.noted().into_iter().map(|(_, process)| process).filter(Process::is_alive).collect()
    }

    /// Where the data of a claim is: where the node was told to keep it, or a folder of its own. None if no pod used it
    /// yet.
    pub fn claim(&self, namespace: &str, claim: &str) -> Option<PathBuf> {
        let prefix = format!("{namespace}_{claim}_");
        let entries = std::fs::read_dir(self.root.join("claims")).into_iter().flatten().flatten();
        // Names of objects have no `_`, so another claim's folder cannot begin like this.
        let mut found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        found.next().and_then(|entry| entry.path().canonicalize().ok())
    }

    fn file(&self, namespace: &str, pod: &str, container: &str) -> PathBuf {
        self.root.join("running").join(format!("{namespace}_{pod}_{container}.json"))
    }

    fn noted(&self) -> Vec<(PathBuf, Process)> {
        let entries = std::fs::read_dir(self.root.join("running")).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some((entry.path(), read(&entry.path())?))).collect()
    }

    /// Notes that a process runs.
    pub(super) fn note(&self, process: &Process) -> io::Result<()> {
        let file = self.file(&process.namespace, &process.pod, &process.container);
        let draft = file.with_extension("draft");
        std::fs::write(&draft, serde_json::to_vec_pretty(process)?)?;
        std::fs::rename(draft, file)
    }

    /// Notes that no process runs any more.
    pub(super) fn clear(&self, namespace: &str, pod: &str, container: &str) {
        // Gone already is as well.
        let _ = std::fs::remove_file(self.file(namespace, pod, container));
    }

    /// Kills what a node that ended without a chance to do so left behind.
    pub(super) fn end_leftovers(&self) -> io::Result<usize> {
        let mut killed = 0;
        for (file, process) in self.noted() {
            if process.is_alive() {
                launch::kill_group(process.pid)?;
                killed += 1;
            }
            std::fs::remove_file(file)?;
        }
        Ok(killed)
    }
}

fn read(file: &Path) -> Option<Process> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}
