//! Servers whose commits do not end, and clients in the way.

use crate::on_each;
use mysql_async::prelude::Queryable;
use mysql_suite::{Backend, Mysqld, mysqld::ROOT};
use std::time::Duration;

/// A server that waits for an acknowledgement that nobody gives, with the client that waits for its commit.
async fn waiting(server: &Mysqld, backend: &Backend) -> tokio::task::JoinHandle<mysql_async::Result<()>> {
    server.with_table().await;
    let mut wish = backend.server(server);
    (wish.writable, wish.acks) = (true, Some(1));
    backend.settle(&wish).await;
    let mut client = server.login("root", ROOT, 3306).await.unwrap();
    let client = tokio::spawn(async move { client.query_drop("INSERT INTO d.t VALUES (1)").await });
    for attempt in 0.. {
        if backend.see(&wish).await.facts.semi_sync.waiting_sessions == 1 {
            return client;
        }
        assert!(attempt < 100, "nobody waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client
}

#[test]
fn a_commit_that_hangs_is_seen_without_a_write_of_ours() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let client = waiting(&server, &backend).await;
        let mut wish = backend.server(&server);
        (wish.writable, wish.acks) = (true, Some(1));
        let before = backend.see(&wish).await.facts;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let facts = backend.see(&wish).await.facts;
        assert!(!facts.can_commit && facts.stalled_since.is_some(), "{facts:?}");
        assert_eq!(facts.executed, before.executed);
        assert!(facts.semi_sync.source_enabled && facts.semi_sync.wait_for == 1);
        client.abort();
    });
}

#[test]
fn a_server_that_still_moves_a_large_transaction_is_not_taken_for_one_that_hangs() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let client = waiting(&server, &backend).await;
        let mut wish = backend.server(&server);
        (wish.writable, wish.acks) = (true, Some(1));
        // Nothing is committed, but the binary log grows, as it does when a large transaction is written or sent.
        let mut large = server.login("root", ROOT, 3306).await.unwrap();
        large.query_drop("SET SESSION sql_log_bin = OFF").await.unwrap();
        large.query_drop("CREATE TABLE d.large (b LONGBLOB)").await.unwrap();
        large.query_drop("SET SESSION sql_log_bin = ON").await.unwrap();
        backend.see(&wish).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!backend.see(&wish).await.facts.can_commit);
        let large =
            tokio::spawn(async move { large.query_drop("INSERT INTO d.large VALUES (REPEAT('x', 1 << 20))").await });
        let moving = async || backend.see(&wish).await.facts.can_commit;
        for attempt in 0.. {
            if moving().await {
                break;
            }
            assert!(attempt < 100, "a megabyte was written to the binary log, and it is not seen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!moving().await, "nothing is written any more");
        large.abort();
        client.abort();
    });
}

#[test]
fn a_server_that_hangs_in_its_commits_is_shut_down_and_acknowledges_nothing() {
    on_each(|installation| async move {
        let (mut server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let client = waiting(&server, &backend).await;
        let fence = backend.server(&server);
        // Clients first. The waiting one stays: a server does not end a commit.
        assert_eq!(backend.converge(&fence).await, Ok(true));
        let seen = backend.see(&fence).await;
        assert!(seen.hangs && !seen.facts.super_read_only, "{seen:?}");
        assert_eq!(seen.facts.semi_sync.waiting_sessions, 1);
        assert_eq!(backend.converge(&fence).await, Ok(true));
        server.end().await;
        let told = client.await.unwrap();
        assert!(told.is_err(), "the client was told that its row is safe");
        server.resume().await;
        let seen = backend.see(&fence).await;
        assert!(seen.facts.super_read_only && !seen.hangs);
    });
}

#[test]
fn a_server_that_stops_taking_writes_loses_its_clients_and_not_the_host() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        server.with_table().await;
        let mut client = server.login("root", ROOT, 3306).await.unwrap();
        client.query_drop("INSERT INTO d.t VALUES (1)").await.unwrap();
        let fence = backend.server(&server);
        let before = backend.see(&fence).await;
        assert!(!before.facts.read_only);
        assert_eq!(backend.converge(&fence).await, Ok(true));
        assert!(client.query_drop("INSERT INTO d.t VALUES (2)").await.is_err());
        let mut late = server.login("root", ROOT, 3306).await.unwrap();
        assert!(late.query_drop("INSERT INTO d.t VALUES (3)").await.is_err());
        let after = backend.see(&fence).await;
        assert!(after.facts.super_read_only);
        // The same session: its connection was not ended.
        let sessions = server
            .column(
                "SELECT COUNT(*) FROM performance_schema.user_variables_by_thread \
                 WHERE VARIABLE_NAME = 'windlass_host'",
            )
            .await;
        assert_eq!(sessions, ["'1'"]);
        assert_eq!(backend.converge(&fence).await, Ok(false));
    });
}
