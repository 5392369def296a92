//! `windlass restore`: brings a backup into a new, empty MySQL.

use super::backup::Which;
use super::mysql_login::{self, endpoint};
use super::output::{Output, say};
use super::{progress, stop};
use crate::backup::restore::{Restored, Wish, restore};
use serde_json::json;
use std::path::PathBuf;

/// Restore a backup into a new, empty MySQL
///
/// The whole backup is compared with its manifest before anything is written. The server must be new: without schemas of
/// users, and of the same or a later series of MySQL. Rows go through the binary log, so that replicas get them too.
/// Accounts are not part of a backup: the new cluster keeps its own.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass restore --source /backups --latest --target-host db-primary.shop.svc --user root --password-file password"
)]
pub(super) struct Arguments {
    /// Folder of the backups
    #[arg(long, value_name = "DIR")]
    source: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Primary of the new cluster, as HOST or HOST:PORT
    #[arg(long, value_name = "HOST")]
    target_host: String,
    /// Port, where the host is given without one
    #[arg(long, value_name = "PORT", default_value_t = 3306)]
    target_port: u16,
    #[command(flatten)]
    login: mysql_login::Arguments,
    /// Take over the GTID set of the backup as history and keep the rows out of the binary log, so that the server can
    /// replicate from the old cluster. Events stay switched off. Replicas of the server itself must be made anew afterwards
    #[arg(long)]
    take_over_gtids: bool,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { source, which, target_host, target_port, login, take_over_gtids, output } = arguments;
    let stop = stop::on_signal()?;
    let (login, tools) = login.resolve()?;
    let target = endpoint(&target_host, target_port).map_err(anyhow::Error::msg)?;
    let wish = Wish { source, name: which.name, target, login, tools, take_over_gtids };
    let (progress, _shown) = progress::show("verified");
    let restored = restore(&wish, &progress, &stop).await?;
    for warning in &restored.warnings {
        tracing::warn!("{warning}");
    }
    match output {
        Output::Text => {
            let Restored { manifest, address, enabled_events, warnings: _ } = &restored;
            let tables: u64 = manifest.contents.iter().map(|schema| schema.tables).sum();
            let moment = manifest.gtid_set.as_ref().map(|set| format!(", as of GTID set {set:?}")).unwrap_or_default();
            let events =
                if *enabled_events > 0 { format!("; {enabled_events} events run again") } else { String::new() };
            say(format_args!(
                "backup {} is in {address}: {} schemas, {tables} tables{moment}{events}",
                manifest.name,
                manifest.contents.len(),
            ))
        }
        Output::Json => say(format_args!("{:#}", json!(restored))),
    }
}
