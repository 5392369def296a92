//! One real server: started, hung, killed and started again as a test wants. It runs as the operator's pods do: with GTIDs,
//! read-only from its start, with the plugins for clones and semi-synchronous replication.

use crate::Installation;
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// Password of `root@%`, which every server has from its first start.
pub const ROOT: &str = "root-Password-1";

/// A server.
pub struct Mysqld {
    /// Its own loopback address.
    pub address: String,
    /// Its number in replication.
    pub id: u32,
    installation: Installation,
    folder: TempDir,
    more: Vec<String>,
    child: Option<Child>,
}

impl Mysqld {
    /// Starts an empty server, with further arguments.
    ///
    /// # Panics
    /// When it does not start: the test cannot go on then.
    pub async fn start(installation: &Installation, more: &[&str]) -> Mysqld {
        let id = next();
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder for a server: {error}"));
        copy(&template(installation), &folder.path().join("data"));
        let mut server = Mysqld {
            address: format!("127.{}.{}.{}", 64 + std::process::id() % 128, (std::process::id() / 128) % 256, id),
            id: u32::from(id),
            installation: installation.clone(),
            folder,
            more: more.iter().map(|argument| (*argument).to_owned()).collect(),
            child: None,
        };
        server.resume().await;
        server
    }

    /// Starts the process again, with the data that is there.
    pub async fn resume(&mut self) {
        self.kill();
        let folder = self.folder.path();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
        let log = log.unwrap_or_else(|error| panic!("no log for a server: {error}"));
        let path = |name: &str| folder.join(name).display().to_string();
        let child = program(&self.installation, folder)
            .args([
                format!("--datadir={}", path("data")),
                format!("--socket={}", path("socket")),
                format!("--pid-file={}", path("pid")),
                format!("--bind-address={}", self.address),
                format!("--admin-address={}", self.address),
                format!("--report-host={}", self.address),
                format!("--server-id={}", self.id),
            ])
            .args([
                "--port=3306",
                "--admin-port=33062",
                "--mysqlx=OFF",
                // Nothing here reads or writes files of its machine, whose default folder for that may not exist.
                "--secure-file-priv=NULL",
                // Whoever runs the tests runs the server; root has to say so.
                "--user=root",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
            ])
            .args(["--log-bin=binlog", "--relay-log=relay", "--skip-name-resolve=ON", "--skip-replica-start=ON"])
            .args(["--super-read-only=ON", "--innodb-buffer-pool-size=64M", "--sync-binlog=0"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-redo-log-capacity=8M"])
            .arg("--plugin-load-add=semisync_source.so;semisync_replica.so;mysql_clone.so")
            .args(&self.more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from))
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("mysqld does not start: {error}")));
        for _ in 0..1200 {
            if self.root().await.is_some() {
                return;
            }
            assert!(!self.ended(), "mysqld ended:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("mysqld does not answer within 60 s:\n{}", self.log());
    }

    /// A session as root, by the port of everybody.
    pub async fn root(&self) -> Option<Conn> {
        self.login("root", ROOT, 3306).await.ok()
    }

    /// A session of a client.
    pub async fn login(&self, user: &str, password: &str, port: u16) -> mysql_async::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname(self.address.as_str())
            .tcp_port(port)
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false);
        Conn::new(options).await
    }

    /// Runs statements as root, past the host.
    ///
    /// # Panics
    /// When the server refuses one.
    pub async fn sql(&self, statements: &[&str]) {
        let Some(mut conn) = self.root().await else { panic!("{} lets root in no more", self.address) };
        for statement in statements {
            if let Err(error) = conn.query_drop(*statement).await {
                panic!("{statement}: {error}");
            }
        }
    }

    /// The first column of a query, as text.
    pub async fn column(&self, query: &str) -> Vec<String> {
        let Some(mut conn) = self.root().await else { panic!("{} lets root in no more", self.address) };
        let rows: Vec<mysql_async::Row> = conn.query(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        rows.into_iter().map(|row| row.as_ref(0).map_or_else(String::new, |value| value.as_sql(true))).collect()
    }

    /// Takes a database that tests write to, and this server as the one that takes the writes.
    pub async fn with_table(&self) {
        self.sql(&["SET GLOBAL read_only = OFF", "CREATE DATABASE d", "CREATE TABLE d.t (i BIGINT PRIMARY KEY)"]).await;
    }

    /// Stops the process where it is: it answers nothing, and loses nothing.
    pub fn hang(&self) {
        self.signal("STOP");
    }

    /// Lets a hung process go on.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// Ends the process without a chance to do anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether the process ended by itself.
    pub fn ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Waits until the process ended by itself.
    pub async fn end(&mut self) {
        for _ in 0..600 {
            if self.ended() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process does not end:\n{}", self.log());
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the server wrote into its log.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn signal(&self, name: &str) {
        let Some(child) = &self.child else { panic!("the process ended") };
        let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no signal {name} to the process");
    }
}

impl Drop for Mysqld {
    fn drop(&mut self) {
        self.kill();
    }
}

fn next() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// `mysqld` with an empty configuration, so that nothing of this machine counts. The file is the first argument in every
/// installation, wrapped or not.
fn program(installation: &Installation, folder: &Path) -> Command {
    let configuration = folder.join("my.cnf");
    std::fs::write(&configuration, "[mysqld]\n").unwrap_or_else(|error| panic!("no configuration: {error}"));
    let mut command = Command::new(installation.bin.join("mysqld"));
    command.arg(format!("--defaults-file={}", configuration.display())).args(&installation.arguments);
    command
}

/// A data folder that was initialised once for all tests of this process: with `root@%` and with no transaction.
fn template(installation: &Installation) -> PathBuf {
    static MADE: Mutex<Vec<(PathBuf, TempDir)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, folder)) = made.iter().find(|(bin, _)| *bin == installation.bin) {
        return folder.path().join("data");
    }
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder for a template: {error}"));
    let init = folder.path().join("init.sql");
    let text =
        format!("CREATE USER root@'%' IDENTIFIED BY '{ROOT}';\nGRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n");
    std::fs::write(&init, text).unwrap_or_else(|error| panic!("no init file: {error}"));
    let made_it = program(installation, folder.path())
        .args(["--initialize-insecure", "--secure-file-priv=NULL", "--user=root"])
        .arg(format!("--datadir={}", folder.path().join("data").display()))
        .arg(format!("--init-file={}", init.display()))
        .output();
    let output = made_it.unwrap_or_else(|error| panic!("mysqld does not run: {error}"));
    assert!(output.status.success(), "mysqld does not initialise:\n{}", String::from_utf8_lossy(&output.stderr));
    let data = folder.path().join("data");
    made.push((installation.bin.clone(), folder));
    data
}

/// Copies a folder, without what makes a server this one.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "the template is not copied");
    let _ = std::fs::remove_file(to.join("auto.cnf"));
}
