//! Clusters of real servers, made, turned round and taken apart by wishes alone.

use crate::on_each;
use model::{
    decision::{MysqlServer, Precondition, Replication},
    mysql::plan,
    snapshot::{CloneState, IoState},
};
use mysql_async::prelude::Queryable;
use mysql_suite::{Backend, Installation, Mysqld, backend::account, mysqld::ROOT};
use std::time::Duration;

const REPL: [&str; 2] = ["REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*"];
const DONOR: [&str; 1] = ["BACKUP_ADMIN ON *.*"];

/// A primary with a replica that was cloned from it and acknowledges.
struct Pair {
    backend: Backend,
    primary: Mysqld,
    replica: Mysqld,
    /// The wish for each.
    first: MysqlServer,
    second: MysqlServer,
}

async fn pair(installation: &Installation) -> Pair {
    let mut backend = Backend::default();
    backend.secret("repl", "repl", "repl-Password'\\1");
    backend.secret("donor", "donor", "donor-Password'\\1");
    let primary = Mysqld::start(installation, &[]).await;
    let mut replica = Mysqld::start(installation, &[]).await;
    let mut first = backend.server(&primary);
    (first.writable, first.accounts) = (true, vec![account("repl", &REPL), account("donor", &DONOR)]);
    let seen = backend.settle(&first).await;
    assert_eq!(seen.facts.accounts, ["repl", "donor"]);
    primary.sql(&["CREATE DATABASE d", "CREATE TABLE d.t (i BIGINT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)"]).await;

    let mut second = backend.server(&replica);
    second.reseed = backend.reseed(&primary, "donor", "");
    assert_eq!(backend.converge(&second).await, Ok(true));
    // Nobody starts the process again but we.
    replica.end().await;
    replica.resume().await;
    let cloned = backend.see(&second).await.facts;
    assert_eq!(cloned.clone.unwrap().state, CloneState::Completed);
    assert!(!cloned.executed.is_empty() && cloned.super_read_only);

    second.reseed = None;
    second.replication = backend.source(&primary, "repl");
    let seen = backend.settle(&second).await;
    assert!(seen.source_as_wanted && seen.auto_position && seen.facts.semi_sync.replica_enabled);
    first.acks = Some(1);
    backend.settle(&first).await;
    Pair { backend, primary, replica, first, second }
}

