//! The writing client of the demo: MySQL's own `mysql`, one row a statement, to whoever the Service for writes points at.
//! In: where to ask and how to log in. Out: which rows were acknowledged, and when.

use super::processes::Kubernetes;
use super::screen;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two rows.
const PAUSE: Duration = Duration::from_millis(10);
/// An answer that takes longer is not waited for.
const LIMIT: Duration = Duration::from_secs(3);

/// The table that it writes to, and its account.
const ADMISSION: &str = "CREATE DATABASE IF NOT EXISTS demo; \
    CREATE TABLE IF NOT EXISTS demo.written (id BIGINT PRIMARY KEY, at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP(3)); \
    CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY 'of-the-demo'; GRANT SELECT, INSERT ON demo.* TO 'app'@'%'";

/// What the client was told.
#[derive(Default)]
pub struct Told {
    /// Rows that were acknowledged, with the time.
    pub acknowledged: BTreeMap<u64, Instant>,
    /// Rows that were sent.
    pub sent: u64,
}

/// MySQL's own client programs, and the account that they use.
#[derive(Clone)]
pub struct Mysql {
    program: PathBuf,
    folder: PathBuf,
}

impl Mysql {
    /// The client `program`; files with passwords go to `folder`.
    pub fn new(program: PathBuf, folder: PathBuf) -> Mysql {
        Mysql { program, folder }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command that talks to a server. The password is in a file for this user alone, so that no list of processes
    /// shows it.
    fn command(&self, address: &str, user: &str, password: &str) -> Result<Command> {
        let file = self.folder.join(format!("{user}.cnf"));
        write_private(&file, &format!("[client]\nuser={user}\npassword=\"{password}\"\n"))?;
        let mut command = Command::new(&self.program);
        command.arg(format!("--defaults-file={}", file.display())).args([
            "--protocol=tcp",
            "--port=3306",
            "--connect-timeout=2",
            "--batch",
            "--skip-column-names",
            "--unbuffered",
        ]);
        command.arg(format!("--host={address}"));
        Ok(command)
    }

    /// What a server answers.
    pub fn ask(&self, address: &str, account: (&str, &str), statement: &str) -> Result<String> {
        let output = self.command(address, account.0, account.1)?.args(["--execute", statement]).output();
        let output = output.context("could not run mysql")?;
        if !output.status.success() {
            bail!("the server at {address}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    let mut opened = opened.with_context(|| format!("could not write {}", file.display()))?;
    opened.write_all(text.as_bytes()).with_context(|| format!("could not write {}", file.display()))
}

/// The running client.
pub struct Client {
    told: Arc<Mutex<Told>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Makes the table and the account as root, and begins to write.
    pub fn start(kubernetes: Kubernetes, mysql: Mysql, resource: &str) -> Result<Client> {
        let address =
            kubernetes.behind(&format!("{resource}-primary"))?.context("the Service for writes has no server")?;
        let password = kubernetes.password(&format!("{resource}-root"))?;
        mysql.ask(&address, ("root", &password), ADMISSION).context("the client's table cannot be made")?;
        let (told, stop) = (Arc::new(Mutex::new(Told::default())), Arc::new(AtomicBool::new(false)));
        let (noted, stopped, service) = (told.clone(), stop.clone(), format!("{resource}-primary"));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                if let Ok(Some(address)) = kubernetes.behind(&service) {
                    // However it ends, the client goes to where the Service points then.
                    let _ = write(&mysql, &address, &noted, &stopped);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Ok(Client { told, stop, thread: Some(thread) })
    }

    /// What it was told so far.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acknowledged rows so far.
    pub fn acknowledged(&self) -> usize {
        self.told().acknowledged.len()
    }

    /// The last acknowledgement before a moment, and the first after it that comes more than a second later or, where
    /// there is none, the first.
    pub fn gap(&self, around: Instant) -> Option<(Instant, Instant)> {
        let times: Vec<Instant> = self.told().acknowledged.values().copied().collect();
        longest_gap(&times, around)
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The longest pause between two neighbours of which the later is after `from`.
fn longest_gap(times: &[Instant], from: Instant) -> Option<(Instant, Instant)> {
    let gaps = times.windows(2).map(|pair| (pair[0], pair[1])).filter(|(_, later)| *later > from);
    gaps.max_by_key(|(earlier, later)| later.duration_since(*earlier))
}

/// Writes row after row to one server until something is not as it should be.
fn write(mysql: &Mysql, address: &str, told: &Mutex<Told>, stop: &AtomicBool) -> Result<()> {
    let mut command = mysql.command(address, "app", "of-the-demo")?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    let output = BufReader::new(child.stdout.take().context("no output")?);
    let (answers, answered) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = answers.send(line);
        }
    });
    while !stop.load(Ordering::SeqCst) {
        let number = {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.sent += 1;
            told.sent
        };
        let statement = format!("INSERT INTO demo.written (id) VALUES ({number}); SELECT {number};\n");
        if input.write_all(statement.as_bytes()).and_then(|()| input.flush()).is_err() {
            break;
        }
        // The program ends at the first error, and its answers with it.
        match answered.recv_timeout(LIMIT) {
            Ok(line) if line == number.to_string() => {
                told.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.insert(number, screen::now());
            }
            _ => break,
        }
        std::thread::sleep(PAUSE);
    }
    let _ = child.kill();
    let _ = child.wait();
    let _ = reader.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_that_counts_is_the_longest_that_ends_after_the_fault() {
        let start = screen::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let times = [at(0), at(9), at(10), at(14), at(15)];
        assert_eq!(longest_gap(&times, at(10)), Some((at(10), at(14))));
        assert_eq!(longest_gap(&times, at(20)), None);
    }
}
