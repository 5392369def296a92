//! `patch`, `scale`, `label`, `annotate`, `set image`, and the nodes' `taint`, `cordon` and `drain`.

use crate::stage::{CONFIG_MAP, DEPLOYMENT, STATEFUL_SET, Stage, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_is_strategic_merge_or_json() {
    let stage = Stage::start().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    assert_eq!(stage.run("patch cm c -p {\"data\":{\"z\":\"1\"}}").await.ok(), "configmap/c patched\n");
    assert_eq!(stage.run("patch cm c -p {\"data\":{\"z\":\"1\"}}").await.ok(), "configmap/c patched (no change)\n");
    assert_eq!(stage.run("patch cm c --type merge -p {\"data\":{\"b\":null}}").await.ok(), "configmap/c patched\n");
    let json = "[{\"op\":\"test\",\"path\":\"/data/a\",\"value\":\"1\"},{\"op\":\"move\",\"from\":\"/data/z\",\"path\":\"/data/y\"}]";
    assert_eq!(stage.run(&format!("patch cm c --type json -p {json}")).await.ok(), "configmap/c patched\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.data}").await.ok(), r#"{"a":"1","y":"1"}"#);
    let failed = stage.run("patch cm c --type json -p [{\"op\":\"test\",\"path\":\"/data/a\",\"value\":\"2\"}]").await;
    assert_eq!(
        failed.refused(),
        "The request is invalid: the server rejected our request due to an error in our request\n"
    );
    stage.feed("apply -f -", DEPLOYMENT).await.ok();
    let second = "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"side\",\"image\":\"s\"}]}}}}";
    stage.run(&format!("patch deploy web -p {second}")).await.ok();
    let names = stage.run("get deploy web -o jsonpath={.spec.template.spec.containers[*].name}").await.ok();
    assert_eq!(names, "side c", "containers merge by name");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workloads_are_scaled_and_a_wrong_precondition_is_refused() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", DEPLOYMENT).await.ok();
    assert_eq!(stage.run("scale deploy web --replicas=1").await.ok(), "deployment.apps/web scaled\n");
    assert_eq!(
        stage.run("scale deploy web --current-replicas=7 --replicas=2").await.refused(),
        "error: Expected replicas to be 7, was 1\n"
    );
    assert_eq!(stage.run("get deploy web -o jsonpath={.spec.replicas}").await.ok(), "1");
    stage.feed("apply -f -", STATEFUL_SET).await.ok();
    stage.run("rollout status sts/db --timeout=60s").await.ok();
    assert_eq!(stage.run("scale sts/db --replicas=0 --timeout=60s").await.ok(), "statefulset.apps/db scaled\n");
    stage.run("wait pod/db-0 --for delete --timeout=60s").await.ok();
    assert_eq!(stage.run("get sts db -o jsonpath={.spec.replicas}").await.ok(), "0");
    let negative = stage.run("patch deploy web --subresource scale --type merge -p {\"spec\":{\"replicas\":-1}}").await;
    assert!(negative.refused().contains("spec.replicas: Invalid value: -1: must be greater than or equal to 0"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_annotations_are_set_overwritten_and_removed() {
    let stage = Stage::start().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    assert_eq!(stage.run("label cm c x=y").await.ok(), "configmap/c labeled\n");
    let taken = stage.run("label cm c x=z").await.refused();
    assert_eq!(taken, "error: 'x' already has a value (y), and --overwrite is false\n");
    assert_eq!(stage.run("label cm c x=z --overwrite").await.ok(), "configmap/c labeled\n");
    assert_eq!(stage.run("label cm c x=z --overwrite").await.ok(), "configmap/c not labeled\n");
    assert_eq!(words(&stage.run("get cm c --show-labels").await.ok())[1][3], "x=z");
    assert_eq!(stage.run("label cm c x-").await.ok(), "configmap/c unlabeled\n");
    assert_eq!(stage.run("annotate cm c note=1").await.ok(), "configmap/c annotated\n");
    assert_eq!(stage.run("get cm c -o jsonpath={.metadata.annotations.note}").await.ok(), "1");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_tainted_cordoned_and_drained() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", DEPLOYMENT).await.ok();
    stage.run("rollout status deploy/web --timeout=60s").await.ok();
    let node = stage.run("get nodes -o jsonpath={.items[0].metadata.name}").await.ok();
    assert_eq!(stage.run(&format!("taint node {node} a=b:NoSchedule")).await.ok(), format!("node/{node} tainted\n"));
    assert_eq!(stage.run(&format!("taint node {node} a-")).await.ok(), format!("node/{node} untainted\n"));
    assert_eq!(stage.run(&format!("cordon {node}")).await.ok(), format!("node/{node} cordoned\n"));
    assert_eq!(words(&stage.run("get nodes").await.ok())[1][1], "Ready,SchedulingDisabled");
    let drained = stage.run(&format!("drain {node} --timeout=60s")).await.ok();
    assert_eq!(drained.lines().filter(|l| l.starts_with("evicting pod t/web-")).count(), 2, "{drained}");
    assert!(drained.ends_with(&format!("node/{node} drained\n")), "{drained}");
    // Their successors find no place.
    let pending = stage.run("wait pod -l app=web --for jsonpath={.status.phase}=Pending --timeout=60s").await.ok();
    assert_eq!(pending.lines().count(), 2, "{pending}");
    assert_eq!(stage.run(&format!("uncordon {node}")).await.ok(), format!("node/{node} uncordoned\n"));
    stage.run("rollout status deploy/web --timeout=60s").await.ok();
    stage.stop().await;
}
