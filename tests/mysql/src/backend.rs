//! The host's backend as tests use it: wishes for servers in, what becomes of them out.

use crate::{Mysqld, mysqld::ROOT};
use model::{
    decision::{MysqlAccount, MysqlServer, Replication, ReplicationSource, Reseed, SecretKey, Tls, TlsMode},
    mysql,
    redact::Redacted,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use windlass::{
    clock::SystemClock,
    mysql::{Credential, Failure, Owner, Secrets, Seen, Servers, SqlServers, Wanted},
    watch::FingerprintKey,
};

/// The backend, one resource, and the values of its Secrets.
pub struct Backend {
    /// The real thing.
    pub servers: SqlServers,
    /// The resource.
    pub owner: Owner,
    values: BTreeMap<SecretKey, String>,
    key: FingerprintKey,
}

impl Default for Backend {
    fn default() -> Self {
        let kind = model::Kind::new("database.example.com", "v1", "MySQL");
        let key = model::ObjectKey { kind, namespace: Some("default".into()), name: "db".into() };
        let owner = Owner { key, uid: "uid".into() };
        let mut backend =
            Backend { servers: SqlServers::new(), owner, values: BTreeMap::new(), key: FingerprintKey::new([5; 32]) };
        backend.secret("root", "root", ROOT);
        backend
    }
}

/// A key of a Secret.
pub fn key(secret: &str, key: &str) -> SecretKey {
    SecretKey { secret: secret.into(), key: key.into() }
}

/// How to talk to servers.
pub fn tls(mode: TlsMode) -> Tls {
    Tls { mode, ca: (mode == TlsMode::Verified).then(|| key("ca", "ca.crt")) }
}

/// An account whose Secret has its name.
pub fn account(name: &str, grants: &[&str]) -> MysqlAccount {
    MysqlAccount {
        user: key(name, "user"),
        password: key(name, "password"),
        keep_previous: false,
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
    }
}

impl Backend {
    /// Sets user and password of a Secret.
    pub fn secret(&mut self, name: &str, user: &str, password: &str) {
        self.value(name, "user", user);
        self.value(name, "password", password);
    }

    /// Sets one value of a Secret.
    pub fn value(&mut self, name: &str, at: &str, value: &str) {
        self.values.insert(key(name, at), value.to_owned());
    }

    /// The server as it is at its start: read-only, on its own, looked at as root.
    pub fn server(&self, at: &Mysqld) -> MysqlServer {
        MysqlServer {
            host: at.address.clone(),
            port: 3306,
            admin_port: Some(33062),
            user: key("root", "user"),
            password: key("root", "password"),
            tls: tls(TlsMode::Required),
            writable: false,
            replication: Replication::None,
            acks: None,
            accounts: Vec::new(),
            reseed: None,
            expect: Vec::new(),
        }
    }

    /// Replicates from this server, as the account of a Secret.
    pub fn source(&self, from: &Mysqld, secret: &str) -> Replication {
        Replication::Source(ReplicationSource {
            host: from.address.clone(),
            port: 3306,
            user: key(secret, "user"),
            password: key(secret, "password"),
            tls: tls(TlsMode::Required),
        })
    }

    /// May be replaced by a copy of this server, as the account of a Secret.
    pub fn reseed(&self, from: &Mysqld, secret: &str, contained_in: &str) -> Option<Reseed> {
        Some(Reseed {
            donor_host: from.address.clone(),
            donor_port: 3306,
            user: key(secret, "user"),
            password: key(secret, "password"),
            tls: tls(TlsMode::Required),
            contained_in: contained_in.into(),
        })
    }

    /// The wish with the values that it names.
    pub fn wanted(&self, server: &MysqlServer) -> Wanted {
        let credential = |value: &String| Credential {
            value: Arc::new(Redacted::new(value.clone().into_bytes())),
            fingerprint: self.key.fingerprint("default", value.as_bytes()).into(),
        };
        let values = self.values.iter().map(|(key, value)| (key.clone(), credential(value)));
        let secrets = Secrets(values.collect()).only(&windlass::mysql::named(server));
        Wanted { item: format!("server/{}", server.host), server: server.clone(), secrets }
    }

    /// One look.
    pub async fn look(&self, server: &MysqlServer) -> Seen {
        let wanted = self.wanted(server);
        let mut seen = self.servers.look(&self.owner, std::slice::from_ref(&wanted), &SystemClock).await;
        seen.remove(&wanted.item).unwrap_or_else(|| panic!("no answer about {}", wanted.item))
    }

    /// One look at a server that answers.
    pub async fn see(&self, server: &MysqlServer) -> mysql::Seen {
        match self.look(server).await {
            Ok(seen) => *seen,
            Err(unreachable) => panic!("{} does not answer: {unreachable:?}", server.host),
        }
    }

    /// One step towards the wish.
    pub async fn converge(&self, server: &MysqlServer) -> Result<bool, Failure> {
        self.servers.converge(&self.owner, &self.wanted(server), &SystemClock).await
    }

    /// Steps until the server is as wanted, and then says so by itself.
    pub async fn settle(&self, server: &MysqlServer) -> mysql::Seen {
        let mut last = String::new();
        for _ in 0..150 {
            match self.look(server).await {
                Ok(seen) => match mysql::plan(server, &seen) {
                    Ok(course) if course.settled() => return *seen,
                    course => last = format!("{course:?} of {seen:?}"),
                },
                Err(unreachable) => last = format!("{unreachable:?}"),
            }
            if let Err(failure) = self.converge(server).await {
                last = format!("{failure}; {last}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not become as wanted: {last}", server.host);
    }
}
