//! Installations of MySQL on this machine: what `WINDLASS_MYSQL` names in, programs and their arguments out.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where MySQL is and how to call it; the content of a file `mysql.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Installation {
    /// `9.7.4`
    pub version: String,
    /// Folder of `mysqld`.
    pub bin: PathBuf,
    /// What every `mysqld` is called with.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// All installations that `WINDLASS_MYSQL` names: files or folders, separated like those of `PATH`.
///
/// # Panics
/// When there is none: a suite without a server must not pass.
pub fn installations() -> Vec<Installation> {
    let named = fixtures::environment::variable("WINDLASS_MYSQL").unwrap_or_default();
    let found: Vec<Installation> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).map(|path| read(&path)).collect();
    assert!(
        !found.is_empty(),
        "WINDLASS_MYSQL names no MySQL server; run the suite by `cargo xtask test --suite mysql`, which finds one"
    );
    found
}

fn read(path: &Path) -> Installation {
    let file = if path.is_dir() { path.join("mysql.json") } else { path.to_owned() };
    let text = std::fs::read_to_string(&file);
    let text =
        text.unwrap_or_else(|error| panic!("{}, named by WINDLASS_MYSQL, is not readable: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} describes no installation: {error}", file.display()))
}
