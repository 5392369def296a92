//! The official MySQL image's entry point. In: a container's arguments and environment. Out: a server that runs, its
//! data initialised before the first time, as the image does it.
//!
//! In one thing it is more careful than the image, which takes any folder with a `mysql` in it for data: here an
//! initialisation that was begun and never ended is thrown away and begun anew. The image's scripts for compressed
//! files and shell scripts in `/docker-entrypoint-initdb.d` are left out.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::claims::empty;
use super::installation::Installation;
use super::layout::private;
use super::place::Place;
use super::slot::{self, Slot, TERMINATED};
use super::sql;

/// Folders of the image that are there without a mount.
pub(super) const FOLDERS: [&str; 6] =
    ["/var/lib/mysql", "/var/run/mysqld", "/var/lib/mysql-files", "/etc/mysql/conf.d", "/tmp", INIT_FOLDER];
const INIT_FOLDER: &str = "/docker-entrypoint-initdb.d";
/// Until the temporary server is asked again whether it takes connections.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// What the image's own option file says.
const OPTIONS: &str = "[mysqld]\nhost-cache-size = 0\nskip-name-resolve\ndatadir = /var/lib/mysql\n\
    socket = /var/run/mysqld/mysqld.sock\nsecure-file-priv = /var/lib/mysql-files\n\
    pid-file = /var/run/mysqld/mysqld.pid\n[client]\nsocket = /var/run/mysqld/mysqld.sock\n\
    !includedir /etc/mysql/conf.d/\n";

/// Why the container ended before its server ran.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Refused(String),
    #[error("failed to {action}")]
    Io { action: &'static str, source: io::Error },
    #[error("{step} ended with exit code {code}")]
    Step { step: &'static str, code: i32 },
    #[error("the container was told to end")]
    Ending,
}

/// A container of the image.
pub(super) struct Entry<'a> {
    pub(super) place: &'a Place,
    pub(super) installation: &'a Installation,
    pub(super) slot: &'a Slot,
    /// The note that says that a data folder is not initialised to the end.
    pub(super) unfinished: &'a (dyn Fn(&Path) -> PathBuf + Send + Sync),
}

/// What the server would use.
struct Config {
    data: PathBuf,
    socket: PathBuf,
}

