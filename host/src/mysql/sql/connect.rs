//! Connections to one server: address, login and TLS in, a session out.

use super::{
    errors::{NoAnswer, Trouble, classify, classify_connect, code},
    statement::{self, Statement},
};
use crate::mysql::{Secrets, Wanted};
use model::decision::{MysqlServer, TlsMode};
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, SslOpts, prelude::Queryable};
use std::{sync::Arc, time::Duration};

/// A server refuses or takes a connection at once; what takes longer is an answer that does not come.
const CONNECT: Duration = Duration::from_secs(5);
/// Seconds for which a session waits for a lock. `super_read_only` waits for the commits that run: a server whose commits
/// hang gives up after this, and is as it was before.
pub const LOCK_WAIT: u64 = 4;
/// The same where commits did not get on for a while: they are not expected to end, and others wait for this answer.
pub const SHORT_LOCK_WAIT: u64 = 1;
/// No statement of a session waits longer than its locks and a little.
pub const STATEMENT: Duration = Duration::from_secs(6);

/// How to get into a server. Equal values get into the same one in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Address.
    pub host: String,
    port: u16,
    admin_port: Option<u16>,
    tls: TlsMode,
    /// Fingerprints of user, password and certificate authority.
    values: [Option<Arc<str>>; 3],
}

impl Login {
    /// How to get into the server of an item; none where its Secrets are not there.
    pub fn of(wanted: &Wanted) -> Option<Self> {
        let MysqlServer { host, port, admin_port, user, password, tls, .. } = &wanted.server;
        let value = |key| wanted.secrets.get(key).map(|credential| credential.fingerprint.clone());
        let authority = match (tls.mode, &tls.ca) {
            (TlsMode::Verified, Some(key)) => Some(value(key)?),
            _ => None,
        };
        let values = [Some(value(user)?), Some(value(password)?), authority];
        Some(Login { host: host.clone(), port: *port, admin_port: *admin_port, tls: tls.mode, values })
    }
}

/// The text of a Secret's value.
pub fn text(secrets: &Secrets, key: &model::decision::SecretKey) -> Option<String> {
    String::from_utf8(secrets.get(key)?.value.expose().clone()).ok()
}

/// One session on one server.
pub struct Session {
    conn: Conn,
}

impl Session {
    /// Connects: the admin port first, which still answers when all connections are taken, then the port of everybody.
    pub async fn open(wanted: &Wanted) -> Result<Session, Trouble> {
        let MysqlServer { port, admin_port, .. } = &wanted.server;
        let mut first = None;
        for port in admin_port.iter().chain([port]) {
            let opened = tokio::time::timeout(CONNECT, Conn::new(options(wanted, *port)?)).await;
            let trouble = match opened {
                Ok(Ok(conn)) => return Ok(Session { conn }),
                Ok(Err(error)) => {
                    let may_not =
                        matches!(&error, mysql_async::Error::Server(error) if error.code == code::NO_PRIVILEGES);
                    let trouble = classify_connect(&error);
                    // An account without the privilege for the admin port may come in by the other.
                    if trouble == Trouble::NoAnswer(NoAnswer::AccessDenied) && !may_not {
                        return Err(trouble);
                    }
                    trouble
                }
                Err(_) => return Err(Trouble::NoAnswer(NoAnswer::Timeout)),
            };
            // What the port of everybody says counts: it is where clients come in.
            first = Some(trouble);
        }
        Err(first.unwrap_or(Trouble::NoAnswer(NoAnswer::Refused)))
    }

    /// Rows of a query.
    pub async fn rows(&mut self, query: &str) -> Result<Vec<Row>, Trouble> {
        answered(self.conn.query(query)).await
    }

    /// Rows of a query with parameters, none of which is a secret.
    pub async fn rows_with(&mut self, query: &str, parameters: impl Into<Params>) -> Result<Vec<Row>, Trouble> {
        answered(self.conn.exec(query, parameters.into())).await
    }

    /// Runs a statement.
    pub async fn run(&mut self, statement: &Statement) -> Result<(), Trouble> {
        answered(self.conn.query_drop(statement.text.expose().as_str())).await
    }

    /// Runs a statement that may take as long as it takes.
    pub async fn run_long(&mut self, statement: &Statement) -> Result<(), Trouble> {
        self.conn.query_drop(statement.text.expose().as_str()).await.map_err(|error| classify(&error))
    }
}

async fn answered<T>(answer: impl Future<Output = mysql_async::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(STATEMENT, answer).await {
        Ok(answer) => answer.map_err(|error| classify(&error)),
        Err(_) => Err(Trouble::NoAnswer(NoAnswer::Timeout)),
    }
}

fn options(wanted: &Wanted, port: u16) -> Result<Opts, Trouble> {
    let MysqlServer { host, user, password, tls, .. } = &wanted.server;
    let denied = Trouble::NoAnswer(NoAnswer::AccessDenied);
    let user = text(&wanted.secrets, user).ok_or(denied.clone())?;
    let password = text(&wanted.secrets, password).ok_or(denied)?;
    let ssl = match tls.mode {
        TlsMode::Disabled => None,
        TlsMode::Required => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
        TlsMode::Verified => {
            let authority = tls.ca.as_ref().and_then(|key| wanted.secrets.get(key));
            let authority = authority.ok_or(Trouble::NoAnswer(NoAnswer::TlsFailed))?.value.expose().clone();
            Some(SslOpts::default().with_disable_built_in_roots(true).with_root_certs(vec![authority.into()]))
        }
    };
    let options = OptsBuilder::default()
        .ip_or_hostname(host.as_str())
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        .ssl_opts(ssl)
        // The other end of a socket on this machine is not what the plugin named.
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        // Both would be asked for otherwise, with a round trip each.
        .max_allowed_packet(Some(16 << 20))
        .wait_timeout(Some(28_800))
        .stmt_cache_size(Some(8))
        .setup(vec![statement::session(LOCK_WAIT)]);
    Ok(options.into())
}
