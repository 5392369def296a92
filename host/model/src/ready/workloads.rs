//! Readiness of what runs pods. In: the live object. Out: the judgement, by the rules that `kubectl rollout status` uses.

use super::{Readiness, at, because, condition, integer, is_true, stale, text};
use serde_json::Value;

/// A workload's controller writes `observedGeneration` with its first look; before that nothing is known.
fn unseen(object: &Value) -> Option<Readiness> {
    if integer(object, &["status", "observedGeneration"]).is_none() {
        return Some(Readiness::no("its controller has not seen it yet"));
    }
    stale(object)
}

fn count(object: &Value, field: &str) -> i64 {
    integer(object, &["status", field]).unwrap_or_default()
}

/// Replicas that are asked for; the server fills in 1.
fn wanted(object: &Value) -> i64 {
    integer(object, &["spec", "replicas"]).unwrap_or(1)
}

pub(super) fn stateful_set(object: &Value) -> Readiness {
    if let Some(wait) = unseen(object) {
        return wait;
    }
    let wanted = wanted(object);
    let ready = count(object, "readyReplicas");
    if ready < wanted {
        return Readiness::no(&format!("{ready} of {wanted} replicas ready"));
    }
    let on_delete = text(object, &["spec", "updateStrategy", "type"]) == Some("OnDelete");
    let partition = integer(object, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or_default();
    let updated = count(object, "updatedReplicas");
    let to_update = wanted.saturating_sub(partition.max(0)).max(0);
    // With OnDelete nothing is updated until a pod is deleted, so that waiting for it would never end. Once all pods are
    // of one revision the controller may leave updatedReplicas at zero.
    let revision = text(object, &["status", "currentRevision"]);
    let one_revision = revision.is_some() && revision == text(object, &["status", "updateRevision"]);
    if !on_delete && !one_revision && updated < to_update {
        return Readiness::no(&format!("{updated} of {to_update} replicas updated"));
    }
    let replicas = count(object, "replicas");
    if replicas > wanted {
        return Readiness::no(&format!("{} replicas to remove", replicas - wanted));
    }
    Readiness::yes(&format!("{ready} of {wanted} replicas ready"))
}

pub(super) fn deployment(object: &Value) -> Readiness {
    if let Some(wait) = unseen(object) {
        return wait;
    }
    let progress = condition(object, "Progressing");
    if let Some(progress) = progress
        && progress.get("reason").and_then(Value::as_str) == Some("ProgressDeadlineExceeded")
    {
        return Readiness::no(&because("progressing", progress));
    }
    let wanted = wanted(object);
    let updated = count(object, "updatedReplicas");
    let available = count(object, "availableReplicas");
    let replicas = count(object, "replicas");
    if updated < wanted {
        Readiness::no(&format!("{updated} of {wanted} replicas updated"))
    } else if replicas > updated {
        Readiness::no(&format!("{} old replicas to remove", replicas - updated))
    } else if available < wanted {
        Readiness::no(&format!("{available} of {wanted} replicas available"))
    } else {
        Readiness::yes(&format!("{available} of {wanted} replicas available"))
    }
}

pub(super) fn daemon_set(object: &Value) -> Readiness {
    if let Some(wait) = unseen(object) {
        return wait;
    }
    let wanted = count(object, "desiredNumberScheduled");
    let ready = count(object, "numberReady");
    let updated = count(object, "updatedNumberScheduled");
    let on_delete = text(object, &["spec", "updateStrategy", "type"]) == Some("OnDelete");
    if !on_delete && updated < wanted {
        Readiness::no(&format!("{updated} of {wanted} pods updated"))
    } else if ready < wanted {
        Readiness::no(&format!("{ready} of {wanted} pods ready"))
    } else {
        Readiness::yes(&format!("{ready} of {wanted} pods ready"))
    }
}

pub(super) fn replica_set(object: &Value) -> Readiness {
    if let Some(wait) = unseen(object) {
        return wait;
    }
    let wanted = wanted(object);
    let ready = count(object, "readyReplicas");
    let reason = format!("{ready} of {wanted} replicas ready");
    if ready < wanted { Readiness::no(&reason) } else { Readiness::yes(&reason) }
}

/// A Job is ready when it is complete: what comes after it needs what it did.
pub(super) fn job(object: &Value) -> Readiness {
    for failed in ["Failed", "FailureTarget"] {
        if let Some(condition) = condition(object, failed)
            && is_true(condition)
        {
            let reason = condition.get("reason").and_then(Value::as_str).unwrap_or("no reason given");
            let message = condition.get("message").and_then(Value::as_str).unwrap_or_default();
            return Readiness::no(&format!("failed ({reason}): {message}"));
        }
    }
    if condition(object, "Complete").is_some_and(is_true) {
        return Readiness::yes("is complete");
    }
    if condition(object, "Suspended").is_some_and(is_true) {
        return Readiness::no("is suspended");
    }
    let wanted = integer(object, &["spec", "completions"]).unwrap_or(1);
    Readiness::no(&format!("{} of {wanted} completions", count(object, "succeeded")))
}

pub(super) fn pod(object: &Value) -> Readiness {
    match text(object, &["status", "phase"]) {
        Some("Succeeded") => Readiness::yes("is complete"),
        Some("Failed") => {
            let reason = text(object, &["status", "reason"]).unwrap_or("no reason given");
            Readiness::no(&format!("failed ({reason})"))
        }
        _ => match condition(object, "Ready") {
            Some(condition) if is_true(condition) => Readiness::yes("is Ready"),
            Some(condition) => Readiness::no(&because("Ready", condition)),
            None => match at(object, &["spec", "nodeName"]) {
                Some(_) => Readiness::no("waits for its node to start it"),
                None => Readiness::no("waits for a node"),
            },
        },
    }
}
