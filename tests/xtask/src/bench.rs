//! `cargo xtask bench`: the benchmarks, in a release build, one line per figure.

use crate::workspace::{Workspace, cargo};
use crate::{build, tools};
use anyhow::Result;
use clap::Args;

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub struct Options {
    /// Only these figures, each with a number of resources where it has some: `converge=200`.
    #[arg(value_name = "FIGURE[=SIZE]")]
    figures: Vec<String>,
}

/// Builds plugins and benchmarks, and runs them.
pub fn bench(options: &Options) -> Result<()> {
    let workspace = Workspace::find()?;
    let plugins = build::announce(&workspace, None)?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "bench", "--"]).args(&options.figures);
    tools::run(command.current_dir(&workspace.root).env("WINDLASS_PLUGINS", plugins))
}
