//! `windlass backup`: takes a backup of a MySQL, and lists and verifies those that exist.

use super::mysql_login::{self, endpoint};
use super::output::{Output, say};
use super::{progress, stop};
use crate::backup::folder::Folder;
use crate::backup::name::Name;
use crate::backup::retention::Keep;
use crate::backup::take::{Taken, Wish, take};
use crate::backup::tool::Endpoint;
use crate::clock::SystemClock;
use crate::entropy::Entropy;
use anyhow::Context as _;
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Back up a MySQL into a folder, or list and verify backups
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  windlass backup --source-host db-headless.shop.svc --user-file username --password-file password --destination /backups --keep-count 7\n  \
                  windlass backup list --source /backups\n  \
                  windlass backup verify --source /backups --latest"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    take: Take,
    /// Form of the output
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List the backups in a folder, oldest first
    #[command(after_help = "Example:\n  windlass backup list --source /backups --output json")]
    List {
        /// Folder of the backups
        #[arg(long, value_name = "DIR")]
        source: PathBuf,
    },
    /// Read a whole backup and compare it with its manifest
    #[command(after_help = "Example:\n  windlass backup verify --source /backups --latest")]
    Verify {
        /// Folder of the backups
        #[arg(long, value_name = "DIR")]
        source: PathBuf,
        #[command(flatten)]
        which: Which,
    },
}

/// Which backup.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// Name of the backup
    #[arg(long, value_name = "BACKUP")]
    pub name: Option<Name>,
    /// The newest backup
    #[arg(long)]
    pub latest: bool,
}

/// What is required is so only without a subcommand, and therefore optional for the parser.
#[derive(clap::Args, Debug)]
#[group(skip)]
struct Take {
    /// Server of the cluster, as HOST or HOST:PORT; may be given several times. A name stands for the servers of all its
    /// addresses, as that of a headless Service does
    #[arg(long = "source-host", value_name = "HOST", required = true, value_delimiter = ',')]
    hosts: Vec<String>,
    /// Port of hosts that are given without one
    #[arg(long, value_name = "PORT", default_value_t = 3306)]
    source_port: u16,
    #[command(flatten)]
    login: mysql_login::Arguments,
    /// Folder to write to; it is made where it is missing
    #[arg(long, value_name = "DIR", required = true)]
    destination: Option<PathBuf>,
    /// Good backups that are kept, at most; older ones are removed
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    keep_count: Option<u32>,
    /// Days for which backups are kept; the newest good one always is
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,
    /// Seconds that a replica may be behind and still be preferred to the primary
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    max_lag: u64,
    /// Seconds after which a dump that gives nothing is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..))]
    stall_timeout: u64,
    /// Existing file that gets a short report as JSON, such as a container's termination message
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { command, take, output } = arguments;
    match command {
        Some(Command::List { source }) => list(&source, output),
        Some(Command::Verify { source, which }) => {
            let stop = stop::on_signal()?;
            let (progress, _shown) = progress::show("verified");
            let checked = crate::backup::restore::verify(&source, which.name.as_ref(), &progress, &stop).await?;
            let manifest = checked.manifest;
            match output {
                Output::Text => say(format_args!("backup {} is as it was written", manifest.name)),
                Output::Json => say(format_args!("{:#}", json!(manifest))),
            }
        }
        None => run_take(take, output).await,
    }
}

async fn run_take(arguments: Take, output: Output) -> anyhow::Result<()> {
    let report = arguments.report.clone();
    let taken = try_take(arguments).await;
    if let Some(report) = report {
        write_report(&report, &taken);
    }
    let taken = taken?;
    match output {
        Output::Text => {
            let Taken { manifest, address, removed, warnings: _ } = &taken;
            let removed = match removed.len() {
                0 => String::new(),
                1 => "; 1 old backup was removed".to_owned(),
                many => format!("; {many} old backups were removed"),
            };
            say(format_args!(
                "backup {} of {address} ({}), {} in {}{removed}",
                manifest.name,
                manifest.server.role,
                progress::size(manifest.data.plain_size),
                progress::size(manifest.data.size),
            ))
        }
        Output::Json => say(format_args!("{:#}", json!(taken))),
    }
}

async fn try_take(arguments: Take) -> anyhow::Result<Taken> {
    let Take { hosts, source_port, login, destination, keep_count, keep_days, max_lag, stall_timeout, report: _ } =
        arguments;
    let stop = stop::on_signal()?;
    let sources: Result<Vec<Endpoint>, String> = hosts.iter().map(|host| endpoint(host, source_port)).collect();
    let mut random = [0; 4];
    Entropy::from_system().context("the system gives no random numbers")?.fill(&mut random);
    let (login, tools) = login.resolve()?;
    let destination = destination.context("name a folder with --destination")?;
    let wish = Wish {
        sources: sources.map_err(anyhow::Error::msg)?,
        login,
        tools,
        destination,
        keep: Keep { count: keep_count, days: keep_days },
        most_lag: max_lag,
        stall: Duration::from_secs(stall_timeout),
        random: u32::from_le_bytes(random),
    };
    let (progress, _shown) = progress::show("dumped");
    Ok(take(&wish, &SystemClock, &progress, &stop).await?)
}

/// A report for machines that is at most as long as a termination message may be (4096 bytes). It is a help, and no part
/// of the backup: where it cannot be written, nothing is lost.
fn write_report(path: &Path, taken: &anyhow::Result<Taken>) {
    let cut = |text: String| text.chars().take(700).collect::<String>();
    let report = match taken {
        Ok(Taken { manifest, address, removed: _, warnings }) => json!({
            "backup": manifest.name,
            "finishedAt": manifest.finished_at,
            "server": address,
            "role": manifest.server.role,
            "size": manifest.data.size,
            "plainSize": manifest.data.plain_size,
            "gtidSet": manifest.gtid_set.as_ref().filter(|set| set.len() <= 1000),
            "warning": warnings.first().cloned().map(cut),
        }),
        Err(error) => json!({ "error": cut(super::one_line(error)) }),
    };
    let written = std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(report.to_string().as_bytes()));
    if let Err(error) = written {
        tracing::debug!(file = %path.display(), %error, "the report cannot be written");
    }
}

fn list(source: &Path, output: Output) -> anyhow::Result<()> {
    let found = Folder::open(source)?.list()?;
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => {
            let all: Vec<_> = found
                .iter()
                .map(|(name, state)| match state {
                    Ok(manifest) => json!({ "name": name, "usable": true, "manifest": manifest }),
                    Err(error) => json!({ "name": name, "usable": false, "error": crate::watch::page::chain(error) }),
                })
                .collect();
            writeln!(out, "{:#}", json!(all))?;
        }
        Output::Text if found.is_empty() => writeln!(out, "no backup in {}", source.display())?,
        Output::Text => {
            writeln!(out, "{:<26}{:<22}{:>11}{:>11}  MYSQL", "NAME", "FINISHED", "SIZE", "PLAIN")?;
            for (name, state) in &found {
                match state {
                    Ok(manifest) => writeln!(
                        out,
                        "{:<26}{:<22}{:>11}{:>11}  {}",
                        name.as_str(),
                        manifest.finished_at,
                        progress::size(manifest.data.size),
                        progress::size(manifest.data.plain_size),
                        manifest.server.version,
                    )?,
                    Err(error) => writeln!(out, "{:<26}unusable: {}", name.as_str(), crate::watch::page::chain(error))?,
                }
            }
        }
    }
    Ok(())
}
