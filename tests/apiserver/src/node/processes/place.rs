//! Where a container runs on this machine. In: a container of a pod, its volumes' folders. Out: commands with the
//! environment, the paths and the programs of the container.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::environment::expanded;
use super::launch;
use super::layout::private;
use super::rewrite::{Paths, address};

/// Folders that programs of images are in.
const PROGRAM_FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The container's surroundings.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The pod's address.
    pub(super) address: Ipv4Addr,
    /// What stands for which path of the container.
    pub(super) paths: Paths,
    /// What stands for `/`, as far as nothing else does.
    pub(super) root: PathBuf,
    /// The variables of the container's environment.
    pub(super) variables: BTreeMap<String, String>,
    /// Where the programs of MySQL are, if it is installed.
    pub(super) mysql: Option<PathBuf>,
    /// Our own program.
    pub(super) windlass: PathBuf,
    /// Where it may say of its end.
    pub(super) termination: PathBuf,
    /// Where the output goes.
    pub(super) log: PathBuf,
    /// Folders of the container's volumes by name.
    pub(super) volumes: BTreeMap<String, PathBuf>,
}

impl Place {
    /// A word of a container's command or arguments as a process of this machine gets it.
    pub(super) fn word(&self, word: &str) -> String {
        self.paths.text(&address(&expanded(word, &self.variables), self.address))
    }

    /// A word of a hook's or probe's command, in which nothing is expanded.
    pub(super) fn plain_word(&self, word: &str) -> String {
        self.paths.text(&address(word, self.address))
    }

    /// The words of a command, ready to run.
    pub(super) fn command(&self, program: &str, arguments: &[String]) -> Command {
        let mut command = launch::bare(self.program(program));
        command.args(arguments).current_dir(&self.root);
        let mysql = self.mysql.iter().map(|bin| bin.to_string_lossy().into_owned());
        let path: Vec<String> = mysql.chain(PROGRAM_FOLDERS.map(str::to_owned)).collect();
        command.env("PATH", path.join(":")).env("HOME", &self.root);
        if let Some(tmp) = self.paths.host("/tmp") {
            command.env("TMPDIR", tmp);
        }
        command.envs(&self.variables);
        command
    }

    /// Has the command write to the container's log.
    pub(super) fn logged(&self, mut command: Command) -> io::Result<Command> {
        let log = self.open_log()?;
        command.stderr(log.try_clone()?).stdout(log);
        Ok(command)
    }

    /// Adds a line to the container's log.
    pub(super) fn say(&self, line: &str) {
        let text = format!("[Entrypoint]: {line}\n");
        let written = self.open_log().and_then(|mut log| io::Write::write_all(&mut log, text.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(log = %self.log.display(), %error, "failed to write to a container's log");
        }
    }

    fn open_log(&self) -> io::Result<File> {
        self.log.parent().map_or(Ok(()), private)?;
        File::options().create(true).append(true).open(&self.log)
    }

    /// A program of the container: one of MySQL's or ours by its name, another one as this machine has it.
    fn program(&self, name: &str) -> PathBuf {
        let path = Path::new(name);
        let folder = path.parent().map(Path::to_string_lossy).unwrap_or_default();
        let known = folder.is_empty() || PROGRAM_FOLDERS.contains(&folder.as_ref());
        if let Some(base) = path.file_name().filter(|_| known) {
            if base == "windlass" {
                return self.windlass.clone();
            }
            if let Some(found) = self.mysql.iter().map(|bin| bin.join(base)).find(|found| found.is_file()) {
                return found;
            }
            let folders = PROGRAM_FOLDERS.iter().map(Path::new).filter(|_| folder.is_empty());
            if let Some(found) = folders.map(|folder| folder.join(base)).find(|found| found.is_file()) {
                return found;
            }
        }
        PathBuf::from(self.paths.text(name))
    }
}
