#![allow(clippy::unwrap_used)]
use super::*;
use crate::builtin;

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2024-01-02T00:00:00Z").unwrap().to_utc()
}

fn resource(group: &str, kind: &str) -> Resource {
    builtin::resources().into_iter().find(|resource| resource.group == group && resource.kind == kind).unwrap()
}

fn cells(group: &str, kind: &str, object: Value) -> Value {
    let shown = table(&resource(group, kind), &[Arc::new(object)], json!({}), IncludeObject::Metadata, now());
    let row = shown["rows"][0]["cells"].clone();
    assert_eq!(row.as_array().unwrap().len(), shown["columnDefinitions"].as_array().unwrap().len(), "{kind}");
    row
}

#[test]
fn ages_are_shown_to_two_digits() {
    for (seconds, want) in [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (192, "3m12s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (18_120, "5h2m"),
        (40_000, "11h"),
        (172_800, "2d"),
        (600_000, "6d22h"),
        (864_000, "10d"),
        (63_072_000, "2y"),
        (-5, "<invalid>"),
    ] {
        assert_eq!(age::duration(seconds), want, "{seconds}");
    }
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    for resource in builtin::resources() {
        let columns = definitions(&resource.group, &resource.kind);
        let row = cells::builtin(&resource.group, &resource.kind, &json!({"metadata": {"name": "a"}}), now());
        assert_eq!(row.len(), columns.len(), "{}", resource.openapi_name);
    }
}

#[test]
fn a_running_pod_shows_readiness_and_restarts() {
    let pod = json!({
        "metadata": {"name": "w-0", "creationTimestamp": "2024-01-01T23:55:00Z"},
        "spec": {"containers": [{"name": "a"}, {"name": "b"}], "nodeName": "n"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [
            {"name": "a", "ready": true, "restartCount": 2, "state": {"running": {}},
             "lastState": {"terminated": {"finishedAt": "2024-01-01T23:59:00Z"}}},
            {"name": "b", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
    });
    let want = json!(["w-0", "1/2", "CrashLoopBackOff", "2 (60s ago)", "5m", "10.0.0.1", "n", "<none>", "<none>"]);
    assert_eq!(cells("", "Pod", pod), want);
}

#[test]
fn a_deleted_pod_is_terminating() {
    let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2024-01-01T00:00:00Z"}, "spec": {"containers": [{}]}, "status": {"phase": "Running"}});
    assert_eq!(cells("", "Pod", pod)[2], "Terminating");
}

#[test]
fn a_pod_that_initializes_counts_its_steps() {
    let pod = json!({
        "metadata": {"name": "a"},
        "spec": {"initContainers": [{"name": "x"}, {"name": "y"}], "containers": [{"name": "c"}]},
        "status": {"phase": "Pending", "initContainerStatuses": [
            {"name": "x", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}},
            {"name": "y", "restartCount": 0, "state": {"running": {}}}]},
    });
    assert_eq!(cells("", "Pod", pod)[2], "Init:1/2");
}

#[test]
fn workloads_show_ready_of_desired() {
    let set = json!({"metadata": {"name": "s"}, "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "m", "image": "m:1"}]}}}, "status": {"readyReplicas": 2}});
    assert_eq!(cells("apps", "StatefulSet", set), json!(["s", "2/3", "<unknown>", "m", "m:1"]));
}

#[test]
fn a_job_shows_status_and_duration() {
    let job = json!({"metadata": {"name": "j"}, "spec": {"completions": 1, "template": {}, "selector": {"matchLabels": {"a": "b"}}},
        "status": {"succeeded": 1, "startTime": "2024-01-01T00:00:00Z", "completionTime": "2024-01-01T00:00:30Z",
            "conditions": [{"type": "Complete", "status": "True"}]}});
    assert_eq!(cells("batch", "Job", job), json!(["j", "Complete", "1/1", "30s", "<unknown>", "", "", "a=b"]));
}

#[test]
fn a_service_shows_its_ports() {
    let service = json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}});
    let want = json!(["s", "NodePort", "10.0.0.1", "<none>", "80:30080/TCP", "<unknown>", "<none>"]);
    assert_eq!(cells("", "Service", service), want);
}

#[test]
fn an_event_of_either_group_shows_the_same() {
    let core = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "reason": "Started", "type": "Normal", "message": "up", "source": {"component": "kubelet"}, "count": 3, "lastTimestamp": "2024-01-01T23:59:30Z", "firstTimestamp": "2024-01-01T23:50:00Z"});
    let want = json!(["30s", "Normal", "Started", "pod/p", "", "kubelet", "up", "10m", 3, "e"]);
    assert_eq!(cells("", "Event", core.clone()), want);
    assert_eq!(cells("events.k8s.io", "Event", builtin::events::from_core(&core)), want);
}

#[test]
fn custom_columns_follow_their_paths_and_types() {
    let object = json!({"metadata": {"name": "a", "creationTimestamp": "2024-01-01T00:00:00Z"}, "spec": {"size": 3, "map": {"x.y": true}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
    for (path, kind, want) in [
        (".spec.size", "integer", json!(3)),
        (".spec.size", "string", json!("3")),
        (".spec.absent", "string", Value::Null),
        (".spec.map.x\\.y", "boolean", json!(true)),
        (".spec.map['x.y']", "boolean", json!(true)),
        (".status.conditions[?(@.type==\"Ready\")].status", "string", json!("True")),
        (".status.conditions[?(@.type=='Other')].status", "string", json!("False")),
        (".status.conditions[1].type", "string", json!("Other")),
        (".metadata.creationTimestamp", "date", json!("24h")),
        (".spec.map", "string", json!("{\"x.y\":true}")),
    ] {
        let got = json_path::first(path, &object).map_or(Value::Null, |value| custom_cell(kind, value, now()));
        assert_eq!(got, want, "{path}");
    }
}
