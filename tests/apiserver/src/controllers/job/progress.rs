//! The arithmetic of a Job. In: the Job, its pods, the time. Out: its next status, which pods to make, to delete, to
//! release from tracking, and when to look again. Pure; the rules are those of kube-controller-manager
//! (`job_controller.go`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::indexes;
use crate::controllers::pods;

/// Finalizer that keeps a pod until it was counted.
pub(crate) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// First wait after a failed pod, doubled with each further one.
const BACKOFF: i64 = 10;
/// Longest wait after a failed pod.
const LONGEST_BACKOFF: i64 = 600;

/// What to do about a Job.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) status: JobStatus,
    /// Completion indexes of the pods to make; `None` for Jobs that do not count by index.
    pub(crate) create: Vec<Option<i32>>,
    pub(crate) delete: Vec<Arc<Pod>>,
    /// Pods that are counted once the status is written; their finalizer can go then.
    pub(crate) release: Vec<Arc<Pod>>,
    pub(crate) wake: Option<Duration>,
    /// Set when this pass is the one that ends the Job or changes whether it runs.
    pub(crate) news: Option<News>,
}

/// What is worth an event.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) enum News {
    Completed,
    Failed { reason: &'static str, message: &'static str },
    Suspended,
    Resumed,
}

/// Whether a condition of this type holds.
pub(crate) fn has(status: &JobStatus, type_: &str) -> bool {
    status.conditions.iter().flatten().any(|c| c.type_ == type_ && c.status == "True")
}

/// Whether the Job has ended.
pub(crate) fn is_finished(job: &Job) -> bool {
    job.status.as_ref().is_some_and(|s| has(s, "Complete") || has(s, "Failed"))
}

fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|f| f == TRACKING)
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

/// Whether the Job counts completions by index.
pub(crate) fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

fn set_condition(status: &mut JobStatus, type_: &str, value: &str, reason: &str, message: &str, now: &Time) {
    let conditions = status.conditions.get_or_insert_default();
    let wanted = JobCondition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
    };
    match conditions.iter_mut().find(|c| c.type_ == type_) {
        Some(held) if held.status == value && held.reason == wanted.reason => {}
        Some(held) => *held = wanted,
        None => conditions.push(wanted),
    }
}

/// How the Job ended, or is about to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed { reason: &'static str, message: &'static str },
}

struct Counts {
    succeeded: i32,
    failed: i32,
    active: Vec<Arc<Pod>>,
    terminating: i32,
    completed: BTreeSet<i32>,
}

/// Works out the next step. `members` are the pods that the Job controls.
pub(crate) fn progress(job: &Job, members: &[Arc<Pod>], now: Timestamp) -> Progress {
    let spec = job.spec.clone().unwrap_or_default();
    let mut status = job.status.clone().unwrap_or_default();
    let at = Time(Timestamp::from_second(now.as_second()).unwrap_or(Timestamp::UNIX_EPOCH));
    let mut out = Progress::default();
    if is_finished(job) || job.metadata.deletion_timestamp.is_some() {
        // What is left keeps its finalizer for nothing.
        out.release = members.iter().filter(|p| is_tracked(p)).cloned().collect();
        out.status = status;
        return out;
    }
    let suspended = spec.suspend == Some(true);
    if !suspended && status.start_time.is_none() {
        status.start_time = Some(at.clone());
    }
    let counts = count(&spec, &mut status, members, &mut out);
    let end = ending(&spec, &status, &counts, now, &mut out);
    match end {
        Some(end) => conclude(&mut status, end, &counts, members, &at, &mut out),
        None if suspended => {
            out.delete = counts.active.clone();
            if !has(&status, "Suspended") {
                set_condition(&mut status, "Suspended", "True", "JobSuspended", "Job suspended", &at);
                status.start_time = None;
                out.news = Some(News::Suspended);
            }
        }
        None => {
            if has(&status, "Suspended") {
                set_condition(&mut status, "Suspended", "False", "JobResumed", "Job resumed", &at);
                status.start_time = Some(at.clone());
                out.news = Some(News::Resumed);
            }
            populate(&spec, &counts, members, now, &mut out);
        }
    }
    let active = counts.active.len() as i32 - out.delete.len() as i32;
    let ready = counts.active.iter().filter(|p| pods::has_ready_condition(p)).count() as i32;
    let ended = has(&status, "Complete") || has(&status, "Failed");
    status.active = (active > 0 && end.is_none()).then_some(active);
    status.ready = Some(if ended { 0 } else { ready });
    status.terminating = Some(if ended { 0 } else { counts.terminating + out.delete.len() as i32 });
    if is_indexed(&spec) && !counts.completed.is_empty() {
        status.completed_indexes = Some(indexes::write(&counts.completed));
    }
    out.status = status;
    out
}

