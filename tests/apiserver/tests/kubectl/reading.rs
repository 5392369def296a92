//! `get` in all its forms, `describe`, `-w`, `wait` and `logs`.

use crate::stage::{CONFIG_MAP, DEPLOYMENT, Stage, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_is_shown_in_the_columns_that_its_kind_has() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", DEPLOYMENT).await.ok();
    stage.run("rollout status deploy/web --timeout=60s").await.ok();
    let out = stage.run("get deploy web").await.ok();
    assert_eq!(words(&out)[0], ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(words(&out)[1][..4], ["web", "2/2", "2", "2"]);
    let wide = stage.run("get deploy web -o wide").await.ok();
    assert_eq!(words(&wide)[0][5..], ["CONTAINERS", "IMAGES", "SELECTOR"]);
    assert_eq!(words(&wide)[1][5..], ["c", "nginx:1", "app=web"]);
    let pods = stage.run("get pods -o wide --no-headers").await.ok();
    for pod in words(&pods) {
        assert_eq!(pod[1..4], ["1/1", "Running", "0"]);
        assert!(pod[6].starts_with("windlass"), "the node is told: {pod:?}");
    }
    let all = stage.run("get all -o name").await.ok();
    assert!(all.contains("deployment.apps/web\n") && all.contains("replicaset.apps/web-") && all.contains("pod/web-"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_shown_as_yaml_json_jsonpath_name_and_own_columns() {
    let stage = Stage::start().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    let yaml = stage.run("get cm c -o yaml").await.ok();
    assert!(yaml.starts_with("apiVersion: v1\ndata:\n  a: \"1\"\n  b: \"2\"\nkind: ConfigMap\n"), "{yaml}");
    assert!(!yaml.contains("managedFields"), "kubectl hides them");
    assert!(stage.run("get cm c -o yaml --show-managed-fields").await.ok().contains("manager: kubectl-create"));
    let json: serde_json::Value = serde_json::from_str(&stage.run("get cm c -o json").await.ok()).unwrap();
    assert_eq!(json["data"]["b"], "2");
    assert_eq!(stage.run("get cm c -o name").await.ok(), "configmap/c\n");
    let own = stage.run("get cm c -o custom-columns=N:.metadata.name,A:.data.a,X:.data.x").await.ok();
    assert_eq!(words(&own), [["N", "A", "X"], ["c", "1", "<none>"]]);
    let list = stage.run("get cm -o jsonpath={.kind}:{.items[*].metadata.name}").await.ok();
    assert_eq!(list, "List:c");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_sorted_and_selected_by_labels_and_fields() {
    let stage = Stage::start().await;
    for (name, key, tier) in [("m1", "3", "db"), ("m2", "1", "web"), ("m3", "2", "db")] {
        stage.run(&format!("create configmap {name} --from-literal key={key}")).await.ok();
        stage.run(&format!("label configmap {name} tier={tier}")).await.ok();
    }
    assert_eq!(
        stage.run("get cm -l tier --sort-by=.data.key -o name").await.ok(),
        "configmap/m2\nconfigmap/m3\nconfigmap/m1\n"
    );
    assert_eq!(stage.run("get cm -l tier=db -o name").await.ok(), "configmap/m1\nconfigmap/m3\n");
    assert_eq!(stage.run("get cm -l tier,tier!=db -o name").await.ok(), "configmap/m2\n");
    assert_eq!(
        stage.exec(&["get", "cm", "-l", "tier in (web,other)", "-o", "name"], "", &[]).await.ok(),
        "configmap/m2\n"
    );
    assert_eq!(stage.run("get cm --field-selector metadata.name=m3 -o name").await.ok(), "configmap/m3\n");
    let refused = stage.run("get cm --field-selector data.key=1").await.refused();
    assert!(
        refused.contains("\"data.key\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
        "{refused}"
    );
    let refused = stage.run("get pods --field-selector spec.image=1").await.refused();
    assert!(refused.contains("field label not supported: spec.image"), "{refused}");
    assert_eq!(words(&stage.run("get cm m1 -L tier").await.ok())[1][3], "db");
    assert_eq!(stage.run("get cm -l tier --chunk-size=1 -o name").await.ok().lines().count(), 3);
    let everywhere = stage.run("get cm -A --field-selector metadata.namespace=t -o name").await.ok();
    assert_eq!(everywhere.lines().count(), 3, "{everywhere}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_prints_what_is_there_and_then_every_change() {
    let stage = Stage::start().await;
    stage.feed("create -f -", CONFIG_MAP).await.ok();
    let mut watch = stage.follow("get cm c -w --output-watch-events");
    assert_eq!(watch.next().await, ["EVENT", "NAME", "DATA", "AGE"]);
    assert_eq!(watch.next().await[..3], ["ADDED", "c", "2"]);
    stage.run("patch cm c -p {\"data\":{\"z\":\"1\"}}").await.ok();
    assert_eq!(watch.next().await[..3], ["MODIFIED", "c", "3"]);
    stage.run("delete cm c").await.ok();
    assert_eq!(watch.next().await[..3], ["DELETED", "c", "3"]);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_has_conditions_and_events() {
    let stage = Stage::start().await;
    stage.feed("apply -f -", DEPLOYMENT).await.ok();
    stage.run("rollout status deploy/web --timeout=60s").await.ok();
    let out = stage.run("describe deploy web").await.ok();
    let flat: Vec<Vec<&str>> = words(&out);
    assert!(flat.contains(&vec!["Available", "True", "MinimumReplicasAvailable"]), "{out}");
    assert!(out.contains("Scaled up replica set web-"), "{out}");
    assert!(out.contains("2 desired | 2 updated | 2 total | 2 available | 0 unavailable"), "{out}");
    let pod = stage.run("describe pod -l app=web").await.ok();
    assert!(pod.contains("Controlled By:  ReplicaSet/web-") && pod.contains("Successfully assigned t/web-"), "{pod}");
    let events = stage.run("get events --field-selector involvedObject.kind=Deployment --no-headers").await.ok();
    assert_eq!(words(&events)[0][1..4], ["Normal", "ScalingReplicaSet", "deployment/web"]);
    assert!(stage.run("describe node").await.ok().contains("KubeletReady"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_ends_with_a_condition_a_value_or_a_deletion_and_gives_up_in_time() {
    let stage = Stage::start().await;
    stage.feed("create -f -", "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: i}]}}").await.ok();
    assert_eq!(stage.run("wait pod/p --for condition=Ready --timeout=60s").await.ok(), "pod/p condition met\n");
    assert_eq!(
        stage.run("wait pod/p --for jsonpath={.status.phase}=Running --timeout=60s").await.ok(),
        "pod/p condition met\n"
    );
    let late = stage.run("wait pod/p --for condition=Wrong --timeout=1s").await.refused();
    assert_eq!(late, "error: timed out waiting for the condition on pods/p\n");
    let waiting = stage.run("wait pod/p --for delete --timeout=60s");
    let deleting = stage.run("delete pod p --wait=false");
    let (waited, deleted) = tokio::join!(waiting, deleting);
    assert_eq!(deleted.ok(), "pod \"p\" deleted\n");
    waited.ok();
    assert_eq!(stage.run("get pods").await.error, "No resources found in t namespace.\n");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_a_pod_are_an_honest_error() {
    let stage = Stage::start().await;
    stage.run("run p --image nginx").await.ok();
    stage.run("wait pod/p --for condition=Ready --timeout=60s").await.ok();
    let refused = stage.run("logs p").await.refused();
    assert!(refused.contains("the server could not find the requested resource ( pods/log p)"), "{refused}");
    let missing = stage.run("logs none").await.refused();
    assert!(missing.contains("pods \"none\" not found"), "{missing}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_is_told_in_the_words_of_a_real_server() {
    let stage = Stage::start().await;
    assert_eq!(stage.run("get pods none").await.refused(), "Error from server (NotFound): pods \"none\" not found\n");
    assert_eq!(
        stage.run("get nothing").await.refused(),
        "error: the server doesn't have a resource type \"nothing\"\n"
    );
    assert_eq!(
        stage.run("get deploy none -n absent").await.refused(),
        "Error from server (NotFound): namespaces \"absent\" not found\n"
    );
    assert_eq!(
        stage.run("create configmap x -n absent").await.refused(),
        "error: failed to create configmap: namespaces \"absent\" not found\n"
    );
    assert_eq!(stage.run("delete cm none --ignore-not-found").await.ok(), "");
    stage.stop().await;
}
