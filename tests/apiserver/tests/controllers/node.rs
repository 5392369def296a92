//! The local node.

use apiserver::node::{NODE_NAME, Node, Options};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node as NodeObject, Pod};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::cluster::Cluster;

async fn pod(cluster: &Cluster, name: &str, annotations: serde_json::Value) -> Pod {
    let pod = json!({"metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    cluster.create::<Pod>(pod).await
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a str> {
    let mut all = pod.status.as_ref()?.conditions.iter().flatten();
    all.find(|c| c.type_ == type_).map(|c| c.status.as_str())
}

fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready") == Some("True")
}

fn ip(pod: &Pod) -> Option<String> {
    pod.status.as_ref().and_then(|s| s.pod_ip.clone())
}

#[tokio::test]
async fn the_node_registers_itself_and_keeps_its_lease() {
    let cluster = Cluster::with_node().await;
    let ready = |n: &NodeObject| {
        let conditions = n.status.iter().flat_map(|s| s.conditions.iter().flatten());
        conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
    };
    cluster.until(NODE_NAME, ready).await;
    let leases = cluster.api_in::<Lease>("kube-node-lease");
    let held = |lease: Option<&Lease>| lease.is_some_and(|l| l.spec.as_ref().is_some_and(|s| s.renew_time.is_some()));
    kube::runtime::wait::await_condition(leases, NODE_NAME, held).await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn pods_are_bound_run_and_have_addresses_of_their_own() {
    let cluster = Cluster::with_node().await;
    pod(&cluster, "a", json!({})).await;
    pod(&cluster, "b", json!({})).await;
    let a = cluster.until::<Pod>("a", is_ready).await;
    let b = cluster.until::<Pod>("b", is_ready).await;
    assert_eq!(a.spec.as_ref().unwrap().node_name.as_deref(), Some(NODE_NAME));
    for type_ in ["PodScheduled", "Initialized", "ContainersReady", "Ready"] {
        assert_eq!(condition(&a, type_), Some("True"), "{type_}");
    }
    assert!(a.status.as_ref().unwrap().start_time.is_some());
    assert_ne!(ip(&a), ip(&b));
    cluster.delete::<Pod>("a", DeleteParams::default()).await;
    cluster.until_gone::<Pod>("a").await;
    cluster.stop().await;
}

#[tokio::test]
async fn an_annotation_makes_a_pod_misbehave() {
    let cluster = Cluster::with_node().await;
    pod(&cluster, "unready", json!({"windlass.dev/simulate": "unready"})).await;
    pod(&cluster, "failed", json!({"windlass.dev/simulate": "failed"})).await;
    pod(&cluster, "crash", json!({"windlass.dev/simulate": "crash"})).await;
    cluster.until::<Pod>("unready", |p| phase(p) == "Running" && condition(p, "Ready") == Some("False")).await;
    cluster.until::<Pod>("failed", |p| phase(p) == "Failed").await;
    let crash = cluster.until::<Pod>("crash", |p| condition(p, "Ready") == Some("False")).await;
    let container = crash.status.unwrap().container_statuses.unwrap().remove(0);
    assert_eq!(container.state.unwrap().waiting.unwrap().reason.as_deref(), Some("CrashLoopBackOff"));
    cluster.merge::<Pod>("unready", json!({"metadata": {"annotations": {"windlass.dev/simulate": null}}})).await;
    cluster.until::<Pod>("unready", is_ready).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_restarted_node_changes_nothing_about_pods_that_run() {
    let mut cluster = Cluster::with_node().await;
    pod(&cluster, "a", json!({})).await;
    let before = cluster.until::<Pod>("a", is_ready).await;
    cluster.node.take().unwrap().stop().await;
    pod(&cluster, "b", json!({})).await;
    cluster.node = Some(Node::start(cluster.client.clone(), Options::default()));
    cluster.until::<Pod>("b", is_ready).await;
    let after = cluster.api::<Pod>().get("a").await.unwrap();
    assert_eq!(after.resource_version(), before.resource_version());
    cluster.stop().await;
}

#[tokio::test]
async fn two_nodes_of_one_name_agree() {
    let cluster = Cluster::with_node().await;
    let second = Node::start(cluster.client.clone(), Options::default());
    for i in 0..10 {
        pod(&cluster, &format!("p{i}"), json!({})).await;
    }
    for i in 0..10 {
        cluster.until::<Pod>(&format!("p{i}"), is_ready).await;
    }
    second.stop().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_with_a_finalizer_is_told_to_have_ended_before_it_goes() {
    let cluster = Cluster::with_node().await;
    let held = json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]},
        "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    cluster.create::<Pod>(held).await;
    cluster.until::<Pod>("a", is_ready).await;
    cluster.delete::<Pod>("a", DeleteParams::default()).await;
    cluster.until::<Pod>("a", |p| phase(p) == "Failed").await;
    cluster.merge::<Pod>("a", json!({"metadata": {"finalizers": null}})).await;
    cluster.until_gone::<Pod>("a").await;
    cluster.stop().await;
}
