//! A backup shows one moment, and the server that it is restored into has all of that moment and nothing else.

use crate::command::Place;
use crate::{column, follow, on_each, primary, target, until};
use mysql_async::prelude::Queryable as _;
use mysql_suite::Mysqld;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A client that writes a numbered row and its number elsewhere in each transaction.
async fn write(address: String, written: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname(address)
        .user(Some("root"))
        .pass(Some(mysql_suite::mysqld::ROOT))
        .prefer_socket(false);
    let mut conn = mysql_async::Conn::new(options).await.unwrap();
    let mut n = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        n += 1;
        for statement in [
            "BEGIN".to_owned(),
            format!("INSERT INTO d.t VALUES ({n}, REPEAT(CHAR({}), 100))", n % 256),
            format!("UPDATE d.last SET n = {n}"),
            "COMMIT".to_owned(),
        ] {
            conn.query_drop(statement).await.unwrap();
        }
        written.store(n, Ordering::SeqCst);
    }
}

async fn checksums(server: &Mysqld) -> Vec<String> {
    let mut conn = server.root().await.unwrap();
    let rows: Vec<(String, Option<u64>)> = conn.query("CHECKSUM TABLE d.t, d.last").await.unwrap();
    rows.into_iter().map(|(table, sum)| format!("{table}: {}", sum.unwrap_or_else(|| panic!("no {table}")))).collect()
}

