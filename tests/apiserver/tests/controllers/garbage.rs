//! The garbage collector and the namespace controller.

use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::json;

use crate::cluster::{Cluster, reference};

#[tokio::test]
async fn the_children_of_a_deleted_owner_are_collected_down_to_the_last() {
    let cluster = Cluster::start().await;
    let parent = cluster.config_map("parent", &[], false).await;
    let child = cluster.config_map("child", &[&parent], true).await;
    cluster.config_map("grandchild", &[&child], false).await;
    cluster.delete::<ConfigMap>("parent", DeleteParams::background()).await;
    cluster.until_gone::<ConfigMap>("child").await;
    cluster.until_gone::<ConfigMap>("grandchild").await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_child_of_two_owners_lives_until_the_last_is_gone() {
    let cluster = Cluster::start().await;
    let one = cluster.config_map("one", &[], false).await;
    let two = cluster.config_map("two", &[], false).await;
    cluster.config_map("child", &[&one, &two], false).await;
    cluster.delete::<ConfigMap>("one", DeleteParams::background()).await;
    let child = cluster.until::<ConfigMap>("child", |c| c.owner_references().len() == 1).await;
    assert_eq!(child.owner_references()[0].name, "two");
    cluster.delete::<ConfigMap>("two", DeleteParams::background()).await;
    cluster.until_gone::<ConfigMap>("child").await;
    cluster.stop().await;
}

#[tokio::test]
async fn an_orphaned_child_outlives_its_owner_without_the_reference() {
    let cluster = Cluster::start().await;
    let parent = cluster.config_map("parent", &[], false).await;
    cluster.config_map("child", &[&parent], true).await;
    cluster.delete::<ConfigMap>("parent", DeleteParams::orphan()).await;
    cluster.until_gone::<ConfigMap>("parent").await;
    let child = cluster.api::<ConfigMap>().get("child").await.unwrap();
    assert!(child.owner_references().is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_the_children_that_block_it() {
    let cluster = Cluster::start().await;
    let parent = cluster.config_map("parent", &[], false).await;
    let held = |name: &str, block: bool| {
        let owners = [reference(&parent, "v1", "ConfigMap", block)];
        json!({"metadata": {"name": name, "ownerReferences": owners, "finalizers": ["example.com/hold"]}})
    };
    cluster.create::<ConfigMap>(held("blocks", true)).await;
    cluster.create::<ConfigMap>(held("does-not", false)).await;
    cluster.delete::<ConfigMap>("parent", DeleteParams::foreground()).await;
    cluster.until::<ConfigMap>("blocks", |c| c.metadata.deletion_timestamp.is_some()).await;
    cluster.until::<ConfigMap>("does-not", |c| c.metadata.deletion_timestamp.is_some()).await;
    let parent = cluster.api::<ConfigMap>().get("parent").await.unwrap();
    assert_eq!(parent.finalizers(), ["foregroundDeletion"]);
    cluster.merge::<ConfigMap>("blocks", json!({"metadata": {"finalizers": null}})).await;
    cluster.until_gone::<ConfigMap>("parent").await;
    assert!(cluster.api::<ConfigMap>().get_opt("does-not").await.unwrap().is_some());
    cluster.stop().await;
}

#[tokio::test]
async fn two_objects_that_own_each_other_do_not_block_each_other_for_ever() {
    let cluster = Cluster::start().await;
    let one = cluster.config_map("one", &[], false).await;
    let two = cluster.config_map("two", &[&one], true).await;
    let owners = [reference(&two, "v1", "ConfigMap", true)];
    cluster.merge::<ConfigMap>("one", json!({"metadata": {"ownerReferences": owners}})).await;
    cluster.delete::<ConfigMap>("one", DeleteParams::foreground()).await;
    cluster.until_gone::<ConfigMap>("one").await;
    cluster.until_gone::<ConfigMap>("two").await;
    cluster.stop().await;
}

#[tokio::test]
async fn an_object_whose_owner_never_was_is_collected() {
    let cluster = Cluster::start().await;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "never",
        "uid": "33333333-3333-3333-3333-333333333333"});
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "lost", "ownerReferences": [owner]}})).await;
    cluster.until_gone::<ConfigMap>("lost").await;
    cluster.stop().await;
}

#[tokio::test]
async fn an_owner_of_an_unknown_kind_keeps_its_children() {
    let cluster = Cluster::start().await;
    let owner = json!({"apiVersion": "no.such/v1", "kind": "Thing", "name": "x",
        "uid": "44444444-4444-4444-4444-444444444444"});
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "kept", "ownerReferences": [owner]}})).await;
    // A later child of a gone owner is through first: the collector has looked at both by then.
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "never",
        "uid": "33333333-3333-3333-3333-333333333333"});
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "lost", "ownerReferences": [owner]}})).await;
    cluster.until_gone::<ConfigMap>("lost").await;
    assert!(cluster.api::<ConfigMap>().get_opt("kept").await.unwrap().is_some());
    cluster.stop().await;
}

