//! How the host logs: format and filter come in, the process has a subscriber then.

use anyhow::Context as _;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// How the host logs.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Arguments {
    /// Form of log lines, on standard error
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, env = "WINDLASS_LOG_FORMAT")]
    log_format: Format,
    /// What is logged: a level, or parts with levels, as in `info,windlass::watch=debug`
    #[arg(
        long = "log",
        global = true,
        value_name = "FILTER",
        default_value = "info,kube_client=off",
        env = "WINDLASS_LOG"
    )]
    filter: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Begins to log.
pub(super) fn start(arguments: &Arguments, no_color: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&arguments.filter).with_context(|| {
        format!("--log {:?} is no filter; write it as info,windlass::watch=debug", arguments.filter)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match arguments.log_format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal() && !no_color).with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot begin to log: {error}"))
}
