//! What to do next about a StatefulSet's pods. In: the set, its revisions, its pods, the claims it needs, the time.
//! Out: steps. Pure. The order of the rules is that of kube-controller-manager (`stateful_set_control.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::Timestamp;

use super::identity::{self, Retention};
use crate::controllers::pods;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Step {
    /// Make the pod of an ordinal, its claims first.
    Create { ordinal: i32, current: bool },
    /// Make the claims that a pending pod still lacks.
    Claims { ordinal: i32 },
    /// Give a pod its labels back.
    Identify { pod: Arc<Pod>, ordinal: i32 },
    /// Delete a pod, to be made again or not.
    Delete { pod: Arc<Pod>, reason: Reason },
    /// Set the owners of a claim as the retention policy says.
    Retain {
        claim: Arc<PersistentVolumeClaim>,
        owners: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference>,
    },
}

/// Why a pod is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It failed and is made again.
    Failed,
    /// It ended successfully, which a StatefulSet's pod should not, and is made again.
    Succeeded,
    /// There are to be fewer replicas.
    ScaledDown,
    /// It is of an older revision.
    Outdated,
}

/// What is known about the set.
pub(crate) struct Observed<'a> {
    pub(crate) set: &'a StatefulSet,
    pub(crate) pods: &'a BTreeMap<i32, Arc<Pod>>,
    pub(crate) update_revision: &'a str,
    /// Finds a claim by name in the set's namespace.
    pub(crate) claim: &'a dyn Fn(&str) -> Option<Arc<PersistentVolumeClaim>>,
    pub(crate) now: Timestamp,
}

/// The steps of this pass.
pub(crate) fn plan(seen: &Observed<'_>) -> Vec<Step> {
    let spec = identity::spec(seen.set);
    let mut steps = Vec::new();
    retain_claims(seen, &spec, &mut steps);
    if seen.set.metadata.deletion_timestamp.is_some() {
        return steps;
    }
    let ordered = spec.pod_management_policy.as_deref() != Some("Parallel");
    let go_on = replicas(seen, &spec, ordered, &mut steps)
        && condemned(seen, &spec, ordered, &mut steps)
        && !steps.iter().any(|s| matches!(s, Step::Create { .. }) && ordered);
    if go_on {
        update(seen, &spec, &mut steps);
    }
    steps
}

fn range(spec: &StatefulSetSpec) -> std::ops::Range<i32> {
    let start = identity::start(spec);
    start..start.saturating_add(spec.replicas.unwrap_or(1).max(0))
}

fn is_available(seen: &Observed<'_>, spec: &StatefulSetSpec, pod: &Pod) -> bool {
    let min = spec.min_ready_seconds.unwrap_or(0);
    pods::is_running_and_ready(pod) && pods::until_available(pod, min, seen.now).is_some_and(|left| left.is_zero())
}

/// Whether a new pod of this ordinal is made at the current instead of the wanted revision: below the partition.
fn at_current_revision(seen: &Observed<'_>, spec: &StatefulSetSpec, ordinal: i32) -> bool {
    let strategy = spec.update_strategy.as_ref();
    if strategy.and_then(|s| s.type_.as_deref()) == Some("OnDelete") {
        return false;
    }
    let bound = match strategy.and_then(|s| s.rolling_update.as_ref()) {
        Some(rolling) => rolling.partition.unwrap_or(0),
        None => seen.set.status.as_ref().and_then(|s| s.current_replicas).unwrap_or(0),
    };
    ordinal < identity::start(spec).saturating_add(bound)
}

fn lacks_claims(seen: &Observed<'_>, ordinal: i32) -> bool {
    let claims = identity::claims(seen.set, ordinal);
    claims.iter().any(|c| (seen.claim)(c.metadata.name.as_deref().unwrap_or_default()).is_none())
}

/// A claim that is about to be deleted with an earlier pod of the same name must go first.
fn has_stale_claim(seen: &Observed<'_>, spec: &StatefulSetSpec, ordinal: i32) -> bool {
    if !Retention::of(spec).delete_when_scaled {
        return false;
    }
    identity::claims(seen.set, ordinal).iter().any(|wanted| {
        let held = (seen.claim)(wanted.metadata.name.as_deref().unwrap_or_default());
        held.is_some_and(|held| {
            let owners = held.metadata.owner_references.iter().flatten();
            held.metadata.deletion_timestamp.is_some() || owners.into_iter().any(|o| o.kind == "Pod")
        })
    })
}

