//! The command `windlass`, run as a user runs it.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// What a run of it came to.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The command: its program, and a home folder in which nothing is kept.
pub struct Windlass<'a> {
    /// The program.
    pub program: &'a str,
    /// The home folder.
    pub home: &'a Path,
}

impl Windlass<'_> {
    /// Runs it with these arguments.
    pub async fn run(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = Command::new(self.program);
        command.args(arguments).current_dir(self.home).env("HOME", self.home).env_remove("DOCKER_CONFIG");
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("windlass does not run")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// Runs it to a good end; what it printed comes out.
    pub async fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ran = self.run(arguments).await?;
        if ran.code != 0 {
            bail!("windlass {}: {ran:?}", arguments.join(" "));
        }
        Ok(ran.out)
    }

    /// Runs it to a good end with output for programs.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let out = self.ok(&[arguments, &["--output", "json"]].concat()).await?;
        serde_json::from_str(&out).with_context(|| out.clone())
    }

    /// Runs it to a bad end; what it said on standard error comes out.
    pub async fn refused(&self, arguments: &[&str]) -> Result<String> {
        let ran = self.run(arguments).await?;
        if ran.code != 1 {
            bail!("windlass {} was to fail: {ran:?}", arguments.join(" "));
        }
        Ok(ran.err)
    }
}
