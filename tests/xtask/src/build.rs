//! `cargo xtask build-plugins`. In: the packages under `plugins/`. Out: for each one a component that was validated and
//! checked against the contract, and beside it what the operator grants it.
//!
//! Cargo makes a core module for `wasm32-unknown-unknown`; the component is made around it from the types that
//! wit-bindgen left in the module. No other tool is needed.

use crate::workspace::{Plugin, Workspace, cargo};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use wit_component::ComponentEncoder;
use wit_parser::Resolve;

/// The target of plugins: no WASI, so nothing to import that the contract does not have.
const TARGET: &str = "wasm32-unknown-unknown";
/// The profile of plugins, in the workspace's `Cargo.toml`.
const PROFILE: &str = "wasm";

/// Runs the subcommand.
pub fn run(out: Option<PathBuf>) -> Result<()> {
    announce(&Workspace::find()?, out).map(drop)
}

/// Builds every plugin into `out`, or into the place where the other subcommands look, and says what there is.
pub fn announce(workspace: &Workspace, out: Option<PathBuf>) -> Result<PathBuf> {
    let out = out.unwrap_or_else(|| workspace.target.join("plugins"));
    for built in build_plugins(workspace, &out)? {
        let state = if built.fresh { "built" } else { "up to date" };
        println!("{:<12} {:>7.1} KiB  {state}  {}", built.name, built.bytes as f64 / 1024.0, built.component.display());
    }
    Ok(out)
}

/// A component in its place.
#[derive(Clone, Debug)]
pub struct Built {
    /// Name of the plugin.
    pub name: String,
    /// The component.
    pub component: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// False where it was up to date.
    pub fresh: bool,
}

/// Builds every plugin into `out`.
pub fn build_plugins(workspace: &Workspace, out: &Path) -> Result<Vec<Built>> {
    ensure_target()?;
    compile(workspace)?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let contract = workspace.root.join("wit/v1");
    workspace.plugins.iter().map(|plugin| package(workspace, plugin, &contract, out)).collect()
}

/// Installs the target's standard library where it is missing.
fn ensure_target() -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && folder.is_dir() {
        return Ok(());
    }
    println!("installing the Rust target {TARGET}: rustup target add {TARGET}");
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .status()
        .with_context(|| format!("cannot run rustup; install the Rust target {TARGET} for your toolchain"))?;
    if !status.success() {
        bail!("rustup target add {TARGET} failed");
    }
    Ok(())
}

/// Has cargo make the core modules; cargo skips what did not change.
fn compile(workspace: &Workspace) -> Result<()> {
    let mut command = cargo();
    command.current_dir(&workspace.root).args(["build", "--quiet", "--lib", "--profile", PROFILE, "--target", TARGET]);
    for plugin in &workspace.plugins {
        command.args(["--package", &plugin.name]);
    }
    let status = command.status().context("cannot run cargo build")?;
    if !status.success() {
        bail!("building the plugins failed");
    }
    Ok(())
}

/// Makes one component and puts it in its place, unless the one there is newer than all that it is made from.
fn package(workspace: &Workspace, plugin: &Plugin, contract: &Path, out: &Path) -> Result<Built> {
    let file = format!("{}.wasm", plugin.name.replace('-', "_"));
    let module = workspace.target.join(TARGET).join(PROFILE).join(file);
    let component = out.join(format!("{}.wasm", plugin.name));
    let grants = out.join(format!("{}.grants.yaml", plugin.name));
    let fresh = !is_newer(&component, &[&module, &contract.join("windlass.wit")]);
    if fresh {
        let bytes = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let bytes = encode(&bytes).with_context(|| format!("plugin {} is no component", plugin.name))?;
        conforms(&bytes, contract).with_context(|| format!("plugin {} does not fit the contract", plugin.name))?;
        // Written beside and moved, so that a host that watches the folder never loads half of it.
        let part = out.join(format!(".{}.wasm.part", plugin.name));
        fs::write(&part, bytes).with_context(|| format!("cannot write {}", part.display()))?;
        fs::rename(&part, &component).with_context(|| format!("cannot write {}", component.display()))?;
    }
    let source = plugin.folder.join("grants.yaml");
    fs::copy(&source, &grants).with_context(|| format!("cannot copy {} to {}", source.display(), grants.display()))?;
    let bytes = fs::metadata(&component).with_context(|| format!("cannot read {}", component.display()))?.len();
    Ok(Built { name: plugin.name.clone(), component, bytes, fresh })
}

/// Wraps a core module into a component, validated.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().module(module)?.validate(true).encode()
}

/// Checks that a component exports what the contract's world exports, with the same types, and imports no more than it.
pub fn conforms(component: &[u8], contract: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract)?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    wit_component::targets(&resolve, world, component)
}

/// Whether `file` exists and is at least as new as each of `sources`.
fn is_newer(file: &Path, sources: &[&Path]) -> bool {
    let modified = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let Some(made) = modified(file) else { return false };
    sources.iter().all(|source| modified(source).is_some_and(|changed| changed <= made))
}
