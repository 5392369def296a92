//! `delete` with each way of cascading, and of namespaces.

use crate::stage::{CONFIG_MAP, STATEFUL_SET, Stage};

async fn with_pods() -> Stage {
    let stage = Stage::start().await;
    stage.feed("apply -f -", STATEFUL_SET).await.ok();
    stage.run("rollout status sts/db --timeout=60s").await.ok();
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_deletion_takes_the_pods_after_the_owner() {
    let stage = with_pods().await;
    assert_eq!(stage.run("delete sts db --cascade=background").await.ok(), "statefulset.apps \"db\" deleted\n");
    stage.run("wait pod -l app=db --for delete --timeout=60s").await.ok();
    assert_eq!(stage.run("get pods -l app=db -o name").await.ok(), "");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreground_deletion_takes_the_pods_before_the_owner() {
    let stage = with_pods().await;
    stage.run("delete sts db --cascade=foreground --timeout=60s").await.ok();
    assert_eq!(stage.run("get pods -l app=db -o name").await.ok(), "", "kubectl waited for the owner, which waited");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphaning_deletion_leaves_the_pods_and_the_next_owner_adopts_them() {
    let stage = with_pods().await;
    let uids = "get pods -l app=db -o jsonpath={.items[*].metadata.uid}";
    let before = stage.run(uids).await.ok();
    stage.run("delete sts db --cascade=orphan --timeout=60s").await.ok();
    assert_eq!(stage.run(uids).await.ok(), before);
    stage.feed("apply -f -", STATEFUL_SET).await.ok();
    stage.run("rollout status sts/db --timeout=60s").await.ok();
    assert_eq!(stage.run(uids).await.ok(), before, "the same pods");
    assert_eq!(
        stage.run("get pod db-0 -o jsonpath={.metadata.ownerReferences[0].name}").await.ok(),
        "db",
        "are owned again"
    );
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finalizer_holds_a_deletion_until_it_is_taken_away() {
    let stage = Stage::start().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    stage.run("patch cm c --type merge -p {\"metadata\":{\"finalizers\":[\"example.com/hold\"]}}").await.ok();
    assert_eq!(stage.run("delete cm c --wait=false").await.ok(), "configmap \"c\" deleted\n");
    assert_ne!(stage.run("get cm c -o jsonpath={.metadata.deletionTimestamp}").await.ok(), "");
    let added = "{\"metadata\":{\"finalizers\":[\"example.com/hold\",\"example.com/more\"]}}";
    let refused = stage.run(&format!("patch cm c --type merge -p {added}")).await.refused();
    assert!(refused.contains("metadata.finalizers: Forbidden: no new finalizers can be added"), "{refused}");
    stage.run("patch cm c --type merge -p {\"metadata\":{\"finalizers\":null}}").await.ok();
    stage.run("wait cm/c --for delete --timeout=60s").await.ok();
    assert_eq!(stage.run("get cm c --ignore-not-found").await.ok(), "");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let stage = with_pods().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    assert_eq!(stage.run("delete namespace t --timeout=60s").await.ok(), "namespace \"t\" deleted\n");
    let left = stage.run("get cm,pods,sts -A -o jsonpath={.items[?(@.metadata.namespace==\"t\")].metadata.name}").await;
    assert_eq!(left.ok(), "");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_of_a_kind_or_of_a_label_is_deleted_together() {
    let stage = Stage::start().await;
    for name in ["one", "two", "three"] {
        stage.run(&format!("create configmap {name}")).await.ok();
    }
    stage.run("label cm one two set=s").await.ok();
    let out = stage.run("delete cm -l set=s").await.ok();
    assert_eq!(out, "configmap \"one\" deleted\nconfigmap \"two\" deleted\n");
    stage.run("delete secret --all").await.ok();
    assert_eq!(stage.run("get cm three -o name").await.ok(), "configmap/three\n");
    stage.stop().await;
}