impl Entry<'_> {
    /// Runs the container to its end. Its exit code.
    pub(super) async fn run(&self, mut arguments: Vec<String>) -> i32 {
        if arguments.first().is_none_or(|first| first.starts_with('-')) {
            arguments.insert(0, "mysqld".to_owned());
        }
        let program = arguments.remove(0);
        let help = ["-?", "--help", "--print-defaults", "-V", "--version"];
        let ran = if program != "mysqld" {
            self.step("the command", &program, &arguments, false).await
        } else if arguments.iter().any(|a| help.contains(&a.as_str())) {
            self.step("the server", "mysqld", &self.server(&arguments), false).await
        } else {
            self.serve(&arguments).await
        };
        match ran {
            Ok(code) | Err(Fault::Step { code, .. }) => code,
            Err(Fault::Ending) => TERMINATED,
            Err(fault) => {
                let source = std::error::Error::source(&fault).map(|s| format!(": {s}")).unwrap_or_default();
                self.place.say(&format!("ERROR: {fault}{source}"));
                1
            }
        }
    }

    async fn serve(&self, arguments: &[String]) -> Result<i32, Fault> {
        let config = self.config(arguments).await?;
        for folder in [Some(config.data.as_path()), config.socket.parent()].into_iter().flatten() {
            private(folder).map_err(|source| Fault::Io { action: "make the server's folders", source })?;
        }
        let note = (self.unfinished)(&config.data);
        if note.exists() {
            self.place.say("the last initialisation did not end: starting afresh");
            empty(&config.data).map_err(|source| Fault::Io { action: "empty the data folder", source })?;
        }
        if !config.data.join("mysql").is_dir() {
            self.initialise(arguments, &config, &note).await?;
        }
        self.step("the server", "mysqld", &self.server(arguments), false).await
    }

    /// The server's arguments: the image's option file first, what the installation needs, the user's, and what makes
    /// the pod's address its own.
    fn server(&self, arguments: &[String]) -> Vec<String> {
        let file = self.place.root.join("etc/my.cnf");
        let mut all = vec![format!("--defaults-file={}", file.display())];
        all.extend(self.installation.arguments.iter().cloned());
        all.extend(arguments.iter().filter(|a| !a.starts_with("--user=")).cloned());
        all.push(format!("--bind-address={}", self.place.address));
        all.push(format!("--loose-mysqlx-bind-address={}", self.place.address));
        if let Some(run) = self.place.paths.host("/var/run/mysqld") {
            all.push(format!("--loose-mysqlx-socket={}", run.join("mysqlx.sock").display()));
        }
        if rustix::process::geteuid().is_root() {
            // It runs as who the node runs as; for root it wants that said.
            all.push("--user=root".to_owned());
        }
        all
    }

    /// Asks the server itself, which also refuses settings that it does not understand.
    async fn config(&self, arguments: &[String]) -> Result<Config, Fault> {
        let file = self.place.root.join("etc/my.cnf");
        let written = file.parent().map_or(Ok(()), private);
        let written = written.and_then(|()| std::fs::write(&file, self.place.paths.text(OPTIONS)));
        written.map_err(|source| Fault::Io { action: "write the image's option file", source })?;
        let mut words = self.server(arguments);
        let index = self.place.root.join("none.index");
        words.extend(["--verbose".into(), "--help".into(), format!("--log-bin-index={}", index.display())]);
        let mut command = self.place.command("mysqld", &words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let io = |source| Fault::Io { action: "run mysqld", source };
        let child = self.slot.launcher().spawn(command).await.map_err(io)?;
        let output = child.wait_with_output().await.map_err(io)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let of = |name: &str| sql::setting(&text, name).map(PathBuf::from);
        match (output.status.success(), of("datadir"), of("socket")) {
            (true, Some(data), Some(socket)) => Ok(Config { data, socket }),
            _ => {
                let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(Fault::Refused(format!("mysqld failed while attempting to check config\n{errors}")))
            }
        }
    }

    async fn initialise(&self, arguments: &[String], config: &Config, note: &Path) -> Result<(), Fault> {
        let accounts = self.accounts()?;
        let text = config.data.to_string_lossy().into_owned();
        std::fs::write(note, text).map_err(|source| Fault::Io { action: "note the initialisation", source })?;
        self.place.say("Initializing database files");
        let mut words = self.server(arguments);
        words.extend(["--initialize-insecure".into(), "--default-time-zone=SYSTEM".into()]);
        match self.step("initialising the data", "mysqld", &words, true).await? {
            0 => {}
            code => return Err(Fault::Step { step: "initialising the data", code }),
        }
        self.place.say("Starting temporary server");
        let mut words = self.server(arguments);
        let socket = format!("--socket={}", config.socket.display());
        words.extend(["--skip-networking".into(), "--default-time-zone=SYSTEM".into(), socket]);
        let server = self.step("the temporary server", "mysqld", &words, true);
        let script = self.script(&accounts).await?;
        let client = self.set_up(&config.socket, script);
        tokio::pin!(server, client);
        let set_up = tokio::select! {
            ended = &mut server => {
                return Err(ended.map_or_else(|fault| fault, |code| Fault::Step { step: "the temporary server", code }));
            }
            set_up = &mut client => set_up,
        };
        if set_up.is_err() {
            self.slot.end();
        }
        let ended = server.await;
        set_up?;
        match ended? {
            0 => {}
            code => return Err(Fault::Step { step: "the temporary server", code }),
        }
        self.place.say("MySQL init process done. Ready for start up.");
        std::fs::remove_file(note).map_err(|source| Fault::Io { action: "note that the data is whole", source })
    }

    /// Runs a process of the container's.
    async fn step(&self, step: &'static str, program: &str, words: &[String], preparing: bool) -> Result<i32, Fault> {
        let io = |source| Fault::Io { action: step, source };
        let command = self.place.logged(self.place.command(program, words)).map_err(io)?;
        match self.slot.run(command, preparing).await.map_err(io)? {
            Some(status) => Ok(slot::code(status)),
            None => Err(Fault::Ending),
        }
    }

    /// Waits until the temporary server takes connections, and gives it the statements, of which the last one ends it.
    async fn set_up(&self, socket: &Path, script: Vec<u8>) -> Result<(), Fault> {
        while tokio::net::UnixStream::connect(socket).await.is_err() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        let words = [
            "--no-defaults".to_owned(),
            "--protocol=socket".to_owned(),
            "--host=localhost".to_owned(),
            format!("--socket={}", socket.display()),
            "--user=root".to_owned(),
            "--comments".to_owned(),
            "--database=mysql".to_owned(),
        ];
        let io = |source| Fault::Io { action: "set up the accounts", source };
        let mut command: Command = self.place.logged(self.place.command("mysql", &words)).map_err(io)?;
        command.stdin(Stdio::piped());
        let mut child = self.slot.launcher().spawn(command).await.map_err(io)?;
        if let Some(mut input) = child.stdin.take() {
            // A client that refuses a statement stops reading; its exit code tells.
            let _ = input.write_all(&script).await;
        }
        let status = child.wait().await.map_err(io)?;
        match slot::code(status) {
            0 => Ok(()),
            code => Err(Fault::Step { step: "setting up the accounts", code }),
        }
    }

    /// The image's variables about accounts, values in files read.
    fn accounts(&self) -> Result<sql::Accounts, Fault> {
        let of = |name: &str| -> Result<String, Fault> {
            let held = |name: &str| self.place.variables.get(name).filter(|v| !v.is_empty());
            match (held(name), held(&format!("{name}_FILE"))) {
                (Some(_), Some(_)) => {
                    Err(Fault::Refused(format!("Both {name} and {name}_FILE are set (but are exclusive)")))
                }
                (Some(value), None) => Ok(value.clone()),
                (None, Some(file)) => match std::fs::read_to_string(file) {
                    Ok(text) => Ok(text.trim_end_matches('\n').to_owned()),
                    Err(source) => Err(Fault::Io { action: "read the file of a password or name", source }),
                },
                (None, None) => Ok(String::new()),
            }
        };
        let mut accounts = sql::Accounts {
            root_password: of("MYSQL_ROOT_PASSWORD")?,
            root_host: of("MYSQL_ROOT_HOST")?,
            database: of("MYSQL_DATABASE")?,
            user: of("MYSQL_USER")?,
            password: of("MYSQL_PASSWORD")?,
        };
        let set = |name: &str| self.place.variables.get(name).is_some_and(|v| !v.is_empty());
        let random = set("MYSQL_RANDOM_ROOT_PASSWORD");
        if accounts.root_password.is_empty() && !set("MYSQL_ALLOW_EMPTY_PASSWORD") && !random {
            return Err(Fault::Refused(
                "Database is uninitialized and password option is not specified: set MYSQL_ROOT_PASSWORD, \
                 MYSQL_ALLOW_EMPTY_PASSWORD or MYSQL_RANDOM_ROOT_PASSWORD"
                    .to_owned(),
            ));
        }
        if accounts.user == "root" {
            return Err(Fault::Refused("MYSQL_USER=\"root\": it is for another user; remove it".to_owned()));
        }
        if random {
            #[expect(clippy::disallowed_methods, reason = "a password that nobody may guess; the image makes it so")]
            let mut random = rand::rng();
            let letters = (0..32).map(|_| char::from(random.sample(rand::distr::Alphanumeric)));
            accounts.root_password = letters.collect();
            self.place.say(&format!("GENERATED ROOT PASSWORD: {}", accounts.root_password));
        }
        Ok(accounts)
    }

    /// The statements that set a new server up.
    async fn script(&self, accounts: &sql::Accounts) -> Result<Vec<u8>, Fault> {
        let mut script = Vec::new();
        if self.place.variables.get("MYSQL_INITDB_SKIP_TZINFO").is_none_or(String::is_empty) {
            script.extend(self.time_zones().await);
        }
        script.extend(sql::accounts(accounts).into_bytes());
        let folder = self.place.paths.host(INIT_FOLDER).unwrap_or_default();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files {
            if file.extension().is_none_or(|e| e != "sql") {
                self.place.say(&format!("ignoring {}", file.display()));
                continue;
            }
            self.place.say(&format!("running {}", file.display()));
            let text = std::fs::read(&file);
            script.extend(text.map_err(|source| Fault::Io { action: "read a file of statements", source })?);
            script.extend(b"\n;\n");
        }
        script.extend(b"SHUTDOWN;\n");
        Ok(script)
    }

    async fn time_zones(&self) -> Vec<u8> {
        let mut command = self.place.command("mysql_tzinfo_to_sql", &["/usr/share/zoneinfo".to_owned()]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let made = async { self.slot.launcher().spawn(command).await?.wait_with_output().await };
        match made.await {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                text.replace("Local time zone must be set--see zic manual page", "FCTY").into_bytes()
            }
            _ => {
                self.place.say("WARNING: the time zones could not be read and are left out");
                Vec::new()
            }
        }
    }
}
