//! `windlass version`: what this program is made of.

use super::output::Output;
use crate::serve::metrics::WASMTIME_VERSION;
use std::io::Write as _;

/// Print the version
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  windlass version --output json")]
pub(super) struct Arguments {
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let (version, dev) = (env!("CARGO_PKG_VERSION"), cfg!(feature = "dev"));
    match arguments.output {
        Output::Text => writeln!(out, "windlass {version} (plugin contract v1, wasmtime {WASMTIME_VERSION})")?,
        Output::Json => {
            let json = serde_json::json!({
                "version": version,
                "contracts": ["windlass:plugin@1.0.0"],
                "wasmtime": WASMTIME_VERSION,
                "embeddedCluster": dev,
            });
            writeln!(out, "{json:#}")?;
        }
    }
    Ok(())
}
