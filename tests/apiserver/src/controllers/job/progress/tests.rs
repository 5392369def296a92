//! A Job's life, step by step.
#![allow(clippy::unwrap_used)]

use super::*;

const NOW: i64 = 1_000_000;

fn job(patch: serde_json::Value) -> Job {
    let mut json = serde_json::json!({"metadata": {"name": "j", "namespace": "n", "uid": "j"}, "spec": {
        "completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed",
        "template": {"spec": {"restartPolicy": "Never", "containers": []}}}});
    json_patch::merge(&mut json, &patch);
    serde_json::from_value(json).unwrap()
}

fn pod(uid: &str, phase: &str, tracked: bool) -> Arc<Pod> {
    let finalizers = if tracked { vec![TRACKING] } else { vec![] };
    let json = serde_json::json!({"metadata": {"name": uid, "uid": uid, "finalizers": finalizers},
        "status": {"phase": phase, "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 0, "finishedAt": "1970-01-12T13:46:30Z"}}}]}});
    Arc::new(serde_json::from_value(json).unwrap())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn conditions(status: &JobStatus) -> Vec<String> {
    status.conditions.iter().flatten().map(|c| format!("{}={}", c.type_, c.status)).collect()
}

/// Applies a status and goes one step further.
fn next(mut job: Job, status: JobStatus, pods: &[Arc<Pod>]) -> (Job, Progress) {
    job.status = Some(status);
    let out = progress(&job, pods, at(NOW));
    (job, out)
}

#[test]
fn a_new_job_starts_its_pods_and_notes_when() {
    let out = progress(&job(serde_json::json!({"spec": {"completions": 5, "parallelism": 2}})), &[], at(NOW));
    assert_eq!(out.create.len(), 2);
    assert_eq!(out.status.start_time, Some(Time(at(NOW))));
    assert_eq!(out.status.active, None);
}

#[test]
fn a_succeeded_pod_is_noted_then_released_then_counted_then_the_job_completes() {
    let first = progress(&job(serde_json::json!({})), &[pod("p", "Succeeded", true)], at(NOW));
    assert_eq!(first.status.uncounted_terminated_pods.clone().unwrap().succeeded.unwrap(), ["p"]);
    assert_eq!(first.release.len(), 1);
    assert_eq!(conditions(&first.status), ["SuccessCriteriaMet=True"]);
    assert_eq!(first.status.succeeded, None);
    let (_, second) = next(job(serde_json::json!({})), first.status, &[pod("p", "Succeeded", false)]);
    assert_eq!(second.status.succeeded, Some(1));
    assert_eq!(conditions(&second.status), ["SuccessCriteriaMet=True", "Complete=True"]);
    assert_eq!(second.news, Some(News::Completed));
    assert_eq!(second.status.active, None);
    assert_eq!(second.status.completion_time, Some(Time(at(NOW))));
    let (_, third) = next(job(serde_json::json!({})), second.status.clone(), &[pod("p", "Succeeded", false)]);
    assert_eq!(third.status, second.status);
    assert!(third.create.is_empty());
}

#[test]
fn more_failures_than_the_limit_end_the_job() {
    let wanted = job(serde_json::json!({"spec": {"backoffLimit": 0}}));
    let first = progress(&wanted, &[pod("p", "Failed", true)], at(NOW));
    assert_eq!(conditions(&first.status), ["FailureTarget=True"]);
    let (_, second) = next(wanted, first.status, &[pod("p", "Failed", false)]);
    assert_eq!(conditions(&second.status), ["FailureTarget=True", "Failed=True"]);
    assert_eq!(second.status.failed, Some(1));
    assert!(matches!(second.news, Some(News::Failed { reason: "BackoffLimitExceeded", .. })));
}

#[test]
fn a_failed_pod_is_replaced_only_after_its_wait() {
    let wanted = job(serde_json::json!({}));
    let ended = 999_990;
    let early = progress(&wanted, &[pod("p", "Failed", true)], at(ended + 4));
    assert!(early.create.is_empty());
    assert_eq!(early.wake, Some(Duration::from_secs(6)));
    let late = progress(&wanted, &[pod("p", "Failed", true)], at(ended + 10));
    assert_eq!(late.create.len(), 1);
}

#[test]
fn the_deadline_fails_a_running_job_and_deletes_its_pods() {
    let wanted = job(serde_json::json!({"spec": {"activeDeadlineSeconds": 30},
        "status": {"startTime": "1970-01-12T13:46:00Z"}}));
    let out = progress(&wanted, &[pod("p", "Running", true)], at(NOW));
    assert_eq!(conditions(&out.status), ["FailureTarget=True"]);
    assert_eq!(out.delete.len(), 1);
    let before = progress(&wanted, &[pod("p", "Running", true)], at(NOW - 20));
    assert_eq!(before.wake, Some(Duration::from_secs(10)));
}

#[test]
fn suspending_deletes_the_pods_and_resuming_starts_the_clock_again() {
    let wanted = job(serde_json::json!({"spec": {"suspend": true}}));
    let out = progress(&wanted, &[pod("p", "Running", true)], at(NOW));
    assert_eq!(out.delete.len(), 1);
    assert_eq!(out.status.start_time, None);
    assert_eq!(conditions(&out.status), ["Suspended=True"]);
    let (_, resumed) = next(job(serde_json::json!({})), out.status, &[]);
    assert_eq!(conditions(&resumed.status), ["Suspended=False"]);
    assert_eq!(resumed.create.len(), 1);
    assert!(resumed.status.start_time.is_some());
}

#[test]
fn an_indexed_job_makes_the_missing_indexes() {
    let wanted = job(serde_json::json!({"spec": {"completions": 4, "parallelism": 2, "completionMode": "Indexed"},
        "status": {"completedIndexes": "0,2", "succeeded": 2, "startTime": "1970-01-12T13:46:00Z"}}));
    let out = progress(&wanted, &[], at(NOW));
    assert_eq!(out.create, [Some(1), Some(3)]);
}

#[test]
fn a_finished_job_lets_go_of_what_it_still_holds() {
    let wanted = job(serde_json::json!({"status": {"conditions": [{"type": "Failed", "status": "True"}]}}));
    let out = progress(&wanted, &[pod("p", "Failed", true)], at(NOW));
    assert_eq!(out.release.len(), 1);
    assert_eq!(Some(out.status), wanted.status);
}
