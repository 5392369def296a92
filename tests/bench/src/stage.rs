//! The other end of [`crate::cluster`]: starts the process, asks it, ends it.

use crate::cluster::{Kind, SUBCOMMAND};
use anyhow::{Context, Result, ensure};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A cluster in a process of its own. Dropping it ends the process.
pub(crate) struct Stage {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    url: String,
}

/// What the cluster counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Writes by hosts.
    pub(crate) host_writes: u64,
    /// Seconds of processor time of API server, controllers and node.
    pub(crate) processor_seconds: f64,
}

impl Stage {
    /// A fresh cluster.
    pub(crate) async fn start() -> Result<Stage> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the cluster does not start")?;
        let commands = child.stdin.take().context("the cluster has no standard input")?;
        let output = child.stdout.take().context("the cluster has no standard output")?;
        let mut answers = BufReader::new(output).lines();
        let url = answers.next_line().await?.context("the cluster ended at once")?;
        Ok(Stage { child, commands, answers, url })
    }

    /// A client as hosts have it.
    pub(crate) fn client(&self) -> Result<kube::Client> {
        fixtures::host::connect(kube::Config::new(self.url.parse().context("the cluster has no address")?))
    }

    /// Makes resources.
    pub(crate) async fn apply(&mut self, kind: Kind, count: usize) -> Result<()> {
        self.ask(&format!("apply {} {count}", kind.word())).await.map(drop)
    }

    /// Waits until as many resources are ready.
    pub(crate) async fn ready(&mut self, kind: Kind, count: usize) -> Result<()> {
        self.ask(&format!("ready {} {count}", kind.word())).await.map(drop)
    }

    /// Waits until nobody writes any more.
    pub(crate) async fn quiet(&mut self) -> Result<()> {
        self.ask("quiet").await.map(drop)
    }

    /// What was counted so far.
    pub(crate) async fn usage(&mut self) -> Result<Usage> {
        let answer = self.ask("usage").await?;
        let fields: Vec<_> = answer.split(' ').collect();
        ensure!(fields.len() == 2, "the cluster answered {answer}");
        Ok(Usage { host_writes: fields[0].parse()?, processor_seconds: fields[1].parse()? })
    }

    /// Every write of hosts so far, for the message of a figure that should have seen none.
    pub(crate) async fn listing(&mut self) -> Result<Vec<String>> {
        Ok(self.ask("listing").await?.split("; ").map(str::to_owned).collect())
    }

    /// Ends the cluster.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.commands);
        self.child.wait().await?;
        Ok(())
    }

    async fn ask(&mut self, command: &str) -> Result<String> {
        self.commands.write_all(format!("{command}\n").as_bytes()).await?;
        self.answers.next_line().await?.with_context(|| format!("the cluster ended at `{command}`"))
    }
}
