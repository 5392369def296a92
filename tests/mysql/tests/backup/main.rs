//! Backups of real servers: taken under a writing client, restored into new ones, and refused where they cannot be trusted.
#![allow(clippy::unwrap_used)]

mod command;
mod consistency;
mod failures;
mod refusals;
mod scheduled;

use mysql_async::prelude::Queryable as _;
use mysql_suite::{Installation, Mysqld};
use std::future::Future;

/// Password of the account that backups are made with. Some of its signs have a meaning in option files.
const PASSWORD: &str = "Back\"up#\\ 'Password";

/// Runs a test on every installation.
fn on_each<F: Future<Output = ()>>(test: impl Fn(Installation) -> F) {
    for installation in mysql_suite::installations() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test(installation));
    }
}

/// A server that takes writes, with the account for backups and no rows yet.
async fn primary(installation: &Installation) -> Mysqld {
    let server = Mysqld::start(installation, &[]).await;
    let create =
        format!("CREATE USER backup@'%' IDENTIFIED BY '{}'", PASSWORD.replace('\\', "\\\\").replace('\'', "''"));
    server
        .sql(&[
            "SET GLOBAL read_only = OFF",
            &create,
            "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, RELOAD, PROCESS, REPLICATION CLIENT, BACKUP_ADMIN ON *.* TO backup@'%'",
            "CREATE DATABASE d",
            "CREATE TABLE d.t (n BIGINT PRIMARY KEY, payload VARBINARY(200))",
            "CREATE TABLE d.last (id INT PRIMARY KEY, n BIGINT NOT NULL)",
            "INSERT INTO d.last VALUES (1, 0)",
        ])
        .await;
    server
}

/// A new server that takes writes.
async fn target(installation: &Installation) -> Mysqld {
    let server = Mysqld::start(installation, &[]).await;
    server.sql(&["SET GLOBAL read_only = OFF"]).await;
    server
}

/// Makes `server` replicate, or only receive where it is not to apply yet.
async fn follow(server: &Mysqld, source: &Mysqld, start: &str) {
    let change = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{}', SOURCE_USER = 'root', SOURCE_PASSWORD = '{}', \
         SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1",
        source.address,
        mysql_suite::mysqld::ROOT,
    );
    server.sql(&[&change, start]).await;
}

/// The first column of a query, as text.
async fn ask(server: &Mysqld, query: &str) -> mysql_async::Result<Vec<String>> {
    let mut conn = server.root().await.unwrap();
    let rows: Vec<Option<String>> = conn.query(query).await?;
    Ok(rows.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into())).collect())
}

/// The first column of a query that must not fail.
async fn column(server: &Mysqld, query: &str) -> Vec<String> {
    ask(server, query).await.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Asks until the answer is as it should be; what is asked about may not be there yet.
async fn until(server: &Mysqld, query: &str, wanted: &str) {
    let mut last = None;
    for _ in 0..600 {
        let answer = ask(server, query).await;
        if answer.as_ref().is_ok_and(|answer| answer == &[wanted]) {
            return;
        }
        last = Some(answer);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{query} gives {last:?} and not {wanted}");
}
