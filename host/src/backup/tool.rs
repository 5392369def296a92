//! MySQL's own tools, run. In: a server, an account, SQL. Out: what the tool printed, or why it failed.
//!
//! A password is in a file of mode 0600 that is gone when the run is, and never in an argument, the environment, or an
//! error. The tools read no other option file, no variable of MySQL's, and no login path of the user.

use model::redact::Redacted;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// Seconds in which a server must take a connection.
const CONNECT_SECONDS: u32 = 10;
/// Bytes of a tool's complaints that are kept.
const COMPLAINTS: usize = 4096;
/// Variables that the tools take settings from, and the home folder, where a login path would be.
const VARIABLES: [&str; 9] = [
    "MYSQL_PWD",
    "MYSQL_HOST",
    "MYSQL_TCP_PORT",
    "MYSQL_UNIX_PORT",
    "MYSQL_GROUP_SUFFIX",
    "MYSQL_TEST_LOGIN_FILE",
    "MYSQL_HOME",
    "MYSQL_DEBUG",
    "LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN",
];

/// Why a tool did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there.
    #[error("cannot start {}; install the client tools of MySQL, or name their folder with --tools DIR", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its options cannot be handed over.
    #[error("cannot write the file that hands the password to the client tools")]
    Options(#[source] std::io::Error),
    /// It said that it failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it says, on one line.
        message: String,
    },
    /// It did not end in time.
    #[error("{program} gave no answer within {seconds} s")]
    TimedOut {
        /// The program.
        program: &'static str,
        /// The time it had.
        seconds: u64,
    },
    /// What it printed is not what was asked for.
    #[error("{program} printed what was not asked for: {message}")]
    Unexpected {
        /// The program.
        program: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tls {
    /// Encrypted; the server's certificate is not verified
    #[default]
    Required,
    /// Encrypted; the certificate must be signed by the authority of --tls-ca
    VerifyCa,
    /// As verify-ca, and the certificate must have the name of the host
    VerifyIdentity,
    /// Not encrypted, for networks that are trusted
    Disabled,
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub struct Login {
    /// User.
    pub user: String,
    /// Password.
    pub password: Redacted<String>,
    /// Protection.
    pub tls: Tls,
    /// File with the authority's certificate.
    pub ca: Option<PathBuf>,
}

/// The tools and one server that they work with.
#[derive(Debug)]
pub struct Client {
    folder: Option<PathBuf>,
    options: NamedTempFile,
}

/// The version that a program prints about itself.
///
/// # Errors
/// [`Error::Start`] and [`Error::Failed`].
pub async fn version(folder: Option<&Path>, program: &'static str) -> Result<String, Error> {
    let mut command = command(folder, program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().await.map_err(|source| start_error(folder, program, source))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        // Behind its own path, which says nothing.
        Ok(text.find(program).map_or(text.as_str(), |at| &text[at..]).to_owned())
    } else {
        Err(Error::Failed { program, message: complaint(&String::from_utf8_lossy(&output.stderr)) })
    }
}

fn path(folder: Option<&Path>, program: &str) -> PathBuf {
    folder.map_or_else(|| program.into(), |folder| folder.join(program))
}

fn command(folder: Option<&Path>, program: &str) -> Command {
    let mut command = Command::new(path(folder, program));
    VARIABLES.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    command.env("HOME", "/nonexistent").kill_on_drop(true);
    command
}

fn start_error(folder: Option<&Path>, program: &str, source: std::io::Error) -> Error {
    Error::Start { program: path(folder, program), source }
}

impl Client {
    /// Tools from `folder`, or from the search path, that work with one server.
    ///
    /// # Errors
    /// [`Error::Options`]
    pub fn new(folder: Option<&Path>, endpoint: &Endpoint, login: &Login) -> Result<Self, Error> {
        // Created with mode 0600, in a folder of its own name that nobody can guess.
        let mut options =
            tempfile::Builder::new().prefix("windlass-").suffix(".cnf").tempfile().map_err(Error::Options)?;
        let text = Redacted::new(option_file(endpoint, login));
        options.write_all(text.expose().as_bytes()).and_then(|()| options.flush()).map_err(Error::Options)?;
        Ok(Client { folder: folder.map(Path::to_owned), options })
    }

    /// A program that logs in. The options come first, as the tools demand.
    fn command(&self, program: &str) -> Command {
        let mut command = command(self.folder.as_deref(), program);
        let mut defaults = OsString::from("--defaults-file=");
        defaults.push(self.options.path());
        command.arg(defaults);
        command
    }

    /// Runs SQL and returns what it printed: a line for each row, columns parted by tabs, nothing escaped.
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn query(&self, sql: &str, deadline: Duration) -> Result<String, Error> {
        let Session { child, mut stdin, mut stdout, complaints } = self.session().await?;
        let asked = async {
            // A client that is gone says why itself.
            let _ = stdin.write_all(sql.as_bytes()).await;
            drop(stdin);
            let mut text = String::new();
            let read = stdout.read_to_string(&mut text).await;
            end(child, complaints, "mysql").await?;
            read.map_err(|error| Error::Unexpected { program: "mysql", message: error.to_string() })?;
            Ok(text)
        };
        let timed_out = Error::TimedOut { program: "mysql", seconds: deadline.as_secs() };
        tokio::time::timeout(deadline, asked).await.unwrap_or(Err(timed_out))
    }

    /// A connection that stays: what it locks stays locked.
    ///
    /// # Errors
    /// [`Error::Start`]
    pub async fn session(&self) -> Result<Session, Error> {
        let mut command = self.command("mysql");
        // Without --skip-reconnect a lost connection, and its locks with it, would go unnoticed.
        command.args(["--batch", "--raw", "--skip-column-names", "--skip-reconnect", "--unbuffered"]);
        let running = self.start(command, "mysql", Stdio::piped())?;
        let Running { child, stdin: Some(stdin), stdout: Some(stdout), complaints } = running else {
            return Err(Error::Unexpected { program: "mysql", message: "no pipes".into() });
        };
        Ok(Session { child, stdin, stdout: BufReader::new(stdout), complaints })
    }

    /// Starts a dump; it comes out of the pipe.
    ///
    /// # Errors
    /// [`Error::Start`]
    pub fn dump(&self, arguments: &[String]) -> Result<Running, Error> {
        let mut command = self.command("mysqldump");
        command.args(arguments);
        self.start(command, "mysqldump", Stdio::null())
    }

    /// Starts a client that runs the SQL that goes into its pipe, and ends at the first error.
    ///
    /// # Errors
    /// [`Error::Start`]
    pub fn load(&self) -> Result<Running, Error> {
        let mut command = self.command("mysql");
        command.args(["--batch", "--binary-mode", "--skip-reconnect", "--default-character-set=utf8mb4"]);
        self.start(command, "mysql", Stdio::piped())
    }

    fn start(&self, mut command: Command, program: &'static str, stdin: Stdio) -> Result<Running, Error> {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let folder = self.folder.as_deref();
        let mut child = command.spawn().map_err(|source| start_error(folder, program, source))?;
        let complaints = tokio::spawn(listen(child.stderr.take()));
        Ok(Running { stdin: child.stdin.take(), stdout: child.stdout.take(), child, complaints })
    }
}

/// A tool that runs.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    /// What goes in.
    pub stdin: Option<ChildStdin>,
    /// What comes out.
    pub stdout: Option<ChildStdout>,
    complaints: JoinHandle<String>,
}

impl Running {
    /// Waits for its end.
    ///
    /// # Errors
    /// [`Error::Failed`] with what it complained about.
    pub async fn end(self, program: &'static str) -> Result<(), Error> {
        let Running { child, stdin, stdout, complaints } = self;
        drop((stdin, stdout));
        end(child, complaints, program).await
    }
}

async fn end(mut child: Child, complaints: JoinHandle<String>, program: &'static str) -> Result<(), Error> {
    let status = child.wait().await;
    let message = complaints.await.unwrap_or_default();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if message.is_empty() => Err(Error::Failed { program, message: status.to_string() }),
        Ok(_) => Err(Error::Failed { program, message }),
        Err(error) => Err(Error::Failed { program, message: error.to_string() }),
    }
}

