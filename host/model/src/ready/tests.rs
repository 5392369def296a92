use super::*;
use serde_json::json;

fn judged(api_version: &str, kind: &str, mut object: Value) -> (bool, String) {
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    let Readiness { ready, reason } = of(&object);
    (ready, reason)
}

fn check(api_version: &str, kind: &str, object: Value, ready: bool, reason: &str) {
    assert_eq!(judged(api_version, kind, object.clone()), (ready, reason.to_owned()), "{kind} {object}");
}

#[test]
fn a_stateful_set_is_ready_when_all_replicas_are_ready_and_updated() {
    let set = |status: Value| json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status});
    let is = |status: Value, ready, reason: &str| check("apps/v1", "StatefulSet", set(status), ready, reason);
    is(json!({}), false, "its controller has not seen it yet");
    is(
        json!({"observedGeneration": 1, "readyReplicas": 3}),
        false,
        "its controller has seen generation 1, the object is at generation 2",
    );
    is(json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 2}), false, "2 of 3 replicas ready");
    is(
        json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1}),
        false,
        "1 of 3 replicas updated",
    );
    is(
        json!({"observedGeneration": 2, "replicas": 4, "readyReplicas": 4, "updatedReplicas": 3}),
        false,
        "1 replicas to remove",
    );
    is(
        json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3}),
        true,
        "3 of 3 replicas ready",
    );
    let mut partitioned =
        set(json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1}));
    partitioned["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    check("apps/v1", "StatefulSet", partitioned, true, "3 of 3 replicas ready");
    let scaled = json!({"spec": {"replicas": 0}, "status": {"observedGeneration": 1}});
    check("apps/v1", "StatefulSet", scaled, true, "0 of 0 replicas ready");
}

#[test]
fn other_workloads_follow_their_rules() {
    let with = |spec: Value, status: Value| json!({"metadata": {"generation": 1}, "spec": spec, "status": status});
    let two = || json!({"replicas": 2});
    check(
        "apps/v1",
        "Deployment",
        with(two(), json!({"observedGeneration": 1, "updatedReplicas": 2, "replicas": 3})),
        false,
        "1 old replicas to remove",
    );
    check(
        "apps/v1",
        "Deployment",
        with(two(), json!({"observedGeneration": 1, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2})),
        true,
        "2 of 2 replicas available",
    );
    check(
        "apps/v1",
        "DaemonSet",
        with(
            json!({}),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 1}),
        ),
        false,
        "1 of 2 pods ready",
    );
    check(
        "apps/v1",
        "ReplicaSet",
        with(two(), json!({"observedGeneration": 1, "readyReplicas": 2})),
        true,
        "2 of 2 replicas ready",
    );
    check(
        "batch/v1",
        "Job",
        with(json!({}), json!({"conditions": [{"type": "Complete", "status": "True"}]})),
        true,
        "is complete",
    );
    check("batch/v1", "Job", with(json!({"completions": 2}), json!({"succeeded": 1})), false, "1 of 2 completions");
    let failed = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too\nmany"}]});
    check("batch/v1", "Job", with(json!({}), failed), false, "failed (BackoffLimitExceeded): too\\nmany");
    check("v1", "Pod", with(json!({}), json!({"phase": "Pending"})), false, "waits for a node");
    check(
        "v1",
        "Pod",
        with(json!({}), json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})),
        true,
        "is Ready",
    );
}

#[test]
fn everything_else_follows_its_rule() {
    check("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Bound"}}), true, "is bound");
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({"status": {"phase": "Pending"}}),
        true,
        "is pending until a pod uses it",
    );
    check("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Lost"}}), false, "has lost its volume");
    let selected = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n"}}});
    check("v1", "PersistentVolumeClaim", selected, false, "waits for its volume on the node that was selected");
    check("v1", "Service", json!({"spec": {"type": "ClusterIP"}}), true, "exists");
    check(
        "v1",
        "Service",
        json!({"spec": {"type": "LoadBalancer"}}),
        false,
        "waits for an address of its load balancer",
    );
    let established = json!({"status": {"conditions": [{"type": "Established", "status": "True"}]}});
    check("apiextensions.k8s.io/v1", "CustomResourceDefinition", established, true, "is Established");
    check("policy/v1", "PodDisruptionBudget", json!({}), true, "exists");
    check("v1", "ConfigMap", json!({"metadata": {"deletionTimestamp": "now"}}), false, "is being deleted");
    check("example.com/v1", "Thing", json!({}), true, "exists");
    let not = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Broken"}]}});
    check("example.com/v1", "Thing", not, false, "is not Ready (Broken)");
    let old = json!({"metadata": {"generation": 3}, "status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]}});
    check("example.com/v1", "Thing", old, false, "its Ready condition is of generation 2, the object is at 3");
}
