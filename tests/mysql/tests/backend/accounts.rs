//! Accounts of real servers: passwords, their rotation, and privileges.

use crate::on_each;
use model::{decision::MysqlServer, mysql::AccountSeen};
use mysql_suite::{
    Backend, Mysqld,
    backend::{account, key},
};

async fn with_app(server: &Mysqld, grants: &[&str]) -> (Backend, MysqlServer) {
    let mut backend = Backend::default();
    backend.secret("app", "app", "first-Password'\\\"1");
    let mut wish = backend.server(server);
    (wish.writable, wish.accounts) = (true, vec![account("app", grants)]);
    backend.settle(&wish).await;
    (backend, wish)
}

#[test]
fn a_password_changes_without_a_moment_in_which_neither_is_valid() {
    on_each(|installation| async move {
        let server = Mysqld::start(&installation, &[]).await;
        let (mut backend, mut wish) = with_app(&server, &["SELECT ON *.*"]).await;
        assert!(server.login("app", "first-Password'\\\"1", 3306).await.is_ok());

        backend.secret("app", "app", "second-Password");
        wish.accounts[0].keep_previous = true;
        let seen = backend.see(&wish).await;
        assert!(seen.accounts[0].exists && !seen.accounts[0].password_as_wanted);
        assert_eq!(seen.facts.accounts, Vec::<String>::new());
        let seen = backend.settle(&wish).await;
        assert!(seen.accounts[0].previous_valid);
        assert!(server.login("app", "first-Password'\\\"1", 3306).await.is_ok());
        assert!(server.login("app", "second-Password", 3306).await.is_ok());

        wish.accounts[0].keep_previous = false;
        let seen = backend.settle(&wish).await;
        assert!(!seen.accounts[0].previous_valid);
        assert_eq!(seen.facts.accounts, ["app"]);
        assert!(server.login("app", "first-Password'\\\"1", 3306).await.is_err());
        assert!(server.login("app", "second-Password", 3306).await.is_ok());
    });
}

#[test]
fn privileges_become_those_that_are_wanted_and_no_others() {
    on_each(|installation| async move {
        let server = Mysqld::start(&installation, &[]).await;
        let wanted = [
            "SELECT, RELOAD, PROCESS ON *.*",
            "backup_admin on *.*",
            "ALL ON app.* WITH GRANT OPTION",
            "INSERT ON `o'd``d`.t",
        ];
        server
            .sql(&["SET GLOBAL read_only = OFF", "CREATE DATABASE `o'd``d`", "CREATE TABLE `o'd``d`.t (i INT)"])
            .await;
        let (backend, mut wish) = with_app(&server, &wanted).await;
        server
            .sql(&["GRANT DROP ON *.* TO app", "REVOKE RELOAD ON *.* FROM app", "GRANT UPDATE ON other.* TO app"])
            .await;
        assert!(!backend.see(&wish).await.accounts[0].grants_as_wanted);
        backend.settle(&wish).await;
        let shown = server.column("SHOW GRANTS FOR app").await.join("\n");
        assert!(!shown.contains("DROP") && !shown.contains("UPDATE") && shown.contains("RELOAD"), "{shown}");

        wish.accounts[0].grants = vec!["ALL ON *.* WITH GRANT OPTION".into()];
        backend.settle(&wish).await;
        wish.accounts[0].grants.clear();
        backend.settle(&wish).await;
        assert_eq!(server.column("SHOW GRANTS FOR app").await, ["'GRANT USAGE ON *.* TO `app`@`%`'"]);
    });
}

#[test]
fn an_account_that_somebody_locked_or_dropped_is_made_right() {
    on_each(|installation| async move {
        let server = Mysqld::start(&installation, &[]).await;
        let (backend, wish) = with_app(&server, &["SELECT ON *.*"]).await;
        server.sql(&["DROP USER app"]).await;
        assert_eq!(backend.see(&wish).await.accounts, [AccountSeen::default()]);
        backend.settle(&wish).await;
        assert!(server.login("app", "first-Password'\\\"1", 3306).await.is_ok());
    });
}

#[test]
fn a_wish_that_is_no_privilege_makes_no_account() {
    on_each(|installation| async move {
        let (server, mut backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        backend.secret("app", "app", "some-Password");
        let mut wish = backend.server(&server);
        (wish.writable, wish.accounts) = (true, vec![account("app", &["SELECT ON *.*; DROP USER root"])]);
        let failure = backend.converge(&wish).await.unwrap_err();
        assert_eq!(failure.reason(), "ServerUnfit", "{failure}");
        assert_eq!(server.column("SELECT COUNT(*) FROM mysql.user WHERE User = 'app'").await, ["'0'"]);
    });
}

/// What an administrator needs who is not root: everything that the host does on a server.
const ADMIN: [&str; 3] = [
    "CREATE USER, PROCESS, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE, SELECT, SHUTDOWN ON *.* WITH GRANT OPTION",
    "BACKUP_ADMIN, CLONE_ADMIN, CONNECTION_ADMIN, PERSIST_RO_VARIABLES_ADMIN, REPLICATION_SLAVE_ADMIN, ROLE_ADMIN ON *.*",
    "SERVICE_CONNECTION_ADMIN, SYSTEM_USER, SYSTEM_VARIABLES_ADMIN ON *.* WITH GRANT OPTION",
];

#[test]
fn an_administrator_without_all_privileges_can_do_what_the_host_does() {
    on_each(|installation| async move {
        let server = Mysqld::start(&installation, &[]).await;
        let mut backend = Backend::default();
        backend.secret("admin", "admin", "admin-Password");
        backend.secret("repl", "repl", "repl-Password");
        let mut wish = backend.server(&server);
        (wish.writable, wish.accounts) = (true, vec![account("admin", &ADMIN)]);
        backend.settle(&wish).await;
        (wish.user, wish.password) = (key("admin", "user"), key("admin", "password"));
        wish.accounts.push(account("repl", &["REPLICATION SLAVE ON *.*"]));
        backend.settle(&wish).await;
        // Not before: a new account is a commit, and nobody acknowledges here.
        wish.acks = Some(1);
        backend.settle(&wish).await;
        wish.acks = None;
        backend.settle(&wish).await;
        let mut replica = backend.server(&server);
        (replica.user, replica.password) = (key("admin", "user"), key("admin", "password"));
        replica.replication = backend.source(&server, "repl");
        // Its source is itself: it is configured, and the receiver says what is wrong with that.
        for _ in 0..3 {
            backend.converge(&replica).await.unwrap();
        }
        let facts = backend.see(&replica).await.facts;
        assert!(facts.super_read_only && facts.source.is_some() && facts.semi_sync.replica_enabled, "{facts:?}");
        let mut single = backend.server(&server);
        (single.user, single.password) = (key("admin", "user"), key("admin", "password"));
        backend.settle(&single).await;
    });
}