/// Waits until the replica has applied everything.
async fn caught_up(pair: &Pair) {
    let executed = pair.backend.see(&pair.first).await.facts.executed;
    for attempt in 0.. {
        if pair.backend.see(&pair.second).await.facts.executed == executed {
            return;
        }
        assert!(attempt < 100, "it does not catch up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_server_is_cloned_follows_acknowledges_and_takes_over() {
    on_each(|installation| async move {
        let mut pair = pair(&installation).await;
        let facts = pair.backend.see(&pair.first).await.facts;
        assert_eq!(facts.attached, [pair.replica.id]);
        assert!(facts.semi_sync.source_enabled && facts.semi_sync.wait_for == 1);
        pair.primary.sql(&["INSERT INTO d.t VALUES (2)"]).await;
        caught_up(&pair).await;
        let source = pair.backend.see(&pair.second).await.facts.source.unwrap();
        assert_eq!((source.host.as_str(), source.port), (pair.primary.address.as_str(), 3306));
        assert_eq!(source.source_uuid, facts.server_uuid);
        assert!(source.io == IoState::Running && source.sql_running && source.io_error == 0 && source.sql_error == 0);
        assert!(source.lag.is_some_and(|lag| lag < 60_000), "{source:?}");

        // The primary is gone. The replica is fenced, and then opened under all preconditions that there are.
        pair.primary.kill();
        pair.second.replication = Replication::Fenced;
        let fenced = pair.backend.settle(&pair.second).await.facts;
        assert_eq!(fenced.source.unwrap().io, IoState::Stopped);
        let mut open = pair.second.clone();
        (open.replication, open.writable) = (Replication::None, true);
        open.expect = vec![
            Precondition::ServerUuid(fenced.server_uuid.clone()),
            Precondition::ExecutedContains(fenced.executed.clone()),
            Precondition::ExecutedWithin(fenced.executed.clone()),
        ];
        let opened = pair.backend.settle(&open).await.facts;
        assert!(opened.source.is_none() && !opened.read_only && !opened.super_read_only);
        pair.replica.sql(&["INSERT INTO d.t VALUES (3)"]).await;
        assert_eq!(pair.replica.column("SELECT i FROM d.t ORDER BY i").await, ["'1'", "'2'", "'3'"]);

        // The old primary comes back read-only, and follows.
        pair.primary.resume().await;
        let mut back = pair.backend.server(&pair.primary);
        back.replication = pair.backend.source(&pair.replica, "repl");
        pair.backend.settle(&back).await;
        for attempt in 0.. {
            if pair.primary.column("SELECT MAX(i) FROM d.t").await == ["'3'"] {
                break;
            }
            assert!(attempt < 100, "the row does not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn what_was_received_is_applied_before_a_server_takes_writes() {
    on_each(|installation| async move {
        let mut pair = pair(&installation).await;
        caught_up(&pair).await;
        pair.replica.sql(&["STOP REPLICA SQL_THREAD"]).await;
        pair.primary.sql(&["INSERT INTO d.t VALUES (2)", "INSERT INTO d.t VALUES (3)"]).await;
        pair.primary.kill();
        let (mut second, backend) = (pair.second.clone(), &pair.backend);
        (second.replication, second.writable) = (Replication::None, true);
        let course = plan(&second, &backend.see(&second).await).unwrap();
        assert!(course.waits.is_some(), "{course:?}");
        assert!(backend.settle(&second).await.facts.source.is_none());
        assert_eq!(pair.replica.column("SELECT COUNT(*) FROM d.t").await, ["'3'"]);
    });
}

#[test]
fn a_new_source_keeps_what_a_running_applier_has_received() {
    on_each(|installation| async move {
        let mut pair = pair(&installation).await;
        caught_up(&pair).await;
        // The applier runs into a lock, and the transactions behind it wait.
        let mut lock = pair.replica.root().await.unwrap();
        lock.query_drop("SET SESSION TRANSACTION READ ONLY").await.unwrap();
        pair.replica.sql(&["SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"]).await;
        lock.query_drop("LOCK TABLES d.t READ").await.unwrap();
        pair.replica.sql(&["SET GLOBAL super_read_only = ON"]).await;
        pair.primary.sql(&["INSERT INTO d.t VALUES (2)"]).await;
        // The password of the source changes: the replica is pointed at it again.
        pair.backend.secret("repl", "repl", "repl-Password-2");
        let mut first = pair.first.clone();
        first.accounts[0].keep_previous = true;
        assert_eq!(pair.backend.converge(&first).await, Ok(true));
        assert!(!pair.backend.see(&pair.second).await.source_as_wanted);
        let before = pair.backend.see(&pair.second).await.facts.source.unwrap();
        assert!(before.sql_running);
        pair.backend.settle(&pair.second).await;
        let after = pair.backend.see(&pair.second).await;
        assert!(after.source_as_wanted && after.auto_position);
        lock.query_drop("UNLOCK TABLES").await.unwrap();
        caught_up(&pair).await;
        assert_eq!(pair.replica.column("SELECT COUNT(*) FROM d.t").await, ["'2'"]);
    });
}

#[test]
fn an_applier_that_stands_still_is_started_and_a_receiver_too() {
    on_each(|installation| async move {
        let pair = pair(&installation).await;
        pair.replica.sql(&["STOP REPLICA"]).await;
        assert!(pair.backend.settle(&pair.second).await.facts.source.is_some_and(|source| source.sql_running));
        pair.replica.sql(&["STOP REPLICA SQL_THREAD"]).await;
        assert!(pair.backend.settle(&pair.second).await.facts.source.is_some_and(|source| source.sql_running));
        pair.replica.sql(&["STOP REPLICA IO_THREAD"]).await;
        let facts = pair.backend.settle(&pair.second).await.facts;
        assert!(facts.source.is_some_and(|source| source.io != IoState::Stopped));
    });
}

#[test]
fn a_precondition_that_does_not_hold_changes_nothing() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let facts = backend.see(&backend.server(&server)).await.facts;
        let elsewhere = "11111111-1111-1111-1111-111111111111";
        for precondition in [
            Precondition::ServerUuid(elsewhere.into()),
            Precondition::ExecutedContains(format!("{elsewhere}:1")),
            Precondition::SuperReadOnly(false),
        ] {
            let mut wish = backend.server(&server);
            (wish.writable, wish.expect) = (true, vec![precondition]);
            let failure = backend.converge(&wish).await.unwrap_err();
            assert_eq!(failure.reason(), "ServerChanged");
            assert_eq!(backend.see(&backend.server(&server)).await.facts.executed, facts.executed);
            assert!(backend.see(&backend.server(&server)).await.facts.super_read_only);
        }
    });
}

#[test]
fn a_server_with_transactions_of_its_own_is_not_replaced() {
    on_each(|installation| async move {
        let mut pair = pair(&installation).await;
        pair.replica.sql(&["STOP REPLICA", "SET GLOBAL read_only = OFF", "INSERT INTO d.t VALUES (99)"]).await;
        pair.replica.sql(&["SET GLOBAL super_read_only = ON"]).await;
        let contained = pair.backend.see(&pair.first).await.facts.executed;
        pair.second.reseed = pair.backend.reseed(&pair.primary, "donor", &contained);
        let course = plan(&pair.second, &pair.backend.see(&pair.second).await).unwrap();
        assert!(course.waits.is_some(), "{course:?}");
        let _ = pair.backend.converge(&pair.second).await;
        assert_eq!(pair.replica.column("SELECT MAX(i) FROM d.t").await, ["'99'"]);
        assert!(!pair.replica.ended());
    });
}

#[test]
fn a_server_that_holds_data_of_users_is_replaced_by_a_copy() {
    on_each(|installation| async move {
        let mut pair = pair(&installation).await;
        pair.replica.sql(&["STOP REPLICA", "RESET REPLICA ALL"]).await;
        // Nobody is left to acknowledge it.
        pair.primary.sql(&["SET GLOBAL rpl_semi_sync_source_enabled = OFF", "INSERT INTO d.t VALUES (77)"]).await;
        let contained = pair.backend.see(&pair.first).await.facts.executed;
        (pair.second.replication, pair.second.reseed) =
            (Replication::None, pair.backend.reseed(&pair.primary, "donor", &contained));
        assert_eq!(pair.backend.converge(&pair.second).await, Ok(true));
        pair.replica.end().await;
        pair.replica.resume().await;
        let facts = pair.backend.see(&pair.second).await.facts;
        assert_eq!(facts.clone.unwrap().state, CloneState::Completed);
        assert!(facts.super_read_only);
        assert_eq!(pair.replica.column("SELECT MAX(i) FROM d.t").await, ["'77'"]);
    });
}

#[test]
fn a_donor_that_lets_nobody_in_is_said_at_once() {
    on_each(|installation| async move {
        let mut pair = pair(&installation).await;
        pair.replica.sql(&["STOP REPLICA", "RESET REPLICA ALL"]).await;
        pair.backend.secret("donor", "donor", "another-Password");
        let contained = pair.backend.see(&pair.first).await.facts.executed;
        (pair.second.replication, pair.second.reseed) =
            (Replication::None, pair.backend.reseed(&pair.primary, "donor", &contained));
        let failure = pair.backend.converge(&pair.second).await.unwrap_err();
        assert_eq!(failure.reason(), "ServerRefused", "{failure}");
        assert!(pair.replica.login("root", ROOT, 3306).await.is_ok());
        // It is not tried again at once, and the reason stays what it was.
        let begun = || pair.replica.column("SELECT BEGIN_TIME FROM performance_schema.clone_status");
        let before = begun().await;
        assert_eq!(pair.backend.converge(&pair.second).await.unwrap_err(), failure);
        assert_eq!(begun().await, before);
        assert!(pair.backend.see(&pair.second).await.facts.super_read_only);
    });
}

#[test]
fn acknowledgements_are_switched_off_before_a_server_follows() {
    on_each(|installation| async move {
        let pair = pair(&installation).await;
        pair.replica.sql(&["SET GLOBAL rpl_semi_sync_source_enabled = ON"]).await;
        let facts = pair.backend.settle(&pair.second).await.facts;
        assert!(!facts.semi_sync.source_enabled);
        pair.replica.sql(&["SET GLOBAL rpl_semi_sync_replica_enabled = OFF"]).await;
        assert!(pair.backend.settle(&pair.second).await.facts.semi_sync.replica_enabled);
    });
}
