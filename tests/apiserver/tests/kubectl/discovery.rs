//! `explain`, `api-resources`, `api-versions`, `cluster-info`, `version` and raw paths.

use crate::stage::{Stage, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_are_explained_at_any_depth() {
    let stage = Stage::start().await;
    let top = stage.run("explain statefulset").await.ok();
    assert!(top.starts_with("GROUP:      apps\nKIND:       StatefulSet\nVERSION:    v1\n"), "{top}");
    let deep = stage.run("explain deploy.spec.strategy.rollingUpdate.maxSurge").await.ok();
    assert!(deep.contains("FIELD: maxSurge <IntOrString>"), "{deep}");
    let recursive = stage.run("explain cronjob --recursive").await.ok();
    assert!(recursive.contains("\n  metadata\t<ObjectMeta>\n"), "{recursive}");
    assert!(recursive.contains(" terminationMessagePath\t<string>\n"), "containers of the pods are reached");
    let wrong = stage.run("explain cm.nothing").await.refused();
    assert_eq!(wrong, "error: field \"nothing\" does not exist\n");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_and_versions_are_listed() {
    let stage = Stage::start().await;
    let out = stage.run("api-resources").await.ok();
    let lines = words(&out);
    assert_eq!(lines[0], ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]);
    assert!(lines.contains(&vec!["statefulsets", "sts", "apps/v1", "true", "StatefulSet"]), "{out}");
    assert!(lines.contains(&vec!["nodes", "no", "v1", "false", "Node"]), "{out}");
    let cluster = stage.run("api-resources --namespaced=false -o name").await.ok();
    assert!(cluster.contains("customresourcedefinitions.apiextensions.k8s.io\n") && !cluster.contains("pods"));
    let listable = stage.run("api-resources --verbs=list,watch --api-group=batch -o name").await.ok();
    assert_eq!(listable, "cronjobs.batch\njobs.batch\n");
    let versions = stage.run("api-versions").await.ok();
    for version in ["apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1", "v1"] {
        assert!(versions.lines().any(|v| v == version), "{versions}");
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_says_where_it_is_and_which_version_it_has() {
    let stage = Stage::start().await;
    let info = stage.run("cluster-info").await.ok();
    assert!(info.contains("Kubernetes control plane"), "{info}");
    assert!(stage.run("version").await.ok().contains("Server Version: v1.36"));
    assert_eq!(stage.run("get --raw /healthz").await.ok(), "ok");
    assert!(stage.run("get --raw /apis/apps/v1").await.ok().contains("\"APIResourceList\""));
    let missing = stage.run("get --raw /apis/none.example.com/v1").await.refused();
    assert!(missing.contains("the server could not find the requested resource"), "{missing}");
    stage.stop().await;
}
