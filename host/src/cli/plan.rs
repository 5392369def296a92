//! `windlass plan`: what another version of a plugin would change.

mod question;
mod show;

use super::{connection, stop};
use crate::decide::{Compiler, Engine, EngineOptions};
use crate::run::preview::{Counted, preview};
use anyhow::Context as _;
use show::Output;
use std::path::PathBuf;
use std::sync::Arc;

/// Show what a plugin would change over the live resources of its kinds, compared with the version that serves
///
/// Nothing is written, in the cluster or elsewhere, and no MySQL server and no cloud is asked: what depends on those is
/// shown as not judged. The exit code is 0 where nothing would change, 2 where something would, and 1 where it cannot be
/// said.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass plan ./greeting.wasm --kubeconfig ~/.kube/config\n  windlass plan registry.example.com/team/greeting:1.4 --plugin greeting --output json"
)]
pub(super) struct Arguments {
    /// The new version: a .wasm file, or a reference of an OCI registry
    #[arg(value_name = "FILE|REF")]
    source: String,
    #[command(flatten)]
    connection: connection::Arguments,
    /// Plugin resource that it is to take over from; without it, the one that serves its kinds
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Compare with this component, and not with what the Plugin resource fetches
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Grants and settings of the new version, in the form of NAME.grants.yaml; without it, those of the Plugin resource
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
    /// Look at resources of this namespace only; may be given several times
    #[arg(long = "namespace", short = 'n', value_name = "NAME", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Folder of the components that Plugins with `spec.source.file` name
    #[arg(long, value_name = "DIR")]
    plugin_files: Option<PathBuf>,
    /// Fetch from HOST:PORT though it is on this machine, without TLS
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    trust_plugin_source: Vec<String>,
    /// Keep compiled plugins here, so that the next look is fast
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Namespace of what the host keeps for itself
    #[arg(long, value_name = "NAME", default_value = "windlass-system")]
    system_namespace: String,
}

/// Something would change: no error, but an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("the new version would change something")]
pub(super) struct Differs;

impl Differs {
    /// The exit code.
    pub const CODE: u8 = 2;
}

pub(super) async fn run(arguments: Arguments, no_color: bool) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let client = arguments.connection.client().await?;
    let compiler = Compiler::child().context("cannot find this program itself, which compiles plugins")?;
    let engine = Engine::new(EngineOptions { cache_dir: arguments.cache_dir.clone(), ..EngineOptions::new(compiler) })
        .context("cannot start the engine that runs plugins")?;
    let asked = question::ask(&arguments, &client, &engine).await?;
    let counted = Arc::new(Counted::default());
    let shown = show::progress(counted.clone());
    let judged = tokio::select! {
        judged = preview(client, &asked.question, &counted) => judged?,
        () = stop.cancelled() => anyhow::bail!("stopped before every resource was looked at"),
    };
    drop(shown);
    let colours = !no_color && std::io::IsTerminal::is_terminal(&std::io::stdout());
    match show::show(&asked, &judged, arguments.output, colours)? {
        true => Err(Differs.into()),
        false => Ok(()),
    }
}
