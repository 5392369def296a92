//! `windlass run`: the host.

use super::{azure, connection, registry, stop};
use crate::decide::Compiler;
use crate::plugins::source::Options;
use crate::run::{RunConfig, run as run_host};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Run the host: serve the kinds of all Plugin resources, and of all plugins in a folder
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass run --kubeconfig ~/.kube/config --plugins ./plugins --listen-metrics 127.0.0.1:9090"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: connection::Arguments,
    #[command(flatten)]
    azure: azure::Arguments,
    /// Folder of plugins besides the Plugin resources: NAME.wasm, and NAME.grants.yaml with what it may do
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Serve no Plugin resources, only the plugins of the folder
    #[arg(long, requires = "plugins")]
    no_plugin_resources: bool,
    /// Folder of the components that Plugins with `spec.source.file` name
    #[arg(long, value_name = "DIR")]
    plugin_files: Option<PathBuf>,
    /// Fetch plugins from HOST:PORT though it is on this machine, and registries there without TLS; https://HOST:PORT with
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    trust_plugin_source: Vec<String>,
    /// File with certificates of authorities, in PEM, by which servers of plugins are checked besides those of the machine
    #[arg(long, value_name = "FILE")]
    plugin_source_ca: Option<PathBuf>,
    /// How often tags, files and ConfigMaps of Plugins are looked at again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    plugin_refresh: Duration,
    /// Serve this namespace only; may be given several times
    #[arg(long = "namespace", value_name = "NAME", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// How often everything is looked at though nothing changed: 30s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    resync: Duration,
    /// Resources that are worked on at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=1024))]
    concurrency: u16,
    /// Requests to the API server in a second, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_requests: u32,
    /// Serve /metrics, /healthz and /readyz here
    #[arg(long, value_name = "ADDRESS")]
    listen_metrics: Option<SocketAddr>,
    /// Keep compiled plugins here, so that the next start is fast
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Namespace of what the host keeps for itself
    #[arg(long, value_name = "NAME", default_value = "windlass-system")]
    system_namespace: String,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let shutdown = stop::on_signal()?;
    let client = arguments.connection.client().await?;
    let compiler = Compiler::child().context("cannot find the program of the host itself, which compiles plugins")?;
    let authorities = registry::authorities(arguments.plugin_source_ca.as_deref())?;
    let resources = (!arguments.no_plugin_resources).then(|| Options {
        authorities,
        files: arguments.plugin_files,
        trusted: arguments.trust_plugin_source.into_iter().collect(),
        refresh: arguments.plugin_refresh,
        ..Options::default()
    });
    let config = RunConfig {
        plugins: arguments.plugins,
        resources,
        namespaces: arguments.namespaces,
        resync: arguments.resync,
        concurrency: usize::from(arguments.concurrency),
        requests_per_second: arguments.max_requests,
        listen_metrics: arguments.listen_metrics,
        cache_dir: arguments.cache_dir,
        system_namespace: arguments.system_namespace,
        azure: arguments.azure.azure()?,
        ..RunConfig::new(compiler)
    };
    Ok(run_host(config, client, shutdown).await?)
}

/// A whole number with one of the units `s`, `m`, `h`. At least ten seconds: less is load without use.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write it as 30s, 10m or 2h");
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3600)]
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))
        .ok_or_else(wrong)?;
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).ok_or_else(wrong)?;
    if total < 10 { Err("the shortest time is 10s".into()) } else { Ok(Duration::from_secs(total)) }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "10", "m", "-1m", "1.5h", "5s", "99999999999999999999h", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
