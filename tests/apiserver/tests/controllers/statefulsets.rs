//! StatefulSets, Deployments and what they own.

use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::cluster::Cluster;

fn set(replicas: i32, patch: Value) -> Value {
    let mut set = json!({"metadata": {"name": "w"}, "spec": {"replicas": replicas, "serviceName": "w",
        "selector": {"matchLabels": {"app": "w"}},
        "template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "m", "image": "m:1"}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}]}});
    json_patch::merge(&mut set, &patch);
    set
}

fn settled(replicas: i32) -> impl Fn(&StatefulSet) -> bool {
    move |set| {
        set.status.as_ref().is_some_and(|s| {
            s.observed_generation == set.metadata.generation
                && s.replicas == replicas
                && s.ready_replicas.unwrap_or(0) == replicas
                && s.updated_replicas.unwrap_or(0) == replicas
                && s.current_revision == s.update_revision
        })
    }
}

#[tokio::test]
async fn pods_come_one_after_the_other_each_with_its_claim() {
    let cluster = Cluster::start().await;
    cluster.create::<StatefulSet>(set(2, json!({}))).await;
    let first = cluster.until::<Pod>("w-0", |_| true).await;
    assert_eq!(first.labels()["statefulset.kubernetes.io/pod-name"], "w-0");
    assert_eq!(first.labels()["apps.kubernetes.io/pod-index"], "0");
    let spec = first.spec.clone().unwrap();
    assert_eq!((spec.hostname.as_deref(), spec.subdomain.as_deref()), (Some("w-0"), Some("w")));
    let claim = cluster.until::<PersistentVolumeClaim>("data-w-0", |_| true).await;
    assert_eq!(claim.labels().len(), 1);
    let revisions = cluster.api::<ControllerRevision>().list(&ListParams::default()).await.unwrap();
    assert_eq!(first.labels()["controller-revision-hash"], revisions.items[0].name_any());
    cluster.until::<StatefulSet>("w", |s| s.status.as_ref().is_some_and(|s| s.replicas == 1)).await;
    assert_eq!(cluster.names::<Pod>("app=w").await, ["w-0"]);
    cluster.make_ready("w-0").await;
    cluster.until::<Pod>("w-1", |_| true).await;
    cluster.make_ready("w-1").await;
    let done = cluster.until::<StatefulSet>("w", settled(2)).await;
    assert_eq!(done.status.unwrap().current_replicas, Some(2));
    let events = cluster.api::<Event>().list(&ListParams::default()).await.unwrap();
    let said = |text: &str| events.items.iter().any(|e| e.message.as_deref() == Some(text));
    assert!(said("create Claim data-w-0 Pod w-0 in StatefulSet w success"), "{events:?}");
    assert!(said("create Pod w-0 in StatefulSet w successful"));
    cluster.stop().await;
}

#[tokio::test]
async fn a_deleted_pod_comes_back_under_its_name_with_its_claim() {
    let cluster = Cluster::with_node().await;
    cluster.create::<StatefulSet>(set(3, json!({}))).await;
    cluster.until::<StatefulSet>("w", settled(3)).await;
    let before = cluster.api::<Pod>().get("w-1").await.unwrap().uid();
    cluster.delete::<Pod>("w-1", DeleteParams::default()).await;
    let again = cluster.until::<Pod>("w-1", |p| p.uid() != before).await;
    let volumes = again.spec.unwrap().volumes.unwrap();
    assert_eq!(volumes[0].persistent_volume_claim.as_ref().unwrap().claim_name, "data-w-1");
    cluster.until::<StatefulSet>("w", settled(3)).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_changed_template_replaces_every_pod_and_a_scale_down_keeps_the_claims() {
    let cluster = Cluster::with_node().await;
    cluster.create::<StatefulSet>(set(3, json!({"spec": {"podManagementPolicy": "Parallel"}}))).await;
    let first = cluster.until::<StatefulSet>("w", settled(3)).await.status.unwrap().current_revision;
    let containers = json!([{"name": "m", "image": "m:2"}]);
    cluster.merge::<StatefulSet>("w", json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
    let second = cluster.until::<StatefulSet>("w", settled(3)).await.status.unwrap().current_revision;
    assert_ne!(first, second);
    for name in ["w-0", "w-1", "w-2"] {
        let pod = cluster.api::<Pod>().get(name).await.unwrap();
        assert_eq!(pod.spec.unwrap().containers[0].image.as_deref(), Some("m:2"));
    }
    cluster.merge::<StatefulSet>("w", json!({"spec": {"replicas": 1}})).await;
    cluster.until_gone::<Pod>("w-2").await;
    cluster.until_gone::<Pod>("w-1").await;
    cluster.until::<StatefulSet>("w", settled(1)).await;
    assert_eq!(cluster.names::<PersistentVolumeClaim>("app=w").await.len(), 3);
    let revisions = cluster.api::<ControllerRevision>().list(&ListParams::default()).await.unwrap();
    assert_eq!(revisions.items.len(), 2);
    cluster.stop().await;
}

#[tokio::test]
async fn claims_go_with_the_set_when_its_policy_says_so() {
    let cluster = Cluster::with_node().await;
    let policy = json!({"spec": {"persistentVolumeClaimRetentionPolicy":
        {"whenDeleted": "Delete", "whenScaled": "Delete"}}});
    cluster.create::<StatefulSet>(set(2, policy)).await;
    cluster.until::<StatefulSet>("w", settled(2)).await;
    cluster.merge::<StatefulSet>("w", json!({"spec": {"replicas": 1}})).await;
    cluster.until_gone::<PersistentVolumeClaim>("data-w-1").await;
    cluster.delete::<StatefulSet>("w", DeleteParams::background()).await;
    cluster.until_gone::<PersistentVolumeClaim>("data-w-0").await;
    cluster.until_gone::<Pod>("w-0").await;
    cluster.stop().await;
}

#[tokio::test]
async fn an_orphaned_pod_is_adopted_by_the_next_set_of_its_name() {
    let cluster = Cluster::with_node().await;
    cluster.create::<StatefulSet>(set(1, json!({}))).await;
    cluster.until::<StatefulSet>("w", settled(1)).await;
    let before = cluster.api::<Pod>().get("w-0").await.unwrap().uid();
    cluster.delete::<StatefulSet>("w", DeleteParams::orphan()).await;
    cluster.until_gone::<StatefulSet>("w").await;
    let again = cluster.create::<StatefulSet>(set(1, json!({}))).await;
    let adopted = |p: &Pod| p.owner_references().iter().any(|o| Some(&o.uid) == again.metadata.uid.as_ref());
    let pod = cluster.until::<Pod>("w-0", adopted).await;
    assert_eq!(pod.uid(), before);
    cluster.stop().await;
}

fn deployment(image: &str) -> Value {
    json!({"metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn rolled_out(deployment: &Deployment) -> bool {
    deployment.status.as_ref().is_some_and(|s| {
        s.observed_generation == deployment.metadata.generation
            && (s.replicas, s.updated_replicas, s.available_replicas) == (Some(3), Some(3), Some(3))
            && s.conditions.iter().flatten().any(|c| c.reason.as_deref() == Some("NewReplicaSetAvailable"))
    })
}

#[tokio::test]
async fn a_deployment_rolls_out_rolls_over_and_is_collected_whole() {
    let cluster = Cluster::with_node().await;
    cluster.create::<Deployment>(deployment("c:1")).await;
    cluster.until::<Deployment>("d", rolled_out).await;
    let containers = json!([{"name": "c", "image": "c:2"}]);
    cluster.merge::<Deployment>("d", json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
    let done = cluster.until::<Deployment>("d", rolled_out).await;
    assert_eq!(done.annotations()["deployment.kubernetes.io/revision"], "2");
    let sets = cluster.api::<ReplicaSet>().list(&ListParams::default()).await.unwrap();
    let mut sizes: Vec<_> = sets.items.iter().map(|s| s.spec.as_ref().unwrap().replicas.unwrap()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 3]);
    cluster.delete::<Deployment>("d", DeleteParams::foreground()).await;
    cluster.until_gone::<Deployment>("d").await;
    assert!(cluster.names::<ReplicaSet>("app=d").await.is_empty());
    assert!(cluster.names::<Pod>("app=d").await.is_empty());
    cluster.stop().await;
}
