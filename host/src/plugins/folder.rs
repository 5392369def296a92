//! Plugins in a folder: files in, what to load out, each with what its operator grants.
//!
//! `mysql.wasm` is the component, `mysql.grants.yaml` beside it what it may do, use, and is told:
//!
//! ```yaml
//! grants:
//!   writes: [{ group: apps, kind: StatefulSet }]
//!   backends: { mysql: true }
//! limits: { wall: 500ms, memory: 32Mi }
//! settings: { defaultImage: "mysql:8.4" }
//! ```
//!
//! A plugin without that file is not loaded: nothing is granted by forgetting. One that cannot be read is reported and
//! stops no other.

use crate::decide::Limits;
use model::Grants;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Bytes that a grants file may have.
const LARGEST_GRANTS: u64 = 1 << 20;
const COMPONENT: &str = ".wasm";
const GRANTS: &str = ".grants.yaml";

/// One plugin as it lies in a folder. The component is read when it is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginFiles {
    /// Name of the files, a DNS label.
    pub name: String,
    /// The component.
    pub component: PathBuf,
    /// What it may do.
    pub grants: Grants,
    /// What each of its calls may use.
    pub limits: Limits,
    /// Settings that it is told; `{}` where there are none.
    pub settings: Value,
}

/// Why files are no plugin.
#[derive(Debug, Error)]
pub enum PluginFileError {
    /// The folder itself.
    #[error("cannot read the folder of plugins {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One file.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that cannot be a plugin's.
    #[error("{path}: `{name}` is no DNS label; rename the file to lower-case letters, digits and `-`, at most 63")]
    Name {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
    },
    /// A component without grants.
    #[error("{path} has no {name}{GRANTS} beside it; write one with `grants: {{}}` to grant nothing")]
    NoGrants {
        /// The component.
        path: PathBuf,
        /// Name of the plugin.
        name: String,
    },
    /// Grants without a component.
    #[error("{path} has no {name}{COMPONENT} beside it; add the component or remove the file")]
    NoComponent {
        /// The grants.
        path: PathBuf,
        /// Name of the plugin.
        name: String,
    },
    /// Grants that say something unknown or wrong.
    #[error("{path}: {message}")]
    Grants {
        /// The grants.
        path: PathBuf,
        /// Field, line and what is wrong.
        message: String,
    },
    /// A file beyond its limit.
    #[error("{path} is larger than {limit} bytes; {advice}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
        /// What to do.
        advice: &'static str,
    },
}

/// The file `NAME.grants.yaml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrantsFile {
    pub grants: Grants,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub settings: Map<String, Value>,
}

/// All plugins of a folder, by name, and what is wrong with those that are none. Other files are passed over.
pub fn discover(folder: &Path) -> Vec<Result<PluginFiles, PluginFileError>> {
    let names = match names(folder) {
        Ok(names) => names,
        Err(source) => return vec![Err(PluginFileError::Folder { path: folder.to_owned(), source })],
    };
    names.into_iter().map(|(name, found)| plugin(folder, name, found)).collect()
}

/// Which of the two files of a plugin are there.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    component: bool,
    grants: bool,
}

fn names(folder: &Path) -> io::Result<BTreeMap<String, Found>> {
    let mut names = BTreeMap::<String, Found>::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        // Names that are no UTF-8 are no DNS labels either, and are reported as such.
        let file = file.to_string_lossy();
        if file.starts_with('.') {
            continue;
        }
        if let Some(name) = file.strip_suffix(GRANTS) {
            names.entry(name.to_owned()).or_default().grants = true;
        } else if let Some(name) = file.strip_suffix(COMPONENT) {
            names.entry(name.to_owned()).or_default().component = true;
        }
    }
    Ok(names)
}

fn plugin(folder: &Path, name: String, found: Found) -> Result<PluginFiles, PluginFileError> {
    let component = folder.join(format!("{name}{COMPONENT}"));
    let grants = folder.join(format!("{name}{GRANTS}"));
    if !is_dns_label(&name) {
        return Err(PluginFileError::Name { path: if found.component { component } else { grants }, name });
    }
    match found {
        Found { grants: false, .. } => return Err(PluginFileError::NoGrants { path: component, name }),
        Found { component: false, .. } => return Err(PluginFileError::NoComponent { path: grants, name }),
        Found { component: true, grants: true } => {}
    }
    let text = read(&grants, LARGEST_GRANTS, "no grants are that long")?;
    let wrong = |message: String| PluginFileError::Grants { path: grants.clone(), message };
    let file: GrantsFile = serde_yaml::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let GrantsFile { grants: granted, limits, settings } = file;
    if let Some((field, most)) = limits.out_of_range() {
        return Err(wrong(format!("limits.{field}: the most that can be set is {most}")));
    }
    Ok(PluginFiles { name, component, grants: granted, limits, settings: Value::Object(settings) })
}

impl PluginFiles {
    /// Reads the component, as far as its limit allows.
    pub fn read(&self) -> Result<Vec<u8>, PluginFileError> {
        read(&self.component, self.limits.component_size as u64, "build it smaller or raise `limits.componentSize`")
    }
}

fn read(path: &Path, limit: u64, advice: &'static str) -> Result<Vec<u8>, PluginFileError> {
    let failed = |source| PluginFileError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(PluginFileError::TooLarge { path: path.to_owned(), limit, advice });
    }
    Ok(bytes)
}

fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests;
