//! Rollouts, one move at a time.
#![allow(clippy::unwrap_used)]

use super::*;

fn spec(patch: serde_json::Value) -> DeploymentSpec {
    let mut json = serde_json::json!({"replicas": 4, "selector": {}, "template": {"metadata": {"labels": {"app": "d"}}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}});
    json_patch::merge(&mut json, &patch);
    serde_json::from_value(json).unwrap()
}

fn set(name: &str, size: i32, available: i32) -> Arc<ReplicaSet> {
    Arc::new(
        serde_json::from_value(
            serde_json::json!({"metadata": {"name": name}, "spec": {"replicas": size, "selector": {}},
            "status": {"replicas": size, "readyReplicas": available, "availableReplicas": available}}),
        )
        .unwrap(),
    )
}

fn moves(spec: &DeploymentSpec, new: (i32, i32), old: (i32, i32), old_pods: bool) -> Vec<(String, i32)> {
    resize(spec, &set("new", new.0, new.1), &[set("old", old.0, old.1)], old_pods)
}

fn to(name: &str, size: i32) -> Vec<(String, i32)> {
    vec![(name.to_owned(), size)]
}

#[test]
fn a_rollout_stays_within_surge_and_availability() {
    let spec = spec(serde_json::json!({}));
    assert_eq!(moves(&spec, (0, 0), (4, 4), true), to("new", 1));
    assert_eq!(moves(&spec, (1, 0), (4, 4), true), to("old", 3));
    assert_eq!(moves(&spec, (1, 0), (3, 3), true), to("new", 2));
    assert!(moves(&spec, (2, 0), (3, 3), true).is_empty());
    assert_eq!(moves(&spec, (2, 2), (3, 3), true), to("old", 1));
    assert_eq!(moves(&spec, (4, 4), (1, 1), true), to("old", 0));
}

#[test]
fn recreating_waits_until_every_old_pod_is_gone() {
    let spec = spec(serde_json::json!({"strategy": {"type": "Recreate", "rollingUpdate": null}}));
    assert_eq!(moves(&spec, (0, 0), (4, 4), true), to("old", 0));
    assert!(moves(&spec, (0, 0), (0, 0), true).is_empty());
    assert_eq!(moves(&spec, (0, 0), (0, 0), false), to("new", 4));
}

#[test]
fn old_pods_that_never_became_available_make_room() {
    let spec = spec(serde_json::json!({}));
    assert_eq!(moves(&spec, (1, 0), (4, 1), true), to("old", 3));
}

#[test]
fn a_complete_rollout_says_so() {
    let deployment: Deployment = serde_json::from_value(serde_json::json!({"metadata": {"generation": 3},
        "spec": serde_json::to_value(spec(serde_json::json!({}))).unwrap()}))
    .unwrap();
    let now = Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
    let status = status(&deployment, Some(&set("new", 4, 4)), &[set("old", 0, 0)], &now);
    let words: Vec<_> = status.conditions.unwrap().iter().map(|c| c.reason.clone().unwrap()).collect();
    assert_eq!(words, ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]);
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.updated_replicas, Some(4));
}