/// Sorts the pods; moves ended ones into `uncounted` and, once their finalizer is gone, into the counters.
fn count(spec: &JobSpec, status: &mut JobStatus, members: &[Arc<Pod>], out: &mut Progress) -> Counts {
    let mut uncounted = status.uncounted_terminated_pods.take().unwrap_or_default();
    let held: BTreeSet<String> = members.iter().filter(|p| is_tracked(p)).map(|p| uid(p)).collect();
    let settle = |list: &mut Option<Vec<String>>, counter: &mut Option<i32>| {
        let (keep, done): (Vec<_>, Vec<_>) =
            list.take().unwrap_or_default().into_iter().partition(|u| held.contains(u));
        if !done.is_empty() {
            *counter = Some(counter.unwrap_or(0) + done.len() as i32);
        }
        *list = (!keep.is_empty()).then_some(keep);
    };
    settle(&mut uncounted.succeeded, &mut status.succeeded);
    settle(&mut uncounted.failed, &mut status.failed);
    let mut completed = indexes::read(status.completed_indexes.as_deref().unwrap_or_default());
    let limit = spec.completions.unwrap_or(i32::MAX);
    let (mut active, mut terminating) = (Vec::new(), 0);
    for pod in members {
        let ended = pods::is_finished(pod);
        // With the default policy a terminating pod counts as failed once its deletion began.
        let replaceable = pods::is_terminating(pod) && spec.pod_replacement_policy.as_deref() != Some("Failed");
        if !ended {
            match pods::is_terminating(pod) {
                true => terminating += 1,
                false => active.push(pod.clone()),
            }
        }
        if !is_tracked(pod) || !(ended || replaceable) {
            continue;
        }
        let succeeded = pods::phase(pod) == "Succeeded";
        let listed = uncounted.succeeded.iter().chain(&uncounted.failed).flatten().any(|u| *u == uid(pod));
        if !listed {
            let index = indexes::of(pod);
            match (succeeded, is_indexed(spec), index) {
                (true, true, Some(index)) => {
                    // An index counts once, however many pods finish it.
                    if index < limit && completed.insert(index) {
                        uncounted.succeeded.get_or_insert_default().push(uid(pod));
                    }
                }
                (true, ..) => uncounted.succeeded.get_or_insert_default().push(uid(pod)),
                (false, ..) => uncounted.failed.get_or_insert_default().push(uid(pod)),
            }
        }
        out.release.push(pod.clone());
    }
    let pending = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len) as i32;
    let succeeded = status.succeeded.unwrap_or(0) + pending(&uncounted.succeeded);
    let failed = status.failed.unwrap_or(0) + pending(&uncounted.failed);
    status.uncounted_terminated_pods = Some(uncounted);
    Counts { succeeded, failed, active, terminating, completed }
}

/// Whether the Job is over, and how.
fn ending(spec: &JobSpec, status: &JobStatus, counts: &Counts, now: Timestamp, out: &mut Progress) -> Option<End> {
    if has(status, "SuccessCriteriaMet") {
        return Some(End::Completed);
    }
    if let Some(target) = status.conditions.iter().flatten().find(|c| c.type_ == "FailureTarget" && c.status == "True")
    {
        return Some(match target.reason.as_deref() {
            Some("DeadlineExceeded") => DEADLINE,
            _ => BACKOFF_LIMIT,
        });
    }
    let complete = match spec.completions {
        _ if is_indexed(spec) => counts.completed.len() as i32 >= spec.completions.unwrap_or(1),
        Some(wanted) => counts.succeeded >= wanted,
        // Without a number the Job is done when one pod succeeded and none runs any more.
        None => counts.succeeded > 0 && counts.active.is_empty(),
    };
    let restarts = match restarts_in_place(spec) {
        true => counts.active.iter().map(|p| restart_count(p)).sum::<i32>(),
        false => 0,
    };
    if counts.failed.saturating_add(restarts) > spec.backoff_limit.unwrap_or(6) {
        return Some(BACKOFF_LIMIT);
    }
    if let (Some(seconds), Some(Time(start)), false) =
        (spec.active_deadline_seconds, &status.start_time, spec.suspend == Some(true))
    {
        let left = start.as_second() + seconds - now.as_second();
        if left <= 0 && !complete {
            return Some(DEADLINE);
        }
        out.wake = Some(Duration::from_secs(left.max(0) as u64));
    }
    complete.then_some(End::Completed)
}