/// Brings the wanted ordinals into being. `false` when the pass ends here.
fn replicas(seen: &Observed<'_>, spec: &StatefulSetSpec, ordered: bool, steps: &mut Vec<Step>) -> bool {
    for ordinal in range(spec) {
        let Some(pod) = seen.pods.get(&ordinal) else {
            if !has_stale_claim(seen, spec, ordinal) {
                steps.push(Step::Create { ordinal, current: at_current_revision(seen, spec, ordinal) });
            }
            if ordered {
                return false;
            }
            continue;
        };
        if pods::is_finished(pod) {
            if !pods::is_terminating(pod) {
                let failed = pods::phase(pod) == "Failed";
                let reason = if failed { Reason::Failed } else { Reason::Succeeded };
                steps.push(Step::Delete { pod: pod.clone(), reason });
            }
            if ordered {
                return false;
            }
            continue;
        }
        if pods::phase(pod) == "Pending" && !pods::is_terminating(pod) && lacks_claims(seen, ordinal) {
            steps.push(Step::Claims { ordinal });
        }
        if ordered && (pods::is_terminating(pod) || !is_available(seen, spec, pod)) {
            return false;
        }
        if !identity::has_identity(pod, ordinal) && !pods::is_terminating(pod) {
            steps.push(Step::Identify { pod: pod.clone(), ordinal });
        }
    }
    true
}

/// Removes what is beyond the wanted ordinals, from the top. `false` when the pass ends here.
fn condemned(seen: &Observed<'_>, spec: &StatefulSetSpec, ordered: bool, steps: &mut Vec<Step>) -> bool {
    let wanted = range(spec);
    let healthy = |pod: &Arc<Pod>| pods::is_running_and_ready(pod) && !pods::is_terminating(pod);
    let unhealthy = |inside: bool| {
        seen.pods.iter().filter(|(o, _)| wanted.contains(o) == inside).find(|(_, p)| !healthy(p)).map(|(o, _)| *o)
    };
    let first_unhealthy = unhealthy(true).or_else(|| unhealthy(false));
    for (ordinal, pod) in seen.pods.iter().rev().filter(|(o, _)| !wanted.contains(o)) {
        if pods::is_terminating(pod) {
            if ordered {
                return false;
            }
            continue;
        }
        if ordered && !is_available(seen, spec, pod) && first_unhealthy != Some(*ordinal) {
            return false;
        }
        steps.push(Step::Delete { pod: pod.clone(), reason: Reason::ScaledDown });
        if ordered {
            return false;
        }
    }
    true
}

/// Replaces pods of older revisions from the highest ordinal down to the partition, as many at once as may be missing.
fn update(seen: &Observed<'_>, spec: &StatefulSetSpec, steps: &mut Vec<Step>) {
    let strategy = spec.update_strategy.as_ref();
    if strategy.and_then(|s| s.type_.as_deref()) == Some("OnDelete") {
        return;
    }
    let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
    let wanted = range(spec);
    let lowest = wanted.start.saturating_add(rolling.and_then(|r| r.partition).unwrap_or(0));
    let allowed = match rolling.and_then(|r| r.max_unavailable.as_ref()) {
        Some(IntOrString::Int(count)) => (*count).max(1),
        Some(IntOrString::String(share)) => {
            let percent = share.trim_end_matches('%').parse::<i32>().unwrap_or(0);
            (wanted.len() as i32 * percent / 100).max(1)
        }
        None => 1,
    };
    let targets = || wanted.clone().rev().filter(|o| *o >= lowest);
    let gone_or_unhealthy =
        |ordinal: &i32| seen.pods.get(ordinal).is_none_or(|p| pods::is_terminating(p) || !is_available(seen, spec, p));
    let mut missing = 0;
    for ordinal in targets() {
        let Some(pod) = seen.pods.get(&ordinal) else {
            missing += 1;
            if missing >= allowed {
                return;
            }
            continue;
        };
        let outdated = identity::revision(pod) != seen.update_revision;
        if outdated && !pods::is_terminating(pod) {
            steps.push(Step::Delete { pod: pod.clone(), reason: Reason::Outdated });
            missing += 1;
        } else if gone_or_unhealthy(&ordinal) {
            missing += 1;
        }
        if missing >= allowed {
            return;
        }
    }
}

/// Brings the owners of claims in line with the retention policy.
fn retain_claims(seen: &Observed<'_>, spec: &StatefulSetSpec, steps: &mut Vec<Step>) {
    let retention = Retention::of(spec);
    let wanted = range(spec);
    for (ordinal, pod) in seen.pods {
        for claim in identity::claims(seen.set, *ordinal) {
            let Some(held) = (seen.claim)(claim.metadata.name.as_deref().unwrap_or_default()) else { continue };
            let owners = held.metadata.owner_references.clone().unwrap_or_default();
            if !retention.deletes() && owners.is_empty() {
                continue;
            }
            let right = retention.owners(seen.set, Some(pod), !wanted.contains(ordinal), &owners);
            if right != owners && held.metadata.deletion_timestamp.is_none() {
                steps.push(Step::Retain { claim: held, owners: right });
            }
        }
    }
}

#[cfg(test)]
mod tests;
