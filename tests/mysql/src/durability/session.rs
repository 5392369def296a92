//! One client's connection to one server. In: an address and an account. Out: answers, each within a limit of time.

use super::door::Doors;
use anyhow::{Context, Result, bail};
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder, SslOpts};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Port of clients.
pub const PORT: u16 = 3306;
/// Port that answers when all connections are taken.
pub const ADMIN_PORT: u16 = 33062;

/// Who logs in.
#[derive(Clone)]
pub struct Account {
    /// Login name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// A connection.
pub struct Session {
    connection: Conn,
    limit: Duration,
}

/// What became of a statement.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It was carried out.
    Done(T),
    /// The server refused it because it is read-only: nothing happened.
    ReadOnly,
    /// Nobody can say: no answer within the limit, a lost connection, another error.
    Unknown(anyhow::Error),
}

/// `ER_OPTION_PREVENTS_STATEMENT`: the server runs with `--read-only` or `--super-read-only`.
const READ_ONLY: u16 = 1290;

impl Session {
    /// Connects through a door of the clients.
    pub async fn open(doors: &Doors, to: (Ipv4Addr, u16), account: &Account, limit: Duration) -> Result<Session> {
        let door = doors.to(to.0, to.1).await?;
        let tls = SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true);
        let options = OptsBuilder::default()
            .ip_or_hostname(door.ip().to_string())
            .tcp_port(door.port())
            .user(Some(&account.user))
            .pass(Some(&account.password))
            .prefer_socket(false)
            .ssl_opts(Some(tls));
        match tokio::time::timeout(limit, Conn::new(options)).await {
            Ok(connection) => Ok(Session { connection: connection.context("no connection")?, limit }),
            Err(_) => bail!("no connection within {} ms", limit.as_millis()),
        }
    }

    /// Rows of a query.
    pub async fn rows<T: FromRow + Send + 'static>(&mut self, query: &str) -> Result<Vec<T>> {
        match tokio::time::timeout(self.limit, self.connection.query(query)).await {
            Ok(rows) => rows.with_context(|| query.to_owned()),
            Err(_) => bail!("no answer within {} ms: {query}", self.limit.as_millis()),
        }
    }

    /// The first row of a query.
    pub async fn row<T: FromRow + Send + 'static>(&mut self, query: &str) -> Result<Option<T>> {
        Ok(self.rows(query).await?.into_iter().next())
    }

    /// Carries out a statement. After [`Outcome::Unknown`] the session is of no more use.
    pub async fn execute(&mut self, statement: &str) -> Outcome<()> {
        match tokio::time::timeout(self.limit, self.connection.query_drop(statement)).await {
            Ok(Ok(())) => Outcome::Done(()),
            Ok(Err(mysql_async::Error::Server(error))) if error.code == READ_ONLY => Outcome::ReadOnly,
            Ok(Err(error)) => Outcome::Unknown(error.into()),
            Err(_) => Outcome::Unknown(anyhow::anyhow!("no answer within {} ms", self.limit.as_millis())),
        }
    }

    /// Carries out a statement that must succeed. The statement is not shown: it may hold a password.
    pub async fn must(&mut self, statement: &str) -> Result<()> {
        match self.execute(statement).await {
            Outcome::Done(()) => Ok(()),
            Outcome::ReadOnly => bail!("the server is read-only"),
            Outcome::Unknown(error) => Err(error),
        }
    }
}
