//! `cargo xtask bench`: the benchmarks, in a release build, one line per figure.

use crate::tools;
use anyhow::Result;
use clap::Args;
use std::process::Command;

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub struct Options {
    /// Only figures whose name contains this.
    filter: Option<String>,
}

/// Builds plugins and benchmarks, and runs them.
pub fn bench(options: &Options) -> Result<()> {
    crate::build::plugins(&crate::build::Options::default())?;
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--release", "--package", "bench", "--"]).args(&options.filter);
    tools::run(command.current_dir(tools::root()).env("WINDLASS_PLUGINS", crate::build::output()))
}
