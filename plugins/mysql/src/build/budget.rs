//! The PodDisruptionBudget: how many servers a node drain may take away at once.

use super::{Cluster, labels};
use windlass_sdk::{Item, json};

/// The budget, unless it is off or there is a single server, whose budget would block every drain for ever.
pub fn item(cluster: &Cluster<'_>) -> Option<Item> {
    let (spec, names) = (cluster.spec, cluster.names);
    let budget = &spec.pod_disruption_budget;
    if !budget.enabled || (spec.replicas < 2 && budget.max_unavailable.is_none()) {
        return None;
    }
    let at_once = budget.max_unavailable.unwrap_or(spec.replicas / 2);
    Some(Item::kubernetes(
        "pdb",
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": { "name": names.budget, "labels": labels(names) },
            "spec": { "maxUnavailable": at_once, "selector": { "matchLabels": names.selector() } },
        }),
    ))
}
