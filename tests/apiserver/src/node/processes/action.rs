//! What probes and hooks do. In: a check, the container's place. Out: good, or why not.

use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;

use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::launch::Launcher;
use super::place::Place;
use super::probe::{Check, Settings};

/// Longest output of a command that is kept, in bytes.
const OUTPUT: usize = 4096;

/// Does it once. Whoever waits sets the deadline; a command is killed when it passes.
pub(super) async fn run(check: &Check, place: &Place, launcher: &Launcher) -> Result<(), String> {
    match check {
        Check::Exec(words) => exec(words, place, launcher).await,
        Check::Tcp(port) => match TcpStream::connect((place.address, *port)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("dial tcp {}:{port}: {error}", place.address)),
        },
        Check::Http { port, path } => match http(place.address, *port, path).await {
            Ok(200..=399) => Ok(()),
            Ok(status) => Err(format!("HTTP probe failed with statuscode: {status}")),
            Err(error) => Err(format!("Get http://{}:{port}{path}: {error}", place.address)),
        },
        Check::Never(why) => Err(why.clone()),
    }
}

async fn exec(words: &[String], place: &Place, launcher: &Launcher) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Err("the command is empty".to_owned()) };
    let arguments: Vec<String> = arguments.iter().map(|word| place.plain_word(word)).collect();
    let mut command = place.command(program, &arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = async { launcher.spawn(command).await?.wait_with_output().await };
    let output = output.await.map_err(|error: io::Error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = [output.stdout, output.stderr].concat();
    text.truncate(OUTPUT);
    Err(format!("{program} ended with {}: {}", output.status, String::from_utf8_lossy(&text).trim()))
}

async fn http(address: Ipv4Addr, port: u16, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect((address, port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}:{port}\r\nUser-Agent: kube-probe/1.36\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // The first line is enough.
    while !head.contains(&b'\n') && head.len() < OUTPUT {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(&head).into_owned();
    line.split(' ').nth(1).and_then(|status| status.get(..3)?.parse().ok()).ok_or_else(|| io::Error::other("no HTTP"))
}

/// Runs a hook. What it is not able to do is told in the container's log; it holds nothing up.
pub(super) async fn hook(handler: &LifecycleHandler, container: &Container, place: &Place, launcher: &Launcher) {
    if let Some(sleep) = &handler.sleep {
        return tokio::time::sleep(std::time::Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or_default()))
            .await;
    }
    let probe = k8s_openapi::api::core::v1::Probe {
        exec: handler.exec.clone(),
        http_get: handler.http_get.clone(),
        tcp_socket: handler.tcp_socket.clone(),
        ..Default::default()
    };
    let check = Settings::of(&probe, container, None).check;
    if let Err(why) = run(&check, place, launcher).await {
        place.say(&format!("hook failed: {why}"));
    }
}
