//! Runs an API server by itself: `cargo run -p apiserver --example serve -- 127.0.0.1:8001`. It stops with the process.

use apiserver::{Options, Server};
use std::io::Write;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let server = Server::start(Options { listen, ..Options::default() }).await?;
    writeln!(std::io::stdout(), "{}", server.kubeconfig())?;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}
