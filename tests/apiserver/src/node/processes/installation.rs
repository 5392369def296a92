//! An installation of MySQL on this machine. In: the file that describes it, as `cargo xtask` writes it. Out: which
//! programs there are and what the server must be told to find its own files.
//!
//! The file is JSON, by convention `mysql.json` in the installation's folder:
//!
//! ```json
//! {"version": "9.7.4", "bin": "/opt/mysql/bin", "arguments": ["--basedir=/opt/mysql"]}
//! ```
//!
//! `bin` holds programs or wrappers named `mysqld`, `mysql`, `mysqladmin`, `mysqldump` and, where they are at hand,
//! further tools of MySQL; each ends up as the very process that was started (a wrapper must `exec`). `arguments` are
//! given to every `mysqld`, behind `--defaults-file`, which it takes in the first place only.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where MySQL is and how to call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// The server's version, like `8.4.5`.
    pub version: String,
    /// The folder with the programs.
    pub bin: PathBuf,
    /// What every `mysqld` is called with.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// Why an installation cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// The file cannot be read.
    #[error("cannot read the description of a MySQL installation in {path}; `cargo xtask mysql` makes one")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} does not describe a MySQL installation; `cargo xtask mysql` makes one")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A program is not there.
    #[error("{path} names the MySQL programs in {bin}, where there is no {program}")]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The folder it names.
        bin: PathBuf,
        /// The program.
        program: &'static str,
    },
}

/// Programs that every installation has.
const PROGRAMS: [&str; 4] = ["mysqld", "mysql", "mysqladmin", "mysqldump"];

impl Installation {
    /// The variable of the environment that names installations, several separated like those of `PATH`.
    pub const VARIABLE: &str = "WINDLASS_MYSQL";
    /// The file's name where only a folder is given.
    pub const FILE: &str = "mysql.json";

    /// The installation that `path`, a file or the folder that holds `mysql.json`, describes.
    pub fn read(path: &Path) -> Result<Self, InstallationError> {
        let path = if path.is_dir() { path.join(Self::FILE) } else { path.to_path_buf() };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(InstallationError::Unreadable { path, source }),
        };
        let held: Self = match serde_json::from_slice(&text) {
            Ok(held) => held,
            Err(source) => return Err(InstallationError::Malformed { path, source }),
        };
        match PROGRAMS.into_iter().find(|program| !held.bin.join(program).is_file()) {
            Some(program) => Err(InstallationError::Incomplete { path, bin: held.bin, program }),
            None => Ok(held),
        }
    }

    /// The installations that the value of [`Installation::VARIABLE`] names.
    pub fn read_all(variable: &OsStr) -> Result<Vec<Self>, InstallationError> {
        std::env::split_paths(variable).filter(|p| !p.as_os_str().is_empty()).map(|p| Self::read(&p)).collect()
    }

    /// The one of `all` that serves an image's tag best: the longest agreement of version numbers, the first of equals.
    pub fn best<'a>(all: &'a [Self], tag: &str) -> Option<&'a Self> {
        let agreement =
            |held: &Self| held.version.split('.').zip(tag.split(['.', '-'])).take_while(|(a, b)| a == b).count();
        let most = all.iter().map(agreement).max()?;
        all.iter().find(|held| agreement(held) == most)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn installation(version: &str) -> Installation {
        Installation { version: version.into(), bin: "/b".into(), arguments: Vec::new() }
    }

    #[test]
    fn the_installation_nearest_to_the_tag_is_taken_and_else_the_first() {
        let all = ["9.7.4", "8.0.40", "8.4.5"].map(installation);
        let best = |tag: &str| Installation::best(&all, tag).unwrap().version.as_str();
        assert_eq!(best("8.4"), "8.4.5");
        assert_eq!(best("8.0.36-debian"), "8.0.40");
        assert_eq!(best("8"), "8.0.40");
        assert_eq!(best("latest"), "9.7.4");
        assert_eq!(Installation::best(&[], "8"), None);
    }

    #[test]
    fn a_description_that_is_missing_malformed_or_wrong_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Installation::read(folder.path()).unwrap_err().to_string();
        assert!(read().contains("cargo xtask mysql"), "{}", read());
        std::fs::write(folder.path().join("mysql.json"), "{}").unwrap();
        assert!(read().contains("does not describe"), "{}", read());
        let held = Installation { bin: folder.path().join("bin"), ..installation("8.4.5") };
        std::fs::write(folder.path().join("mysql.json"), serde_json::to_vec(&held).unwrap()).unwrap();
        assert!(read().contains("there is no mysqld"), "{}", read());
        std::fs::create_dir(&held.bin).unwrap();
        PROGRAMS.iter().for_each(|program| std::fs::write(held.bin.join(program), "").unwrap());
        assert_eq!(Installation::read(folder.path()).unwrap(), held);
        assert_eq!(Installation::read_all(folder.path().as_os_str()).unwrap(), [held]);
    }
}