#[tokio::test]
async fn an_owner_in_another_namespace_counts_as_absent_and_that_is_said() {
    let cluster = Cluster::start().await;
    cluster.create::<Namespace>(json!({"metadata": {"name": "other"}})).await;
    let owner = json!({"metadata": {"name": "owner"}});
    let owner: ConfigMap = serde_json::from_value(owner).unwrap();
    let owner = cluster.api_in::<ConfigMap>("other").create(&PostParams::default(), &owner).await.unwrap();
    cluster.config_map("stranger", &[&owner], false).await;
    cluster.until_gone::<ConfigMap>("stranger").await;
    assert!(cluster.api_in::<ConfigMap>("other").get_opt("owner").await.unwrap().is_some());
    let said = |e: &Event| e.reason.as_deref() == Some("OwnerRefInvalidNamespace");
    let events = cluster.api::<Event>().list(&ListParams::default()).await.unwrap();
    assert!(events.items.iter().any(said), "{events:?}");
    cluster.stop().await;
}

fn widgets() -> serde_json::Value {
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
            "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

async fn widget(cluster: &Cluster, name: &str) -> DynamicObject {
    let established = |crd: &CustomResourceDefinition| {
        let conditions = crd.status.iter().flat_map(|s| s.conditions.iter().flatten());
        conditions.into_iter().any(|c| c.type_ == "Established" && c.status == "True")
    };
    cluster.until("widgets.example.com", established).await;
    let widgets = cluster.dynamic("example.com", "v1", "Widget", "widgets");
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}});
    widgets.create(&PostParams::default(), &serde_json::from_value(widget).unwrap()).await.unwrap()
}

#[tokio::test]
async fn custom_resources_own_and_are_collected_like_any_other() {
    let cluster = Cluster::start().await;
    cluster.create::<CustomResourceDefinition>(widgets()).await;
    let one = widget(&cluster, "one").await;
    let owners = [reference(&one, "example.com/v1", "Widget", true)];
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "child", "ownerReferences": owners}})).await;
    let widgets = cluster.dynamic("example.com", "v1", "Widget", "widgets");
    drop(widgets.delete("one", &DeleteParams::foreground()).await.unwrap());
    cluster.until_gone::<ConfigMap>("child").await;
    cluster.stop().await;
}

#[tokio::test]
async fn the_children_of_custom_resources_go_with_their_definition() {
    let cluster = Cluster::start().await;
    cluster.create::<CustomResourceDefinition>(widgets()).await;
    let one = widget(&cluster, "one").await;
    let owners = [reference(&one, "example.com/v1", "Widget", false)];
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "child", "ownerReferences": owners}})).await;
    // A definition that goes before the collector learnt of its kind leaves children behind, on a real cluster too. That
    // another owner's child is collected shows that the collector knows the kind.
    let other = json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "never", "uid": "never-was"});
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "stray", "ownerReferences": [other]}})).await;
    cluster.until_gone::<ConfigMap>("stray").await;
    cluster.delete::<CustomResourceDefinition>("widgets.example.com", DeleteParams::default()).await;
    cluster.until_gone::<CustomResourceDefinition>("widgets.example.com").await;
    cluster.until_gone::<ConfigMap>("child").await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_namespace_has_its_account_and_goes_with_everything_in_it() {
    let cluster = Cluster::start().await;
    cluster.until::<ServiceAccount>("default", |_| true).await;
    cluster.create::<CustomResourceDefinition>(widgets()).await;
    widget(&cluster, "one").await;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    cluster.create::<ConfigMap>(held).await;
    cluster.delete::<Namespace>("t", DeleteParams::default()).await;
    let remains = |namespace: &Namespace| {
        let conditions = namespace.status.iter().flat_map(|s| s.conditions.iter().flatten());
        conditions.into_iter().any(|c| c.type_ == "NamespaceFinalizersRemaining" && c.status == "True")
    };
    cluster.until("t", remains).await;
    cluster.merge::<ConfigMap>("held", json!({"metadata": {"finalizers": null}})).await;
    cluster.until_gone::<Namespace>("t").await;
    let widgets = cluster.dynamic("example.com", "v1", "Widget", "widgets");
    assert!(widgets.list(&ListParams::default()).await.unwrap().items.is_empty());
    cluster.stop().await;
}
