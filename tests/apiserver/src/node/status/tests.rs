//! Pod status, by what the runtime reports.
#![allow(clippy::unwrap_used)]

use k8s_openapi::jiff::Timestamp;

use super::*;

fn pod(policy: &str) -> Pod {
    serde_json::from_value(serde_json::json!({"metadata": {"name": "w-0", "namespace": "n", "uid": "u"},
        "spec": {"restartPolicy": policy, "containers": [{"name": "m", "image": "m:1"}]}}))
    .unwrap()
}

fn at(seconds: i64) -> Time {
    Time(Timestamp::from_second(seconds).unwrap())
}

fn report(ready: bool, state: ContainerState, last: Option<ContainerState>) -> PodReport {
    PodReport {
        namespace: "n".into(),
        name: "w-0".into(),
        uid: "u".into(),
        containers: vec![ContainerReport { started: true, ready, state, last, ..ContainerReport::new("m") }],
        init: Vec::new(),
        evicted: None,
    }
}

fn running() -> ContainerState {
    ContainerState::Running { since: at(1) }
}

fn over(code: i32) -> ContainerState {
    ContainerState::Ended { code, started: at(1), finished: at(2), message: None }
}

fn ready(status: &PodStatus) -> &str {
    &status.conditions.as_ref().unwrap().iter().find(|c| c.type_ == "Ready").unwrap().status
}

#[test]
fn a_running_pod_is_ready_and_its_status_settles() {
    let mut pod = pod("Always");
    let first = status(&pod, &report(true, running(), None), "127.16.0.1", &at(5));
    assert_eq!((first.phase.as_deref(), ready(&first)), (Some("Running"), "True"));
    assert_eq!(newly_started(&pod, &first), ["m"]);
    pod.status = Some(first.clone());
    assert_eq!(status(&pod, &report(true, running(), None), "127.16.0.1", &at(9)), first);
    assert!(newly_started(&pod, &first).is_empty());
}

#[test]
fn the_restart_policy_decides_what_an_end_means() {
    let phase =
        |policy, code| status(&pod(policy), &report(false, over(code), None), "127.16.0.1", &at(5)).phase.unwrap();
    assert_eq!(phase("Never", 0), "Succeeded");
    assert_eq!(phase("Never", 1), "Failed");
    assert_eq!(phase("OnFailure", 0), "Succeeded");
    assert_eq!(phase("OnFailure", 1), "Running");
    assert_eq!(phase("Always", 0), "Running");
}

#[test]
fn a_pod_with_an_unready_container_names_it() {
    let status = status(&pod("Always"), &report(false, running(), None), "127.16.0.1", &at(5));
    assert_eq!(ready(&status), "False");
    let condition = status.conditions.unwrap().into_iter().find(|c| c.type_ == "ContainersReady").unwrap();
    assert_eq!(condition.message.as_deref(), Some("containers with unready status: [m]"));
}

#[test]
fn a_closed_readiness_gate_keeps_a_pod_unready() {
    let mut pod = pod("Always");
    pod.spec.as_mut().unwrap().readiness_gates =
        Some(vec![k8s_openapi::api::core::v1::PodReadinessGate { condition_type: "x/y".into() }]);
    let closed = status(&pod, &report(true, running(), None), "127.16.0.1", &at(5));
    assert_eq!(ready(&closed), "False");
    let open = PodCondition { type_: "x/y".into(), status: "True".into(), ..PodCondition::default() };
    pod.status = Some(PodStatus { conditions: Some(vec![open]), ..PodStatus::default() });
    assert_eq!(ready(&status(&pod, &report(true, running(), None), "127.16.0.1", &at(5))), "True");
}

#[test]
fn a_crashing_container_waits_while_the_pod_counts_as_running() {
    let waiting = ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    let status = status(&pod("Always"), &report(false, waiting, Some(over(1))), "127.16.0.1", &at(5));
    assert_eq!((status.phase.as_deref(), ready(&status)), (Some("Running"), "False"));
}
