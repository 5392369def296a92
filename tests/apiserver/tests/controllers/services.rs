//! Endpoints, disruption budgets and claims.

use k8s_openapi::api::core::v1::{Endpoints, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::cluster::Cluster;

async fn pod(cluster: &Cluster, name: &str, annotations: serde_json::Value) {
    let pod = json!({"metadata": {"name": name, "labels": {"app": "s"}, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    cluster.create::<Pod>(pod).await;
}

#[tokio::test]
async fn a_service_lists_the_pods_that_are_ready() {
    let cluster = Cluster::with_node().await;
    let service = json!({"metadata": {"name": "s"}, "spec": {"selector": {"app": "s"}, "ports": [{"port": 3306}]}});
    cluster.create::<Service>(service).await;
    pod(&cluster, "a", json!({})).await;
    pod(&cluster, "b", json!({"windlass.dev/simulate": "unready"})).await;
    let both = |e: &Endpoints| {
        let count = |list: &dyn Fn(&k8s_openapi::api::core::v1::EndpointSubset) -> usize| {
            e.subsets.iter().flatten().map(list).sum::<usize>()
        };
        count(&|s| s.addresses.iter().flatten().count()) == 1
            && count(&|s| s.not_ready_addresses.iter().flatten().count()) == 1
    };
    cluster.until("s", both).await;
    let slices = cluster.api::<EndpointSlice>().list(&ListParams::default()).await.unwrap();
    assert_eq!(slices.items.len(), 1);
    cluster.merge::<Pod>("b", json!({"metadata": {"annotations": {"windlass.dev/simulate": null}}})).await;
    let ready = |e: &Endpoints| e.subsets.iter().flatten().any(|s| s.addresses.iter().flatten().count() == 2);
    cluster.until("s", ready).await;
    cluster.delete::<Service>("s", DeleteParams::default()).await;
    cluster.until_gone::<Endpoints>("s").await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_budget_counts_what_may_be_evicted() {
    let cluster = Cluster::with_node().await;
    let budget = json!({"metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "s"}}}});
    cluster.create::<PodDisruptionBudget>(budget).await;
    pod(&cluster, "a", json!({})).await;
    pod(&cluster, "b", json!({})).await;
    let status = |wanted: i32| {
        move |b: &PodDisruptionBudget| b.status.as_ref().is_some_and(|s| s.disruptions_allowed == Some(wanted))
    };
    cluster.until("b", status(1)).await;
    cluster.merge::<Pod>("a", json!({"metadata": {"annotations": {"windlass.dev/simulate": "unready"}}})).await;
    cluster.until("b", status(0)).await;
    cluster.stop().await;
}

#[tokio::test]
async fn claims_are_bound_once_a_node_is_there_and_held_while_a_pod_uses_them() {
    let mut cluster = Cluster::start().await;
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    let claim = cluster.create::<PersistentVolumeClaim>(claim).await;
    assert_eq!(claim.status.unwrap().phase.as_deref(), Some("Pending"));
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"volumes": volumes,
        "containers": [{"name": "c", "image": "c:1"}]}});
    cluster.create::<Pod>(pod).await;
    let node = apiserver::node::Node::start(cluster.client.clone(), apiserver::node::Options::default());
    cluster.node = Some(node);
    let bound = |c: &PersistentVolumeClaim| c.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound");
    cluster.until("data", bound).await;
    cluster.delete::<PersistentVolumeClaim>("data", DeleteParams::default()).await;
    cluster.delete::<Pod>("p", DeleteParams::default()).await;
    cluster.until_gone::<PersistentVolumeClaim>("data").await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_volume_grows_with_its_claim_where_its_class_lets_it() {
    let cluster = Cluster::with_node().await;
    for (name, grows) in [("elastic", true), ("rigid", false)] {
        let class = json!({"metadata": {"name": name}, "provisioner": "x/y", "allowVolumeExpansion": grows});
        cluster.create::<StorageClass>(class).await;
    }
    let capacity = |c: &PersistentVolumeClaim| {
        c.status.as_ref().and_then(|s| s.capacity.as_ref()?.get("storage")).map(|size| size.0.clone())
    };
    for (name, class) in [("plain", None), ("elastic", Some("elastic")), ("rigid", Some("rigid"))] {
        let claim = json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
            "storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}}});
        cluster.create::<PersistentVolumeClaim>(claim).await;
        cluster.until(name, |c| capacity(c).as_deref() == Some("1Gi")).await;
    }
    for name in ["rigid", "plain", "elastic"] {
        let wish = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
        cluster.merge::<PersistentVolumeClaim>(name, wish).await;
    }
    for name in ["plain", "elastic"] {
        cluster.until(name, |c| capacity(c).as_deref() == Some("2Gi")).await;
    }
    let rigid = cluster.api::<PersistentVolumeClaim>().get("rigid").await.unwrap();
    assert_eq!(capacity(&rigid).as_deref(), Some("1Gi"));
    cluster.stop().await;
}
