//! The way of clients to servers: a forwarder on loopback whose connections come from an address that is the clients'
//! own. So the network can be parted between servers and hosts, and clients still get through, or the other way round.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// The address that all connections of clients come from.
pub const CLIENTS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// One forwarder for each server and port that was asked for. Dropping them cuts all connections.
#[derive(Default)]
pub struct Doors {
    open: Mutex<HashMap<SocketAddr, (SocketAddr, Door)>>,
}

struct Door(JoinHandle<()>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Doors {
    /// Where to connect in order to reach a port of a server.
    pub async fn to(&self, server: Ipv4Addr, port: u16) -> Result<SocketAddr> {
        let target = SocketAddr::new(IpAddr::V4(server), port);
        if let Some((address, _)) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&target) {
            return Ok(*address);
        }
        let listener = TcpListener::bind((CLIENTS, 0)).await.context("clients cannot listen on loopback")?;
        let address = listener.local_addr().context("no address")?;
        let door = Door(tokio::spawn(accept(listener, target)));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(open.entry(target).or_insert((address, door)).0)
    }
}

async fn accept(listener: TcpListener, target: SocketAddr) {
    // Dropped with this task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                connections.spawn(carry(stream, target));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Ends as soon as one side does, so that a client hears at once that its server is gone.
async fn carry(mut near: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(CLIENTS), 0))?;
    let mut far = socket.connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    tokio::select! {
        done = tokio::io::copy(&mut from_near, &mut to_far) => done,
        done = tokio::io::copy(&mut from_far, &mut to_near) => done,
    }
    .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_server_sees_the_address_of_clients_and_its_end_is_heard() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let doors = Doors::default();
        let door = doors.to(Ipv4Addr::LOCALHOST, port).await.unwrap();
        assert_eq!(doors.to(Ipv4Addr::LOCALHOST, port).await.unwrap(), door);
        let mut client = TcpStream::connect(door).await.unwrap();
        let (mut accepted, from) = server.accept().await.unwrap();
        assert_eq!(from.ip(), IpAddr::V4(CLIENTS));
        client.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        drop(accepted);
        assert_eq!(client.read(&mut heard).await.unwrap(), 0);
    }
}
