//! L1: no password in what servers show of statements, and none in what the host says of failures.

use crate::on_each;
use mysql_suite::{Backend, Mysqld, backend::account};
use std::io::Write;
use std::sync::{Arc, Mutex};

const CANARIES: [&str; 5] = ["CANARY-repl-1", "CANARY-donor-1", "CANARY-app-1", "CANARY-app-2", "CANARY-wrong"];

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn l1_no_password_is_in_a_log_a_failure_or_what_a_server_shows_of_statements() {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // Of this process: tests of this file share it, and what they log is searched too.
    let _ = tracing::subscriber::set_global_default(subscriber.finish());
    on_each(|installation| async move {
        let more = [
            "--general-log=ON",
            "--general-log-file=general.log",
            "--performance-schema-consumer-events-statements-history-long=ON",
            "--slow-query-log=ON",
            "--long-query-time=0",
            "--slow-query-log-file=slow.log",
        ];
        let (server, mut backend) = (Mysqld::start(&installation, &more).await, Backend::default());
        backend.secret("repl", "repl", CANARIES[0]);
        backend.secret("donor", "donor", CANARIES[1]);
        backend.secret("app", "app", CANARIES[2]);
        let mut said = String::new();
        let mut note = |what: Result<bool, windlass::mysql::Failure>| {
            if let Err(failure) = what {
                said.push_str(&format!("{failure} {failure:?}\n"));
            }
        };

        let mut wish = backend.server(&server);
        (wish.writable, wish.accounts) = (true, vec![account("app", &["SELECT ON *.*"])]);
        backend.settle(&wish).await;
        backend.secret("app", "app", CANARIES[3]);
        wish.accounts[0].keep_previous = true;
        backend.settle(&wish).await;
        // Refused: a server with a policy for passwords says so with a text.
        wish.accounts.push(account("repl", &["SELECT ON nowhere.nothing"]));
        note(backend.converge(&wish).await);

        let mut follow = backend.server(&server);
        follow.replication = backend.source(&server, "donor");
        for _ in 0..3 {
            note(backend.converge(&follow).await);
        }
        follow.replication = model::decision::Replication::None;
        let contained = backend.see(&follow).await.facts.executed;
        follow.reseed = backend.reseed(&server, "donor", &contained);
        for _ in 0..2 {
            note(backend.converge(&follow).await);
        }
        backend.secret("root", "root", CANARIES[4]);
        note(backend.converge(&backend.server(&server)).await);
        said.push_str(&format!("{:?} {:?}", backend.wanted(&wish), backend.look(&backend.server(&server)).await));

        let shown = "SELECT CONCAT_WS(' ', SQL_TEXT, DIGEST_TEXT, MESSAGE_TEXT) FROM performance_schema.events_statements_history_long \
                     UNION ALL SELECT QUERY_SAMPLE_TEXT FROM performance_schema.events_statements_summary_by_digest \
                     UNION ALL SELECT INFO FROM performance_schema.processlist \
                     UNION ALL SELECT ERROR_MESSAGE FROM performance_schema.clone_status \
                     UNION ALL SELECT DATA FROM performance_schema.error_log";
        let mut text = server.column(shown).await.join("\n");
        assert!(text.contains("ALTER USER") && text.contains("CHANGE REPLICATION SOURCE"), "{text}");
        assert!(text.contains("CLONE INSTANCE"), "{text}");
        for file in ["general.log", "slow.log"] {
            let logged = std::fs::read(server.data().join(file)).unwrap();
            assert!(!logged.is_empty());
            text.push_str(&String::from_utf8_lossy(&logged));
        }
        text.push_str(&server.log());
        assert!(!said.is_empty());
        for canary in CANARIES {
            assert!(!said.contains(canary), "{said}");
            let at = text.find(canary);
            assert!(at.is_none(), "{:?}", at.and_then(|at| text.get(at.saturating_sub(200)..at + 20)));
        }
    });
    let logged = String::from_utf8_lossy(&kept.0.lock().unwrap()).into_owned();
    assert!(logged.contains("changed a MySQL server"), "nothing was logged");
    for canary in CANARIES {
        assert!(!logged.contains(canary));
    }
}