const BACKOFF_LIMIT: End =
    End::Failed { reason: "BackoffLimitExceeded", message: "Job has reached the specified backoff limit" };
const DEADLINE: End =
    End::Failed { reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" };

fn restarts_in_place(spec: &JobSpec) -> bool {
    spec.template.spec.as_ref().and_then(|s| s.restart_policy.as_deref()) == Some("OnFailure")
}

fn restart_count(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|s| s.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|c| c.restart_count).sum()
}

/// First the condition that announces the end, then, with every pod counted and gone, the one that says it.
fn conclude(status: &mut JobStatus, end: End, counts: &Counts, members: &[Arc<Pod>], at: &Time, out: &mut Progress) {
    out.wake = None;
    out.delete = counts.active.clone();
    let (announce, last, reason, message) = match end {
        End::Completed => {
            ("SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
        }
        End::Failed { reason, message } => ("FailureTarget", "Failed", reason, message),
    };
    let announced = has(status, announce);
    set_condition(status, announce, "True", reason, message, at);
    let uncounted = status.uncounted_terminated_pods.clone().unwrap_or_default();
    let settled = uncounted == UncountedTerminatedPods::default();
    let all_ended = members.iter().all(|p| pods::is_finished(p) && !is_tracked(p));
    if announced && settled && all_ended {
        set_condition(status, last, "True", reason, message, at);
        out.news = Some(match end {
            End::Completed => News::Completed,
            End::Failed { reason, message } => News::Failed { reason, message },
        });
        if end == End::Completed {
            status.completion_time = Some(at.clone());
        }
    }
}

/// How many pods run at a time, after the wait that failed ones cost.
fn populate(spec: &JobSpec, counts: &Counts, members: &[Arc<Pod>], now: Timestamp, out: &mut Progress) {
    let parallelism = spec.parallelism.unwrap_or(1).max(0);
    let active = counts.active.len() as i32;
    let running = match spec.pod_replacement_policy.as_deref() {
        Some("Failed") => active + counts.terminating,
        _ => active,
    };
    let wanted = match spec.completions {
        Some(completions) => parallelism.min((completions - counts.succeeded).max(0)),
        None if counts.succeeded > 0 => active.min(parallelism),
        None => parallelism,
    };
    if active > wanted {
        let mut surplus = counts.active.clone();
        surplus.sort_by_key(|p| (pods::has_ready_condition(p), pods::phase(p) == "Running"));
        surplus.truncate((active - wanted) as usize);
        out.delete = surplus;
        return;
    }
    let missing = wanted - running;
    if missing <= 0 {
        return;
    }
    let left = backoff_left(members, counts.failed, now);
    if left > 0 {
        let left = Duration::from_secs(left as u64);
        out.wake = Some(out.wake.map_or(left, |w| w.min(left)));
        return;
    }
    if is_indexed(spec) {
        let used: BTreeSet<i32> = counts.active.iter().filter_map(|p| indexes::of(p)).collect();
        let free = (0..spec.completions.unwrap_or(1)).filter(|i| !used.contains(i) && !counts.completed.contains(i));
        out.create = free.take(missing as usize).map(Some).collect();
    } else {
        out.create = vec![None; missing as usize];
    }
}

/// Seconds until the next pod may be made after failures.
fn backoff_left(members: &[Arc<Pod>], failed: i32, now: Timestamp) -> i64 {
    let last_failure = members.iter().filter(|p| pods::phase(p) == "Failed").filter_map(|p| finished_at(p)).max();
    let last_success = members.iter().filter(|p| pods::phase(p) == "Succeeded").filter_map(|p| finished_at(p)).max();
    let Some(at) = last_failure.filter(|f| last_success.is_none_or(|s| s < *f)) else { return 0 };
    let wait = BACKOFF.saturating_mul(1 << (failed - 1).clamp(0, 10)).min(LONGEST_BACKOFF);
    (at.as_second() + wait - now.as_second()).max(0)
}

fn finished_at(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref().and_then(|s| s.container_statuses.as_ref()).into_iter().flatten();
    let ended = statuses.filter_map(|c| c.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref().map(|t| t.0)).max();
    let unready = pods::condition(pod, "Ready").filter(|c| c.status == "False");
    let unready = unready.and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0);
    let created = pod.metadata.creation_timestamp.as_ref().map(|t| t.0);
    ended.or(unready).or(created)
}

#[cfg(test)]
mod tests;