#[test]
fn a_backup_under_a_writing_client_restores_with_the_checksums_of_its_gtid_set() {
    on_each(|installation| async move {
        let first = primary(&installation).await;
        let user = "CREATE USER app@'%' IDENTIFIED BY 'x'";
        first
            .sql(&[
                user,
                "CREATE VIEW d.v AS SELECT * FROM d.t",
                "CREATE DEFINER = app@'%' PROCEDURE d.p() SELECT 1",
                "CREATE TRIGGER d.before_insert BEFORE INSERT ON d.t FOR EACH ROW SET NEW.payload = NEW.payload",
                "CREATE DEFINER = root@'%' EVENT d.nightly ON SCHEDULE EVERY 1 DAY DO SELECT 1",
                "CREATE DATABASE `odd-``name`",
                "CREATE TABLE `odd-``name`.`t;` (b BLOB, j JSON, g POINT, s VARCHAR(20))",
                "INSERT INTO `odd-``name`.`t;` VALUES (x'00FF270A0D5C1A', '{\"a\": [1]}', POINT(1, 2), '\u{1F980}\\r\\n'), (NULL, NULL, NULL, NULL)",
            ])
            .await;
        let replica = Mysqld::start(&installation, &[]).await;
        follow(&replica, &first, "START REPLICA").await;
        // Receives everything, and applies only up to the moment of the backup.
        let witness = Mysqld::start(&installation, &[]).await;
        follow(&witness, &first, "START REPLICA IO_THREAD").await;

        let (written, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let writer = tokio::spawn(write(first.address.clone(), written.clone(), stop.clone()));
        while written.load(Ordering::SeqCst) < 500 {
            tokio::task::yield_now().await;
        }
        let place = Place::new(&installation);
        let before = written.load(Ordering::SeqCst);
        let taken = tokio::task::block_in_place(|| place.backup(&[&first, &replica], &[])).json();
        let after = written.load(Ordering::SeqCst);
        stop.store(true, Ordering::SeqCst);
        writer.await.unwrap();
        assert!(after > before + 10, "the client wrote {} rows during the backup", after - before);
        assert_eq!(taken["manifest"]["server"]["role"], "replica", "{taken:#}");
        assert_eq!(taken["warnings"], serde_json::json!([]));
        assert_eq!(taken["manifest"]["consistency"]["definitionsLocked"], true);
        let gtid_set = taken["manifest"]["gtidSet"].as_str().unwrap();

        let new = target(&installation).await;
        let restored = place.restore(&new, &[]).json();
        assert!(restored["warnings"][0].as_str().unwrap().contains("app@%"), "{restored:#}");

        // One moment: rows without a gap, up to the number that was written with the last of them.
        let facts =
            column(&new, "SELECT CONCAT_WS(' ', COUNT(*), MIN(n), MAX(n), (SELECT n FROM d.last)) FROM d.t").await;
        let last: u64 = facts[0].split(' ').next().unwrap().parse().unwrap();
        assert_eq!(facts, [format!("{last} 1 {last} {last}")]);
        assert!(last <= after, "{last} {after}");
        // The moment of the GTID set: a replica that applied exactly that has the same rows.
        witness.sql(&[&format!("START REPLICA SQL_THREAD UNTIL SQL_AFTER_GTIDS = '{gtid_set}'")]).await;
        until(&witness, &format!("SELECT GTID_SUBSET('{gtid_set}', @@GLOBAL.gtid_executed)"), "1").await;
        until(&witness, "SELECT SERVICE_STATE FROM performance_schema.replication_applier_status", "OFF").await;
        assert_eq!(column(&witness, "SELECT @@GLOBAL.gtid_executed").await.concat().replace('\n', ""), gtid_set);
        assert_eq!(checksums(&new).await, checksums(&witness).await);
        let odd = "SELECT CONCAT_WS(',', HEX(b), j, ST_AsText(g), HEX(s)) FROM `odd-``name`.`t;`";
        assert_eq!(column(&new, odd).await, column(&first, odd).await);

        // Rows went through the binary log, and what a replica held back runs again, with the rights that it had.
        let uuid = column(&new, "SELECT @@GLOBAL.server_uuid").await.concat();
        assert!(column(&new, "SELECT @@GLOBAL.gtid_executed").await.concat().starts_with(&uuid));
        let event = "SELECT CONCAT_WS(' ', STATUS, DEFINER) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'd'";
        assert_eq!(column(&new, event).await, ["ENABLED root@%"]);
        assert_eq!(restored["enabledEvents"], 1);
        // Accounts stay behind.
        let accounts = "SELECT COUNT(*) FROM mysql.user WHERE User IN ('backup', 'app')";
        assert_eq!(column(&new, accounts).await, ["0"]);

        // With the history taken over, the new server can follow the old cluster.
        let follower = target(&installation).await;
        place.restore(&follower, &["--take-over-gtids"]).json();
        assert_eq!(column(&follower, "SELECT @@GLOBAL.gtid_executed").await.concat().replace('\n', ""), gtid_set);
        follow(&follower, &first, "START REPLICA").await;
        until(&follower, "SELECT n FROM d.last", &written.load(Ordering::SeqCst).to_string()).await;
    });
}

#[test]
fn a_replica_with_transactions_of_its_own_or_one_that_stands_still_is_not_backed_up() {
    on_each(|installation| async move {
        let (first, replica) = (primary(&installation).await, Mysqld::start(&installation, &[]).await);
        follow(&replica, &first, "START REPLICA").await;
        until(&replica, "SELECT n FROM d.last", "0").await;
        let place = Place::new(&installation);
        replica.sql(&["STOP REPLICA IO_THREAD"]).await;
        let stopped = place.backup(&[&replica, &first], &[]).json();
        assert_eq!(stopped["manifest"]["server"]["role"], "primary");
        assert!(stopped["warnings"][0].as_str().unwrap().contains("stands still"), "{stopped:#}");
        replica
            .sql(&[
                "START REPLICA",
                "SET GLOBAL read_only = OFF",
                "CREATE DATABASE errant",
                "SET GLOBAL super_read_only = ON",
            ])
            .await;
        until(&replica, "SELECT SERVICE_STATE FROM performance_schema.replication_connection_status", "ON").await;
        let errant = place.backup(&[&replica, &first], &[]).json();
        assert_eq!(errant["manifest"]["server"]["role"], "primary");
        let uuid = column(&replica, "SELECT @@GLOBAL.server_uuid").await.concat();
        assert!(errant["warnings"][0].as_str().unwrap().contains(&uuid), "{errant:#}");
        assert_eq!(place.list().len(), 2);
    });
}
