//! The plan of a StatefulSet, case by case.
#![allow(clippy::unwrap_used)]

use super::*;

fn set(patch: serde_json::Value) -> StatefulSet {
    let mut json = serde_json::json!({"metadata": {"name": "w", "namespace": "n", "uid": "s"}, "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": "w"}}, "podManagementPolicy": "OrderedReady",
        "serviceName": "w", "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": []}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}});
    json_patch::merge(&mut json, &patch);
    serde_json::from_value(json).unwrap()
}

fn pod(set: &StatefulSet, ordinal: i32, revision: &str, phase: &str, ready: bool) -> (i32, Arc<Pod>) {
    let template = identity::spec(set).template;
    let mut pod = serde_json::to_value(identity::pod(set, &template, ordinal, revision)).unwrap();
    pod["status"] = serde_json::json!({"phase": phase,
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]});
    pod["metadata"]["uid"] = format!("p{ordinal}").into();
    (ordinal, Arc::new(serde_json::from_value(pod).unwrap()))
}

fn terminating((ordinal, pod): (i32, Arc<Pod>)) -> (i32, Arc<Pod>) {
    let mut pod = (*pod).clone();
    pod.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
    (ordinal, Arc::new(pod))
}

/// The steps as short words, with every claim there.
fn steps(set: &StatefulSet, pods: Vec<(i32, Arc<Pod>)>) -> Vec<String> {
    let pods: BTreeMap<_, _> = pods.into_iter().collect();
    let claim = |_: &str| Some(Arc::new(PersistentVolumeClaim::default()));
    let seen = Observed { set, pods: &pods, update_revision: "new", claim: &claim, now: Timestamp::UNIX_EPOCH };
    plan(&seen).iter().map(word).collect()
}

fn word(step: &Step) -> String {
    match step {
        Step::Create { ordinal, current } => format!("create {ordinal}{}", if *current { " current" } else { "" }),
        Step::Claims { ordinal } => format!("claims {ordinal}"),
        Step::Identify { ordinal, .. } => format!("identify {ordinal}"),
        Step::Delete { pod, reason } => format!("delete {} {reason:?}", pod.metadata.name.as_deref().unwrap()),
        Step::Retain { owners, .. } => format!("retain {}", owners.iter().map(|o| o.kind.as_str()).collect::<String>()),
    }
}

#[test]
fn the_next_pod_waits_until_the_one_before_is_ready() {
    let set = set(serde_json::json!({}));
    assert_eq!(steps(&set, vec![]), ["create 0"]);
    assert!(steps(&set, vec![pod(&set, 0, "new", "Running", false)]).is_empty());
    assert_eq!(steps(&set, vec![pod(&set, 0, "new", "Running", true)]), ["create 1"]);
}

#[test]
fn parallel_management_creates_all_at_once() {
    let set = set(serde_json::json!({"spec": {"podManagementPolicy": "Parallel"}}));
    assert_eq!(steps(&set, vec![]), ["create 0", "create 1", "create 2"]);
}

#[test]
fn a_start_ordinal_shifts_every_name() {
    let set = set(serde_json::json!({"spec": {"ordinals": {"start": 5}}}));
    assert_eq!(steps(&set, vec![]), ["create 5"]);
}

#[test]
fn scaling_down_removes_the_highest_first_and_one_at_a_time() {
    let set = set(serde_json::json!({"spec": {"replicas": 1}}));
    let all = || (0..3).map(|o| pod(&set, o, "new", "Running", true)).collect::<Vec<_>>();
    assert_eq!(steps(&set, all()), ["delete w-2 ScaledDown"]);
    let mut pods = all();
    pods[2] = terminating(pods[2].clone());
    assert!(steps(&set, pods).is_empty());
}

#[test]
fn scaling_down_waits_for_an_unhealthy_pod_below_it() {
    let set = set(serde_json::json!({"spec": {"replicas": 1}}));
    let pods = vec![
        pod(&set, 0, "new", "Running", true),
        pod(&set, 1, "new", "Pending", false),
        pod(&set, 2, "new", "Running", true),
    ];
    assert_eq!(steps(&set, pods), ["delete w-2 ScaledDown"]);
    let pods = vec![
        pod(&set, 0, "new", "Running", true),
        pod(&set, 1, "new", "Pending", false),
        pod(&set, 2, "new", "Pending", false),
    ];
    assert!(steps(&set, pods).is_empty());
}

#[test]
fn an_update_starts_at_the_highest_ordinal_and_waits_for_each() {
    let set = set(serde_json::json!({}));
    let pods = |top: &str, ready| {
        vec![
            pod(&set, 0, "old", "Running", true),
            pod(&set, 1, "old", "Running", true),
            pod(&set, 2, top, "Running", ready),
        ]
    };
    assert_eq!(steps(&set, pods("old", true)), ["delete w-2 Outdated"]);
    assert!(steps(&set, pods("new", false)).is_empty());
    assert_eq!(steps(&set, pods("new", true)), ["delete w-1 Outdated"]);
}

#[test]
fn a_partition_keeps_lower_ordinals_at_the_current_revision() {
    let set = set(serde_json::json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}}));
    let pods = vec![
        pod(&set, 0, "old", "Running", true),
        pod(&set, 1, "old", "Running", true),
        pod(&set, 2, "new", "Running", true),
    ];
    assert!(steps(&set, pods.clone()).is_empty());
    assert_eq!(steps(&set, vec![pods[0].clone()]), ["create 1 current"]);
}

#[test]
fn on_delete_replaces_nothing_by_itself() {
    let set = set(serde_json::json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}}));
    assert!(steps(&set, (0..3).map(|o| pod(&set, o, "old", "Running", true)).collect()).is_empty());
}

#[test]
fn a_failed_pod_is_deleted_to_be_made_again() {
    let set = set(serde_json::json!({}));
    assert_eq!(steps(&set, vec![pod(&set, 0, "new", "Failed", false)]), ["delete w-0 Failed"]);
}

#[test]
fn max_unavailable_lets_several_go_at_once() {
    let set = set(serde_json::json!({"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}}));
    let pods = (0..3).map(|o| pod(&set, o, "old", "Running", true)).collect();
    assert_eq!(steps(&set, pods), ["delete w-2 Outdated", "delete w-1 Outdated"]);
}

#[test]
fn a_set_on_its_way_out_makes_nothing() {
    let set = set(serde_json::json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    assert!(steps(&set, vec![]).is_empty());
}

#[test]
fn claims_are_owned_as_the_retention_policy_says() {
    let set = set(serde_json::json!({"spec": {"replicas": 1,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"}}}));
    let pods = (0..2).map(|o| pod(&set, o, "new", "Running", true)).collect();
    assert_eq!(steps(&set, pods), ["retain StatefulSet", "retain Pod", "delete w-1 ScaledDown"]);
}
