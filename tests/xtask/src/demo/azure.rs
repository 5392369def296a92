//! `cargo xtask demo azure`: builds the plugins and the program that shows the life of an Azure SQL server, and runs it.

use crate::workspace::{Workspace, cargo};
use crate::{build, tools};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs the demo.
pub fn demo() -> Result<()> {
    let (workspace, kubectl) = (Workspace::find()?, tools::kubectl()?);
    let plugins = build::announce(&workspace, None)?;
    let arguments = ["build", "--workspace", "--example", "azure-demo"];
    let built = cargo().args(arguments).current_dir(&workspace.root).status().context("could not run cargo")?;
    if !built.success() {
        bail!("the demo does not build");
    }
    let program = workspace.target.join("debug/examples/azure-demo");
    let status = Command::new(&program).env("KUBECTL", kubectl).env("WINDLASS_PLUGINS", plugins).status();
    if !status.with_context(|| format!("could not run {}", program.display()))?.success() {
        bail!("the demo failed");
    }
    Ok(())
}