/// A connection that stays.
#[derive(Debug)]
pub struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    complaints: JoinHandle<String>,
}

impl Session {
    /// Runs SQL that gives one line.
    ///
    /// # Errors
    /// Where the server refuses it, is gone, or needs longer than `deadline`. The session is of no use then.
    pub async fn ask(&mut self, sql: &str, deadline: Duration) -> Result<String, Error> {
        // A client that is gone says why itself, see below.
        let _ = self.stdin.write_all(sql.as_bytes()).await;
        let _ = self.stdin.write_all(b"\n").await;
        let _ = self.stdin.flush().await;
        let mut line = String::new();
        let timed_out = Error::TimedOut { program: "mysql", seconds: deadline.as_secs() };
        let read = tokio::time::timeout(deadline, self.stdout.read_line(&mut line)).await.map_err(|_| timed_out)?;
        match read {
            Ok(length) if length > 0 => Ok(line.trim_end_matches('\n').to_owned()),
            Ok(_) | Err(_) => {
                let gone = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_ok();
                let message = if gone { (&mut self.complaints).await.unwrap_or_default() } else { String::new() };
                let message = if message.is_empty() { "the connection was lost".into() } else { message };
                Err(Error::Failed { program: "mysql", message })
            }
        }
    }
}

/// Collects what a tool complains about: the end of it, on one line.
async fn listen(stderr: Option<ChildStderr>) -> String {
    let Some(stderr) = stderr else { return String::new() };
    let (mut reader, mut kept) = (BufReader::new(stderr), Vec::new());
    while let Ok(chunk) = reader.fill_buf().await {
        if chunk.is_empty() {
            break;
        }
        kept.extend_from_slice(chunk);
        let (length, surplus) = (chunk.len(), kept.len().saturating_sub(COMPLAINTS));
        kept.drain(..surplus);
        reader.consume(length);
    }
    complaint(&String::from_utf8_lossy(&kept))
}

