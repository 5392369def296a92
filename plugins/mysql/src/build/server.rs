//! The servers, as items of the MySQL backend. In: the core's wishes. Out: one item for each server that has an address.

use super::Cluster;
use super::account::{accounts, key};
use super::service::{ADMIN_PORT, PORT};
use crate::cluster::Verdict;
use crate::cluster::wish::{Be, Replicate, Wish};
use crate::name::{ADMIN, DONOR, REPLICATION, ROOT};
use crate::observe::{Access, server_id};
use windlass_sdk::mysql::{MysqlServer, Precondition, Replication, ReplicationSource, Reseed, Seen, Tls, TlsMode};
use windlass_sdk::{Item, ReadyWhen, SecretKey, Snapshot};

/// A uuid that no server has: an item that expects it changes nothing. For servers that did not answer.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// How servers are talked to.
pub struct Wires<'a> {
    /// Addresses and logins.
    pub access: &'a Access,
    /// Passwords are being changed: the one before stays valid.
    pub rotating: bool,
    /// The primary does not have the new password of the account that replicas log in with yet.
    pub old_replication: bool,
}

/// The servers.
pub fn items<Spec, Status>(
    cluster: &Cluster<'_>,
    verdict: &Verdict,
    wires: &Wires<'_>,
    snapshot: &Snapshot<Spec, Status>,
) -> Vec<Item> {
    let one = |(ordinal, wish): (&u32, &Wish)| {
        let host = wires.access.hosts.get(ordinal)?;
        let id = server_id(*ordinal);
        let server = server(cluster, verdict, wires, *ordinal, host, wish, snapshot.mysql(&id));
        Some(Item::mysql(&id, server).ready_when(ReadyWhen::Exists))
    };
    verdict.wishes.iter().filter_map(one).collect()
}

fn server(
    cluster: &Cluster<'_>,
    verdict: &Verdict,
    wires: &Wires<'_>,
    ordinal: u32,
    host: &str,
    wish: &Wish,
    seen: Seen<'_>,
) -> MysqlServer {
    let login = if verdict.next.as_root.contains(&ordinal) { ROOT } else { ADMIN };
    let mut server = MysqlServer {
        host: host.to_string(),
        port: PORT,
        admin_port: Some(ADMIN_PORT),
        user: key(cluster, login, "username"),
        password: key(cluster, login, "password"),
        tls: tls(cluster),
        writable: false,
        replication: Replication::None,
        acks: None,
        accounts: accounts(cluster, wires.rotating),
        reseed: None,
        expect: vec![Precondition::ServerUuid(NOBODY.to_string())],
    };
    let Wish::Be(Be { uuid, writable, replicate, acks, reseed, contains }) = wish else { return server };
    server.expect = vec![Precondition::ServerUuid(uuid.clone())];
    if !contains.is_empty() {
        server.expect.push(Precondition::ExecutedContains(contains.to_string()));
    }
    server.writable = *writable;
    server.acks = *acks;
    server.replication = match replicate {
        Replicate::No => Replication::None,
        Replicate::Fenced => Replication::Fenced,
        Replicate::AsIs => match seen.facts().and_then(|facts| facts.source.as_ref()) {
            Some(source) => Replication::Source(source_at(cluster, wires, &source.host)),
            None => Replication::None,
        },
        Replicate::From(primary) => match wires.access.hosts.get(primary) {
            Some(host) => Replication::Source(source_at(cluster, wires, host)),
            None => Replication::Fenced,
        },
    };
    let donor = verdict.next.primary.and_then(|primary| wires.access.hosts.get(&primary));
    if let (Some(contained_in), Some(donor)) = (reseed, donor) {
        server.reseed = Some(Reseed {
            donor_host: donor.clone(),
            donor_port: PORT,
            user: key(cluster, DONOR, "username"),
            password: key(cluster, DONOR, "password"),
            tls: tls(cluster),
            contained_in: contained_in.to_string(),
        });
    }
    server
}

fn source_at(cluster: &Cluster<'_>, wires: &Wires<'_>, host: &str) -> ReplicationSource {
    let password = if wires.old_replication { "password.previous" } else { "password" };
    ReplicationSource {
        host: host.to_string(),
        port: PORT,
        user: key(cluster, REPLICATION, "username"),
        password: key(cluster, REPLICATION, password),
        tls: tls(cluster),
    }
}

/// Connections are encrypted always, and checked where there is something to check with.
pub fn tls(cluster: &Cluster<'_>) -> Tls {
    match &cluster.spec.tls.secret_name {
        Some(secret) => Tls { mode: TlsMode::Verified, ca: Some(SecretKey::new(secret, "ca.crt")) },
        None => Tls { mode: TlsMode::Required, ca: None },
    }
}
