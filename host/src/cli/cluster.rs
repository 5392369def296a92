//! `windlass cluster`: a Kubernetes API in memory with the controllers that a reconciler leans on.

use super::{processes, stop};
use crate::client::connect;
use anyhow::Context as _;
use apiserver::controllers::{Controllers, Options as ControllerOptions};
use apiserver::node::Node;
use apiserver::{Options, Server};
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Run a small Kubernetes cluster in memory, without nodes unless asked for (for development)
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  windlass cluster --listen 127.0.0.1:6443 --kubeconfig cluster.kubeconfig --node\n  \
                        windlass cluster --kubeconfig cluster.kubeconfig --node --mysql ~/.cache/windlass/tools/mysql\n  \
                        kubectl --kubeconfig cluster.kubeconfig get namespaces"
)]
pub(super) struct Arguments {
    /// Address to serve the API on; port 0 takes a free one. Anyone who reaches it may do everything
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File to write, for kubectl and `windlass run`
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Run a local node as well, so that pods become ready
    #[arg(long)]
    node: bool,
    #[command(flatten)]
    processes: processes::Arguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let server = Server::start(Options { listen: arguments.listen, ..Options::default() }).await?;
    let kubeconfig = server.kubeconfig();
    let controllers = Controllers::start(client(&kubeconfig).await?, ControllerOptions::default());
    let (node, _chosen) = match arguments.node {
        true => {
            let client = client(&kubeconfig).await?;
            let chosen = arguments.processes.start(client.clone())?;
            (Some(Node::start(client, chosen.options.clone())), Some(chosen))
        }
        false => (None, None),
    };
    write(&arguments.kubeconfig, &kubeconfig).await?;
    tracing::info!(url = server.url(), kubeconfig = %arguments.kubeconfig.display(), "the cluster runs");
    stop.cancelled().await;
    if let Some(node) = node {
        node.stop().await;
    }
    controllers.stop().await;
    server.stop().await;
    Ok(())
}

async fn client(kubeconfig: &str) -> anyhow::Result<kube::Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    Ok(connect(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)?)
}

/// Whole or not at all: who waits for the file must not read half of it.
async fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("kubeconfig-draft");
    let written = async {
        tokio::fs::write(&draft, text).await?;
        tokio::fs::rename(&draft, path).await
    };
    written.await.with_context(|| format!("cannot write kubeconfig {}", path.display()))
}
