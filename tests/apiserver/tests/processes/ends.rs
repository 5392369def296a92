//! How servers end, and nodes: nothing is left behind, and nothing half-done taken for whole.

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use crate::stage::{PATIENCE, Stage, claim, client, is_ready, mysql_pod, options, signal, start_node};

fn restarts(pod: &Pod) -> i32 {
    let all = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    all.map(|c| c.restart_count).sum()
}

#[tokio::test]
async fn a_broken_initialisation_is_begun_anew_and_a_hung_server_is_ended_by_its_probe() {
    let mut stage = Stage::set().await;
    stage.create::<PersistentVolumeClaim>(claim("data")).await;
    stage.create::<Pod>(mysql_pod("db-0", "data")).await;
    // The folder that the image would take for data is there, and the server that makes it is not done.
    let data = |process: &apiserver::node::processes::Process| process.paths["/var/lib/mysql"].join("mysql").is_dir();
    let preparing = stage.until_process("db-0", |process| process.preparing && data(process)).await;
    signal(&preparing, "KILL");
    let first = stage.until_another(&preparing).await;
    assert!(stage.logs().contains("starting afresh"), "{}", stage.logs());
    stage.until("db-0", |pod: &Pod| is_ready(pod) && restarts(pod) == 1).await;
    stage.sql(&first, "CREATE TABLE mysql.t (a INT PRIMARY KEY)").await.unwrap();

    signal(&first, "STOP");
    let second = stage.until_another(&first).await;
    stage.until("db-0", |pod: &Pod| is_ready(pod) && restarts(pod) == 2).await;

    // A node that ends takes its servers with it; the next one has them run again, at the same address.
    stage.stop_node().await;
    stage.start_node();
    let third = stage.until_another(&second).await;
    assert_eq!(third.address, second.address);
    stage.until("db-0", |pod: &Pod| is_ready(pod) && restarts(pod) == 3).await;
    assert_eq!(stage.sql(&third, "SELECT COUNT(*) FROM mysql.t").await.unwrap(), "0");

    let folder = stage.access.claim("default", "data").unwrap();
    stage.delete::<Pod>("db-0").await;
    stage.delete::<PersistentVolumeClaim>("data").await;
    let gone = async {
        while folder.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, gone).await.is_ok(), "{} is still there", folder.display());
    stage.stop().await;
}

/// Where the node of the next test finds its cluster, and its folder.
const KUBECONFIG: &str = "WINDLASS_TEST_NODE_KUBECONFIG";
const STATE: &str = "WINDLASS_TEST_NODE_STATE";

#[tokio::test]
#[ignore = "the process that the next test starts and kills"]
#[expect(clippy::disallowed_methods, reason = "its arguments come through the environment")]
async fn a_node_that_runs_until_it_is_killed() {
    let (Ok(kubeconfig), Ok(state)) = (std::env::var(KUBECONFIG), std::env::var(STATE)) else { return };
    let client = client(&std::fs::read_to_string(kubeconfig).unwrap()).await;
    let _node = start_node(&client, options(state.as_ref()));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_server_outlives_a_node_that_is_killed() {
    let mut stage = Stage::without_node().await;
    stage.create::<PersistentVolumeClaim>(claim("data")).await;
    stage.create::<Pod>(mysql_pod("db-0", "data")).await;
    let kubeconfig = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kubeconfig.path(), stage.server.kubeconfig()).unwrap();
    let mut node = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "ends::a_node_that_runs_until_it_is_killed"])
        .env(KUBECONFIG, kubeconfig.path())
        .env(STATE, stage.state.path())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let first = stage.until_process("db-0", |_| true).await;
    node.kill().await.unwrap();
    let dead = async {
        while first.is_alive() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), dead).await.is_ok(), "the server outlived its node");
    // Another node takes over what is there, the initialisation cut short included.
    stage.start_node();
    stage.until_ready("db-0").await;
    stage.stop().await;
}
