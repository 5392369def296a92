//! The life of a server.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;

use crate::stage::{Stage, claim, is_ready, mysql_pod, signal};

#[tokio::test]
async fn a_server_initialises_itself_answers_and_keeps_its_data_through_kill_and_pod() {
    let stage = Stage::set().await;
    stage.create::<PersistentVolumeClaim>(claim("data")).await;
    stage.create::<Pod>(mysql_pod("db-0", "data")).await;
    let pod = stage.until_ready("db-0").await;
    let first = stage.process("db-0").unwrap();
    assert!(!first.preparing);
    assert_eq!(pod.status.as_ref().unwrap().pod_ip, Some(first.address.to_string()));
    let sql = |statement: &'static str| stage.sql(&first, statement);
    // The Secret's password, the mounted configuration, the variables of the downward API.
    assert_eq!(sql("SELECT @@server_id, @@report_host, @@max_connections").await.unwrap(), "10003\tdb-0.x\t77");
    assert_eq!(sql("SELECT @@bind_address, @@admin_address").await.unwrap(), format!("{0}\t{0}", first.address));
    // What the image does while it initialises stays out of the binary log.
    assert_eq!(sql("SELECT @@gtid_executed").await.unwrap(), "");
    sql("CREATE TABLE mysql.t (a INT PRIMARY KEY); INSERT INTO mysql.t VALUES (41), (42)").await.unwrap();
    let uuid = sql("SELECT @@server_uuid").await.unwrap();

    signal(&first, "KILL");
    let second = stage.until_another(&first).await;
    let restarted = |p: &Pod| {
        let mut all = p.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
        let container = all.next().cloned().unwrap_or_default();
        let last = container.last_state.as_ref().and_then(|s| s.terminated.as_ref());
        container.restart_count == 1 && last.is_some_and(|l| l.exit_code == 137) && is_ready(p)
    };
    stage.until("db-0", restarted).await;
    let kept = "SELECT @@server_uuid, COUNT(*) FROM mysql.t";
    assert_eq!(stage.sql(&second, kept).await.unwrap(), format!("{uuid}\t2"));

    stage.delete::<Pod>("db-0").await;
    while stage.api::<Pod>().get_opt("db-0").await.unwrap().is_some_and(|p| p.uid() == pod.uid()) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!second.is_alive());
    assert!(stage.logs().contains("Shutdown complete"), "{}", stage.logs());
    stage.create::<Pod>(mysql_pod("db-0", "data")).await;
    stage.until_ready("db-0").await;
    let third = stage.process("db-0").unwrap();
    assert_ne!(third.address, first.address);
    assert_eq!(stage.sql(&third, kept).await.unwrap(), format!("{uuid}\t2"));
    stage.stop().await;
    assert!(!third.is_alive());
}
