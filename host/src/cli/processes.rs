//! Options for what a local node runs. In: arguments. Out: the node's runtime.

use anyhow::Context as _;
use apiserver::node::Options as NodeOptions;
use apiserver::node::processes::{Backoff, Installation, Options, Processes};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a local node runs for real.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Arguments {
    /// MySQL installation (folder with mysql.json): pods of `mysql:*` become real servers and pods of `windlass:*` this
    /// very program; without it every pod is only made ready. May be given more than once
    #[arg(long, value_name = "FOLDER", env = Installation::VARIABLE, value_delimiter = ':')]
    mysql: Vec<PathBuf>,
    /// Folder for data of volumes and output of pods; it belongs to one cluster. Without it, a new one that goes in the end
    #[arg(long, value_name = "FOLDER", requires = "mysql")]
    state_dir: Option<PathBuf>,
    /// Seconds before a pod's program that ended twice starts again; doubles each time, as a kubelet does
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, requires = "mysql")]
    restart_backoff: f64,
    /// Ask probes at least so often, in seconds, whatever pods say; the time until a verdict stays
    #[arg(long, value_name = "SECONDS", requires = "mysql")]
    probe_period: Option<f64>,
}

/// What a node runs, and the folder that goes with it.
pub(super) struct Chosen {
    /// Options of the node.
    pub options: NodeOptions,
    /// Removed when dropped.
    _state: Option<Temporary>,
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "failed to remove the node's folder");
        }
    }
}

impl Arguments {
    /// The node's options, with its runtime started.
    pub fn start(&self, client: kube::Client) -> anyhow::Result<Chosen> {
        let defaults = NodeOptions::default();
        if self.mysql.is_empty() {
            return Ok(Chosen { options: defaults, _state: None });
        }
        let installations: Result<Vec<_>, _> = self.mysql.iter().map(|path| Installation::read(path)).collect();
        let state = match &self.state_dir {
            Some(folder) => (folder.clone(), None),
            None => {
                let folder = std::env::temp_dir().join(format!("windlass-node-{}", std::process::id()));
                (folder.clone(), Some(Temporary(folder)))
            }
        };
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).context("a time in seconds is not valid");
        let options = Options {
            windlass: std::env::current_exe().context("cannot find this program itself")?,
            backoff: Backoff { first: seconds(self.restart_backoff)?, ..Backoff::default() },
            longest_probe_period: self.probe_period.map(seconds).transpose()?,
            ..Options::new(state.0, installations?)
        };
        for held in &options.mysql {
            tracing::info!(version = held.version, bin = %held.bin.display(), "the node has MySQL");
        }
        tracing::info!(folder = %options.state.display(), "the node keeps its state");
        let runtime = Processes::start(client, options)?;
        Ok(Chosen { options: NodeOptions { runtime: Arc::new(runtime), ..defaults }, _state: state.1 })
    }
}
