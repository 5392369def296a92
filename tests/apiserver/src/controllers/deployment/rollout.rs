//! The arithmetic of a rollout. In: a Deployment and its ReplicaSets. Out: the sizes that the ReplicaSets should have
//! next, and the Deployment's status. Pure; the rules are those of kube-controller-manager's deployment controller.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetStatus,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Label that tells the pods of one template from those of another.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";

/// The template without the label that the controller adds.
pub(crate) fn bare(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    let meta = template.metadata.get_or_insert_default();
    if let Some(labels) = &mut meta.labels {
        labels.remove(HASH_LABEL);
    }
    template
}

/// The ReplicaSet with the Deployment's template, the oldest if there are several.
pub(crate) fn current<'a>(spec: &DeploymentSpec, sets: &'a [Arc<ReplicaSet>]) -> Option<&'a Arc<ReplicaSet>> {
    let wanted = bare(&spec.template);
    sets.iter()
        .filter(|s| s.spec.as_ref().and_then(|s| s.template.as_ref()).is_some_and(|t| bare(t) == wanted))
        .min_by_key(|s| s.metadata.creation_timestamp.as_ref().map(|t| t.0))
}

/// The wanted number of a ReplicaSet's pods.
pub(crate) fn size(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1)
}

fn count(set: &ReplicaSet, read: impl Fn(&ReplicaSetStatus) -> Option<i32>) -> i32 {
    set.status.as_ref().and_then(read).unwrap_or(0)
}

fn share(value: Option<&IntOrString>, of: i32, up: bool) -> i32 {
    match value {
        Some(IntOrString::Int(count)) => *count,
        Some(IntOrString::String(text)) => {
            let percent = text.trim_end_matches('%').parse::<i32>().unwrap_or(0);
            (of * percent + if up { 99 } else { 0 }) / 100
        }
        None => (of * 25 + if up { 99 } else { 0 }) / 100,
    }
}

/// How many pods more than wanted, and how many fewer, a rollout may run with.
pub(crate) fn slack(spec: &DeploymentSpec) -> (i32, i32) {
    let wanted = spec.replicas.unwrap_or(1);
    let rolling = spec.strategy.as_ref().and_then(|s| s.rolling_update.as_ref());
    let surge = share(rolling.and_then(|r| r.max_surge.as_ref()), wanted, true);
    let missing = share(rolling.and_then(|r| r.max_unavailable.as_ref()), wanted, false);
    // Both zero would never move.
    if surge == 0 && missing == 0 { (0, 1) } else { (surge, missing.min(wanted)) }
}

/// Whether old pods go before new ones come.
pub(crate) fn recreates(spec: &DeploymentSpec) -> bool {
    spec.strategy.as_ref().and_then(|s| s.type_.as_deref()) == Some("Recreate")
}

/// The next sizes of the ReplicaSets that should change. `new` is the one of the template.
pub(crate) fn resize(
    spec: &DeploymentSpec,
    new: &ReplicaSet,
    old: &[Arc<ReplicaSet>],
    old_pods: bool,
) -> Vec<(String, i32)> {
    let wanted = spec.replicas.unwrap_or(1);
    let name = |set: &ReplicaSet| set.metadata.name.clone().unwrap_or_default();
    let mut sizes = Vec::new();
    if spec.paused == Some(true) {
        return paused(wanted, new, old);
    }
    if recreates(spec) {
        sizes.extend(old.iter().filter(|s| size(s) > 0).map(|s| (name(s), 0)));
        if sizes.is_empty() && !old_pods && size(new) != wanted {
            sizes.push((name(new), wanted));
        }
        return sizes;
    }
    let (surge, missing) = slack(spec);
    let total: i32 = size(new) + old.iter().map(|s| size(s)).sum::<i32>();
    if size(new) > wanted {
        sizes.push((name(new), wanted));
        return sizes;
    }
    let room = (wanted + surge - total).max(0);
    let grown = (size(new) + room).min(wanted);
    if grown > size(new) {
        sizes.push((name(new), grown));
        return sizes;
    }
    // Old pods may go as far as enough available ones are left; unhealthy old ones are the first to go.
    let unavailable_new = size(new) - count(new, |s| s.available_replicas);
    let mut spare = (total - (wanted - missing) - unavailable_new).max(0);
    let mut left: Vec<(String, i32, i32)> =
        old.iter().map(|s| (name(s), size(s), count(s, |s| s.available_replicas))).collect();
    for (_, size, available) in &mut left {
        let cut = (*size - *available).clamp(0, spare);
        *size -= cut;
        spare -= cut;
    }
    let available: i32 = count(new, |s| s.available_replicas) + left.iter().map(|l| l.2.min(l.1)).sum::<i32>();
    let mut healthy = (available - (wanted - missing)).clamp(0, spare.max(0));
    for (_, size, available) in &mut left {
        let cut = (*size).min(*available).clamp(0, healthy);
        *size -= cut;
        healthy -= cut;
    }
    let changed = left.into_iter().zip(old).filter(|((_, next, _), set)| *next != size(set));
    sizes.extend(changed.map(|((name, next, _), _)| (name, next)));
    sizes
}

