//! PodDisruptionBudget status. In: budgets, the pods they select, how many of those their controllers want. Out: how
//! many may be evicted now.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::context::{Context, follow};
use super::ownership::{controller_key, controller_of};
use super::pods;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::selector;
use crate::machinery::workers::Pass;

const COMPONENT: &str = "disruption-controller";
/// How long an eviction counts against the budget before its pod's deletion is seen.
const EVICTION_SECONDS: i64 = 120;

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.budgets, &queue);
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        let pod = new.or(old);
        let namespace = pod.and_then(|p| p.metadata.namespace.as_deref()).unwrap_or_default();
        for budget in held.budgets.in_namespace(namespace) {
            if [old, new].into_iter().flatten().any(|p| selects(&budget, p)) {
                q.add(Key::of(&*budget));
            }
        }
    });
    // The number of pods that a StatefulSet or ReplicaSet wants enters a budget given as a share.
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.statefulsets.on_change(move |_, new| again(&held, &q, new.and_then(|s| s.metadata.namespace.as_deref())));
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.replicasets.on_change(move |_, new| again(&held, &q, new.and_then(|s| s.metadata.namespace.as_deref())));
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, 2, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

fn again(ctx: &Context, queue: &Queue<Key>, namespace: Option<&str>) {
    for budget in ctx.budgets.in_namespace(namespace.unwrap_or_default()) {
        queue.add(Key::of(&*budget));
    }
}

/// An absent selector selects nothing, an empty one everything (policy/v1).
fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let wanted = budget.spec.as_ref().and_then(|s| s.selector.as_ref());
    wanted.is_some_and(|s| selector::matches(s, pod.metadata.labels.as_ref()))
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    let Some(budget) = ctx.budgets.get(key) else { return Ok(None) };
    let all = ctx.pods.in_namespace(&key.namespace);
    let members: Vec<_> = all.into_iter().filter(|p| selects(&budget, p)).collect();
    let wanted = wanted_by_controllers(ctx, &members);
    let status = status(&budget, &members, wanted, &ctx.clock.time());
    if budget.status.as_ref() != Some(&status) {
        ctx.budgets.replace_status(&budget, &status).await?;
    }
    Ok(None)
}

/// How many pods the controllers of these pods want together; `None` if a pod has no controller with a scale.
fn wanted_by_controllers(ctx: &Context, members: &[Arc<Pod>]) -> Option<i32> {
    let mut by_uid: HashMap<String, i32> = HashMap::new();
    for pod in members {
        let owner = controller_of(&pod.metadata)?;
        if by_uid.contains_key(&owner.uid) {
            continue;
        }
        let key = Key::new(pod.metadata.namespace.clone().unwrap_or_default(), owner.name.clone());
        let (uid, wanted) = match owner.kind.as_str() {
            "StatefulSet" => (owner.uid.clone(), ctx.statefulsets.get(&key)?.spec.as_ref()?.replicas.unwrap_or(1)),
            "ReplicaSet" => {
                let set = ctx.replicasets.get(&key)?;
                match controller_key(&set.metadata, "Deployment") {
                    // During a rollout the Deployment's number counts, not that of each ReplicaSet.
                    Some(parent) => {
                        let deployment = ctx.deployments.get(&parent)?;
                        let uid = deployment.metadata.uid.clone().unwrap_or_default();
                        (uid, deployment.spec.as_ref()?.replicas.unwrap_or(1))
                    }
                    None => (owner.uid.clone(), set.spec.as_ref()?.replicas.unwrap_or(1)),
                }
            }
            _ => return None,
        };
        by_uid.insert(uid, wanted);
    }
    Some(by_uid.values().sum())
}

/// A share of `of`, rounded up as the API documents for both fields.
fn amount(value: &IntOrString, of: i32) -> i32 {
    match value {
        IntOrString::Int(count) => *count,
        IntOrString::String(text) => {
            let percent = text.trim_end_matches('%').parse::<i64>().unwrap_or(0);
            i32::try_from((i64::from(of) * percent + 99) / 100).unwrap_or(i32::MAX)
        }
    }
}

