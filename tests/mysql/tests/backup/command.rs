//! The command as a user runs it. In: arguments. Out: how it ended and what it said.

use crate::PASSWORD;
use mysql_suite::{Installation, Mysqld, mysqld::ROOT};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A place for backups, with the files of passwords and a folder of tools.
pub struct Place {
    folder: TempDir,
    bin: PathBuf,
}

impl Place {
    /// An empty place, with the tools of an installation.
    pub fn new(installation: &Installation) -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("backup-password"), PASSWORD).unwrap();
        std::fs::write(folder.path().join("root-password"), format!("{ROOT}\n")).unwrap();
        std::fs::create_dir(folder.path().join("tools")).unwrap();
        let place = Place { folder, bin: installation.bin.clone() };
        for tool in ["mysql", "mysqldump"] {
            place.tool(tool, "");
        }
        place
    }

    /// A file of the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the backups.
    pub fn backups(&self) -> PathBuf {
        self.path("backups")
    }

    /// Exchanges a tool: `before` runs in a shell, and then the real one, whose path is in `$REAL`.
    pub fn tool(&self, name: &str, before: &str) {
        let (path, real) = (self.path("tools").join(name), self.bin.join(name));
        let real = real.display();
        std::fs::write(&path, format!("#!/bin/sh\nREAL={real}\n{before}\nexec $REAL \"$@\"\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass-under-test"));
        command.args(arguments);
        command
    }

    /// A backup of these servers, ready to run.
    pub fn backup_command(&self, servers: &[&Mysqld], more: &[&str]) -> Command {
        let mut command = self.command(&["backup", "--user=backup", "--output=json", "--log=trace"]);
        command.arg("--password-file").arg(self.path("backup-password"));
        command.arg("--tools").arg(self.path("tools")).arg("--destination").arg(self.backups());
        command.args(servers.iter().map(|server| format!("--source-host={}", server.address))).args(more);
        command
    }

    /// Takes a backup of these servers.
    pub fn backup(&self, servers: &[&Mysqld], more: &[&str]) -> Ended {
        Ended::of(self.backup_command(servers, more).output().unwrap())
    }

    /// Restores the newest backup.
    pub fn restore(&self, server: &Mysqld, more: &[&str]) -> Ended {
        let mut command = self.command(&["restore", "--user=root", "--output=json", "--latest"]);
        command.arg("--password-file").arg(self.path("root-password"));
        command.arg("--tools").arg(self.path("tools")).arg("--source").arg(self.backups());
        Ended::of(command.arg("--target-host").arg(&server.address).args(more).output().unwrap())
    }

    /// The backups that exist, as `windlass backup list` tells them.
    pub fn list(&self) -> Vec<serde_json::Value> {
        let mut command = self.command(&["backup", "list", "--output=json", "--source"]);
        let ended = Ended::of(command.arg(self.backups()).output().unwrap());
        ended.json().as_array().unwrap().clone()
    }

    /// The files in the folder of the backups.
    pub fn files(&self) -> Vec<PathBuf> {
        files(&self.backups())
    }

    /// The one file whose name ends so.
    pub fn file(&self, end: &str) -> PathBuf {
        let found: Vec<_> = self.files().into_iter().filter(|file| file.to_string_lossy().ends_with(end)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it says that it did its work.
    pub well: bool,
    /// What it printed.
    pub out: String,
    /// What it logged, and why it failed.
    pub log: String,
}

impl Ended {
    fn of(output: Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { well: output.status.success(), out: text(&output.stdout), log: text(&output.stderr) }
    }

    /// What it printed, where it did its work.
    pub fn json(&self) -> serde_json::Value {
        assert!(self.well, "{}", self.log);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Why it failed.
    pub fn error(&self) -> &str {
        assert!(!self.well, "{}", self.out);
        self.log.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{}", self.log))
    }
}
