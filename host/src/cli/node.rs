//! `windlass node`: a node for a cluster that has none. Pods are made ready without running anything.

use super::{connection, stop};
use apiserver::node::{Node, Options};

/// Run a local node: it takes pods that no scheduler bound and makes them ready (for development)
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  windlass node --kubeconfig cluster.kubeconfig")]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: connection::Arguments,
    /// Name of the node
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let client = arguments.connection.client().await?;
    let defaults = Options::default();
    let options = Options { name: arguments.name.unwrap_or_else(|| defaults.name.clone()), ..defaults };
    tracing::info!(node = options.name, "the local node runs");
    let node = Node::start(client, options);
    stop.cancelled().await;
    node.stop().await;
    Ok(())
}
