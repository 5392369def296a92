//! What is seen of servers, in every state of theirs.

use crate::on_each;
use model::snapshot::MysqlFacts;
use mysql_suite::{Backend, Mysqld, backend::key};
use std::time::Duration;
use tokio::time::Instant;
use windlass::mysql::{Servers, not_asked};

#[test]
fn a_fresh_server_is_seen_as_it_is() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let facts = backend.see(&backend.server(&server)).await.facts;
        let MysqlFacts { version, server_uuid, server_id, read_only, super_read_only, executed, purged, .. } = &facts;
        assert!(installation.version.starts_with(version), "{version}");
        assert_eq!(server_uuid.len(), 36);
        assert_eq!(*server_id, server.id);
        assert!(*read_only && *super_read_only);
        assert_eq!((executed.as_str(), purged.as_str()), ("", ""));
        assert!(
            facts.source.is_none() && facts.attached.is_empty() && facts.can_commit && facts.stalled_since.is_none()
        );
        assert!(!facts.semi_sync.source_enabled && !facts.semi_sync.replica_enabled);
        assert!(facts.uptime < 300_000);
    });
}

#[test]
fn a_process_that_is_gone_refuses_since_the_first_look() {
    on_each(|installation| async move {
        let (mut server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let wish = backend.server(&server);
        backend.see(&wish).await;
        server.kill();
        let first = backend.look(&wish).await.unwrap_err();
        let second = backend.look(&wish).await.unwrap_err();
        assert_eq!((first.reason.as_str(), second.reason.as_str()), ("Refused", "Refused"));
        assert!(first.since > 0);
        assert_eq!(second.since, first.since);
        server.resume().await;
        backend.see(&wish).await;
    });
}

#[test]
fn a_hung_server_slows_no_look_but_the_first_and_is_seen_again_when_it_goes_on() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let wish = backend.server(&server);
        backend.see(&wish).await;
        server.hang();
        let begun = Instant::now();
        let first = backend.look(&wish).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
        let begun = Instant::now();
        let second = backend.look(&wish).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
        assert_eq!((second.reason.as_str(), second.since), ("Timeout", first.since));
        server.go_on();
        for attempt in 0.. {
            if backend.look(&wish).await.is_ok() {
                break;
            }
            assert!(attempt < 20, "it is never seen again");
        }
    });
}

#[test]
fn a_hung_server_does_not_hold_up_the_look_at_others() {
    on_each(|installation| async move {
        let (hung, well) = (Mysqld::start(&installation, &[]).await, Mysqld::start(&installation, &[]).await);
        let backend = Backend::default();
        let wishes = [backend.wanted(&backend.server(&hung)), backend.wanted(&backend.server(&well))];
        hung.hang();
        let clock = windlass::clock::SystemClock;
        backend.servers.look(&backend.owner, &wishes, &clock).await;
        let begun = Instant::now();
        let seen = backend.servers.look(&backend.owner, &wishes, &clock).await;
        assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
        assert!(seen[&wishes[0].item].is_err() && seen[&wishes[1].item].is_ok());
    });
}

#[test]
fn a_wrong_password_is_told_from_a_server_that_does_not_answer() {
    on_each(|installation| async move {
        let (server, mut backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let mut wish = backend.server(&server);
        backend.secret("wrong", "root", "not-the-password");
        (wish.user, wish.password) = (key("wrong", "user"), key("wrong", "password"));
        assert_eq!(backend.look(&wish).await.unwrap_err().reason, "AccessDenied");
        // The Secret is put right.
        backend.secret("wrong", "root", mysql_suite::mysqld::ROOT);
        backend.see(&wish).await;
    });
}

#[test]
fn a_server_whose_secret_is_not_there_yet_was_not_asked() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let mut wish = backend.server(&server);
        wish.password = key("later", "password");
        assert_eq!(backend.look(&wish).await, not_asked());
        assert_eq!(backend.converge(&wish).await.unwrap_err().reason(), "SecretMissing");
    });
}

#[test]
fn a_server_without_free_connections_is_seen_by_its_admin_port() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &["--max-connections=2"]).await, Backend::default());
        // One more than the limit gets in: it is kept for an administrator, which root is.
        let mut held = Vec::new();
        while let Ok(conn) = server.login("root", mysql_suite::mysqld::ROOT, 3306).await {
            held.push(conn);
            assert!(held.len() < 10);
        }
        let mut wish = backend.server(&server);
        assert!(backend.see(&wish).await.facts.read_only);
        wish.admin_port = None;
        assert_eq!(backend.look(&wish).await.unwrap_err().reason, "TooManyConnections");
    });
}