/// A paused Deployment still follows its number of replicas, with the ReplicaSet that has pods.
fn paused(wanted: i32, new: &ReplicaSet, old: &[Arc<ReplicaSet>]) -> Vec<(String, i32)> {
    let running: Vec<&ReplicaSet> =
        std::iter::once(new).chain(old.iter().map(|s| &**s)).filter(|s| size(s) > 0).collect();
    match running.as_slice() {
        [only] if size(only) != wanted => vec![(only.metadata.name.clone().unwrap_or_default(), wanted)],
        _ => Vec::new(),
    }
}

/// The Deployment's status. `new` is absent while the template has no ReplicaSet yet.
pub(crate) fn status(
    deployment: &Deployment,
    new: Option<&ReplicaSet>,
    old: &[Arc<ReplicaSet>],
    now: &Time,
) -> DeploymentStatus {
    let spec = deployment.spec.clone().unwrap_or_default();
    let all = || new.into_iter().chain(old.iter().map(|s| &**s));
    let sum = |read: fn(&ReplicaSetStatus) -> Option<i32>| all().map(|s| count(s, read)).sum::<i32>();
    let total = sum(|s| Some(s.replicas));
    let available = sum(|s| s.available_replicas);
    let updated = new.map_or(0, |s| count(s, |s| Some(s.replicas)));
    let wanted = spec.replicas.unwrap_or(1);
    let unavailable = (all().map(size).sum::<i32>() - available).max(0);
    let some = |count: i32| (count != 0).then_some(count);
    let mut status = DeploymentStatus {
        available_replicas: some(available),
        collision_count: deployment.status.as_ref().and_then(|s| s.collision_count),
        conditions: deployment.status.as_ref().and_then(|s| s.conditions.clone()),
        observed_generation: deployment.metadata.generation,
        ready_replicas: some(sum(|s| s.ready_replicas)),
        replicas: some(total),
        terminating_replicas: Some(sum(|s| s.terminating_replicas)),
        unavailable_replicas: some(unavailable),
        updated_replicas: some(updated),
    };
    let (_, missing) = slack(&spec);
    let missing = if recreates(&spec) { 0 } else { missing };
    let enough = available >= wanted - missing;
    let (reason, message) = match enough {
        true => ("MinimumReplicasAvailable", "Deployment has minimum availability."),
        false => ("MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
    };
    set_condition(&mut status, "Available", enough, reason, message.to_owned(), now, false);
    let Some(new) = new else { return status };
    let name = new.metadata.name.as_deref().unwrap_or_default();
    let complete = updated == wanted && total == wanted && available == wanted;
    let before = deployment.status.clone().unwrap_or_default();
    let progressed = updated > before.updated_replicas.unwrap_or(0)
        || total - updated < before.replicas.unwrap_or(0) - before.updated_replicas.unwrap_or(0)
        || available > before.available_replicas.unwrap_or(0)
        || status.ready_replicas > before.ready_replicas;
    let held = status.conditions.iter().flatten().find(|c| c.type_ == "Progressing").cloned();
    if complete {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        set_condition(&mut status, "Progressing", true, "NewReplicaSetAvailable", message, now, true);
    } else if progressed
        || held.is_none()
        || held.as_ref().is_some_and(|c| c.reason.as_deref() == Some("NewReplicaSetAvailable"))
    {
        let message = format!("ReplicaSet \"{name}\" is progressing.");
        set_condition(&mut status, "Progressing", true, "ReplicaSetUpdated", message, now, true);
    } else if held.is_some_and(|c| overdue(&c, &spec, now)) {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        set_condition(&mut status, "Progressing", false, "ProgressDeadlineExceeded", message, now, true);
    }
    status
}

fn overdue(condition: &DeploymentCondition, spec: &DeploymentSpec, now: &Time) -> bool {
    let deadline = i64::from(spec.progress_deadline_seconds.unwrap_or(600));
    let since = condition.last_update_time.as_ref().map_or(now.0.as_second(), |t| t.0.as_second());
    spec.paused != Some(true)
        && condition.reason.as_deref() != Some("ProgressDeadlineExceeded")
        && now.0.as_second() - since > deadline
}

fn set_condition(
    status: &mut DeploymentStatus,
    type_: &str,
    value: bool,
    reason: &str,
    message: String,
    now: &Time,
    update: bool,
) {
    let value = if value { "True" } else { "False" };
    let conditions = status.conditions.get_or_insert_default();
    let held = conditions.iter().position(|c| c.type_ == type_);
    let before = held.map(|at| conditions[at].clone());
    let same = before.as_ref().is_some_and(|b| {
        b.status == value && b.reason.as_deref() == Some(reason) && (!update || b.message.as_ref() == Some(&message))
    });
    if same && reason != "ReplicaSetUpdated" {
        return;
    }
    let transition = before.filter(|b| b.status == value).and_then(|b| b.last_transition_time);
    let condition = DeploymentCondition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(now.clone()),
        last_transition_time: transition.or_else(|| Some(now.clone())),
    };
    match held {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests;
