//! The workspace as cargo describes it: where its root and its target folder are, and which packages are plugins.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What subcommands need to know of the workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder, wherever it was configured to be.
    pub target: PathBuf,
    /// Packages under `plugins/` that build a component.
    pub plugins: Vec<Plugin>,
}

/// A package that builds a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Name of the package and of the component's file.
    pub name: String,
    /// Folder of the package.
    pub folder: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub fn find() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Workspace::parse(&serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let path = |key: &str| {
            metadata
                .get(key)
                .and_then(Value::as_str)
                .map(PathBuf::from)
                .with_context(|| format!("cargo metadata has no {key}"))
        };
        let root = path("workspace_root")?;
        let home = root.join("plugins");
        let mut plugins: Vec<Plugin> = array(metadata, "packages")
            .filter(|package| {
                array(package, "targets").any(|target| array(target, "crate_types").any(|kind| kind == "cdylib"))
            })
            .filter_map(|package| {
                let folder = Path::new(package.get("manifest_path")?.as_str()?).parent()?.to_path_buf();
                let name = package.get("name")?.as_str()?.to_string();
                folder.starts_with(&home).then_some(Plugin { name, folder })
            })
            .collect();
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Workspace { root, target: path("target_directory")?, plugins })
    }
}

/// Cargo, in the toolchain that runs this tool, with the environment of whoever called this tool: what `cargo run` says of
/// the package that it runs would make build scripts that read it run again, and everything above them be compiled again.
pub fn cargo() -> Command {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_CFG_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| of_package.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    cargo
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
