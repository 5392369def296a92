//! A kubeconfig, or the Pod's own account, comes in; a client goes out.

use crate::client::connect;
use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;

/// Which cluster to talk to.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Arguments {
    /// File that says how to reach the cluster; without it, the account of the Pod is used
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; without it, the current one
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
}

impl Arguments {
    /// A client for the cluster. Nothing is sent yet.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        let config = match &self.kubeconfig {
            Some(file) => {
                let kubeconfig =
                    Kubeconfig::read_from(file).with_context(|| format!("cannot use kubeconfig {}", file.display()))?;
                let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
                let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
                config.with_context(|| format!("cannot use kubeconfig {}", file.display()))?
            }
            None => kube::Config::incluster()
                .context("this is no Pod with a service account; name a cluster with --kubeconfig FILE")?,
        };
        connect(config).context("cannot make a client for the cluster")
    }
}