/// Expected pods and how many of them must stay healthy.
fn requirement(spec: &PodDisruptionBudgetSpec, count: i32, wanted: Option<i32>) -> (i32, i32) {
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(max), _) => {
            let expected = wanted.unwrap_or(count);
            (expected, (expected - amount(max, expected)).max(0))
        }
        (None, Some(IntOrString::Int(min))) => (count, *min),
        (None, Some(min)) => {
            let expected = wanted.unwrap_or(count);
            (expected, amount(min, expected))
        }
        // The default of the API: one pod must stay.
        (None, None) => (count, 1),
    }
}

/// The status of a budget.
fn status(
    budget: &PodDisruptionBudget,
    members: &[Arc<Pod>],
    wanted: Option<i32>,
    now: &Time,
) -> PodDisruptionBudgetStatus {
    let spec = budget.spec.clone().unwrap_or_default();
    let held = budget.status.clone().unwrap_or_default();
    let members: Vec<_> = members.iter().filter(|p| !pods::is_finished(p)).collect();
    let count = members.len() as i32;
    let (expected, desired) = requirement(&spec, count, wanted);
    let here: HashSet<&str> =
        members.iter().filter(|p| !pods::is_terminating(p)).filter_map(|p| p.metadata.name.as_deref()).collect();
    let recent = |name: &String, at: &Time| {
        here.contains(name.as_str()) && now.0.as_second() - at.0.as_second() < EVICTION_SECONDS
    };
    let disrupted: BTreeMap<_, _> =
        held.disrupted_pods.unwrap_or_default().into_iter().filter(|(name, at)| recent(name, at)).collect();
    let healthy = members
        .iter()
        .filter(|p| !pods::is_terminating(p) && pods::has_ready_condition(p))
        .filter(|p| p.metadata.name.as_ref().is_none_or(|n| !disrupted.contains_key(n)))
        .count() as i32;
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let (value, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let mut conditions = held.conditions.unwrap_or_default();
    let before = conditions.iter().position(|c| c.type_ == "DisruptionAllowed");
    let since = before.map(|at| &conditions[at]).filter(|c| c.status == value).map(|c| c.last_transition_time.clone());
    let condition = Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: budget.metadata.generation,
        last_transition_time: since.unwrap_or_else(|| now.clone()),
    };
    match before {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
    PodDisruptionBudgetStatus {
        conditions: Some(conditions),
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        disrupted_pods: (!disrupted.is_empty()).then_some(disrupted),
        disruptions_allowed: Some(allowed),
        expected_pods: Some(expected),
        observed_generation: budget.metadata.generation,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn allowed(spec: serde_json::Value, ready: usize, unready: usize, wanted: Option<i32>) -> i32 {
        let budget: PodDisruptionBudget =
            serde_json::from_value(serde_json::json!({"metadata": {}, "spec": spec})).unwrap();
        let pod = |name: String, ready: bool| {
            let json = serde_json::json!({"metadata": {"name": name}, "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
            Arc::new(serde_json::from_value::<Pod>(json).unwrap())
        };
        let pods: Vec<_> = (0..ready + unready).map(|i| pod(format!("p{i}"), i < ready)).collect();
        let now = Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        status(&budget, &pods, wanted, &now).disruptions_allowed.unwrap()
    }

    #[test]
    fn what_is_healthy_beyond_the_minimum_may_go() {
        assert_eq!(allowed(serde_json::json!({"minAvailable": 2}), 3, 0, Some(3)), 1);
        assert_eq!(allowed(serde_json::json!({"minAvailable": 2}), 2, 1, Some(3)), 0);
        assert_eq!(allowed(serde_json::json!({"maxUnavailable": 1}), 3, 0, Some(3)), 1);
        assert_eq!(allowed(serde_json::json!({"maxUnavailable": 1}), 2, 0, Some(3)), 0);
        assert_eq!(allowed(serde_json::json!({"minAvailable": "50%"}), 5, 0, Some(5)), 2);
    }

    #[test]
    fn a_budget_over_nothing_allows_nothing() {
        assert_eq!(allowed(serde_json::json!({"minAvailable": 0}), 0, 0, None), 0);
    }
}
