//! `windlass node`: a node for a cluster that has none. Pods are made ready without running anything, but for those of
//! MySQL, where it is installed, and our own.

use super::{connection, processes, stop};
use apiserver::node::{Node, Options};

/// Run a local node: it takes pods that no scheduler bound and makes them ready, or runs MySQL (for development)
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  windlass node --kubeconfig cluster.kubeconfig\n  \
                        windlass node --kubeconfig cluster.kubeconfig --mysql ~/.cache/windlass/tools/mysql --state-dir /var/tmp/node")]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: connection::Arguments,
    /// Name of the node
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    processes: processes::Arguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let client = arguments.connection.client().await?;
    let chosen = arguments.processes.start(client.clone())?;
    let defaults = chosen.options.clone();
    let options = Options { name: arguments.name.unwrap_or_else(|| defaults.name.clone()), ..defaults };
    tracing::info!(node = options.name, "the local node runs");
    let node = Node::start(client, options);
    stop.cancelled().await;
    node.stop().await;
    Ok(())
}
