//! Runs an API server with its controllers and a node: `cargo run -p apiserver --example serve -- 127.0.0.1:8001`
//! prints a kubeconfig. `--bare` leaves the controllers and the node out. It stops with the process.

use apiserver::controllers::{self, Controllers};
use apiserver::node::{self, Node};
use apiserver::{Options, Server};
use std::io::Write;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen = arguments.iter().find(|a| !a.starts_with("--")).map_or("127.0.0.1:0", String::as_str).parse()?;
    let server = Server::start(Options { listen, ..Options::default() }).await?;
    let mut running = None;
    if !arguments.iter().any(|a| a == "--bare") {
        let config = kube::config::Kubeconfig::from_yaml(&server.kubeconfig())?;
        let client = kube::Client::try_from(kube::Config::from_custom_kubeconfig(config, &Default::default()).await?)?;
        let controllers = Controllers::start(client.clone(), controllers::Options::default());
        running = Some((controllers, Node::start(client, node::Options::default())));
    }
    writeln!(std::io::stdout(), "{}", server.kubeconfig())?;
    tokio::signal::ctrl_c().await?;
    if let Some((controllers, node)) = running {
        node.stop().await;
        controllers.stop().await;
    }
    server.stop().await;
    Ok(())
}
