//! `cargo xtask bench`: the benchmarks, in a release build, one line per figure.

use crate::workspace::{Workspace, cargo};
use crate::{build, tools};
use anyhow::Result;
use clap::Args;

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub struct Options {
    /// Only figures whose name contains this.
    filter: Option<String>,
}

/// Builds plugins and benchmarks, and runs them.
pub fn bench(options: &Options) -> Result<()> {
    let workspace = Workspace::find()?;
    let plugins = build::announce(&workspace, None)?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "bench", "--"]).args(&options.filter);
    tools::run(command.current_dir(&workspace.root).env("WINDLASS_PLUGINS", plugins))
}