/// What a tool complained about, without what it always says.
fn complaint(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| {
        // A dump without the system schemas is what is wished.
        !line.is_empty() && !line.starts_with("Warning: A partial dump from a server that has GTIDs")
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// What the tools read about server and account.
fn option_file(endpoint: &Endpoint, login: &Login) -> String {
    let mode = match login.tls {
        Tls::Required => "REQUIRED",
        Tls::VerifyCa => "VERIFY_CA",
        Tls::VerifyIdentity => "VERIFY_IDENTITY",
        // A password may still not travel in clear text: it is encrypted with the server's public key.
        Tls::Disabled => "DISABLED\nget-server-public-key=1",
    };
    let ca = login.ca.as_ref().map(|ca| format!("ssl-ca={}\n", quoted(&ca.to_string_lossy()))).unwrap_or_default();
    format!(
        "[client]\nprotocol=tcp\nhost={}\nport={}\nuser={}\npassword={}\nmax-allowed-packet=1G\n{ca}ssl-mode={mode}\n\
         [mysql]\nconnect-timeout={CONNECT_SECONDS}\n",
        quoted(&endpoint.host),
        endpoint.port,
        quoted(&login.user),
        quoted(login.password.expose()),
    )
}

/// A value in an option file: between quotes, with what has a meaning there escaped.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for char in value.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn login(password: &str) -> Login {
        Login { user: "u".into(), password: Redacted::new(password.into()), tls: Tls::Required, ca: None }
    }

    fn endpoint() -> Endpoint {
        Endpoint { host: "10.0.0.1".into(), port: 3306 }
    }

    #[test]
    fn the_password_is_in_a_file_for_the_owner_alone_that_goes_with_the_client() {
        let client = Client::new(None, &endpoint(), &login("pa\"ss\\ #word")).unwrap();
        let path = client.options.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("password=\"pa\\\"ss\\\\ #word\"\n") && text.contains("ssl-mode=REQUIRED\n"), "{text}");
        let command = format!("{:?} {client:?}", client.command("mysql").as_std());
        assert!(!command.contains("word"), "{command}");
        drop(client);
        assert!(!path.exists());
    }

    #[test]
    fn nothing_of_the_users_own_settings_reaches_a_tool() {
        let client = Client::new(None, &endpoint(), &login("p")).unwrap();
        let command = client.command("mysqldump");
        let first = command.as_std().get_args().next().unwrap().to_string_lossy().into_owned();
        assert!(first.starts_with("--defaults-file="), "{first}");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed.len(), VARIABLES.len());
    }

    #[tokio::test]
    async fn a_tool_that_is_not_there_is_told_with_what_to_do() {
        let error = version(Some(Path::new("/nonexistent")), "mysqldump").await.unwrap_err();
        assert!(error.to_string().contains("--tools DIR"), "{error}");
    }

    #[test]
    fn a_complaint_is_one_line_without_what_is_always_said() {
        let text = "Warning: A partial dump from a server that has GTIDs will by default include\nmysqldump: Got error: 1045\n";
        assert_eq!(complaint(text), "mysqldump: Got error: 1045");
    }
}
