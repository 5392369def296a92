//! What the collector does with one object. In: the object as it is now, and the state of each of its owners. Out: a
//! verdict. Pure; the rules are those of kube-controller-manager's `attemptToDeleteItem`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::PropagationPolicy;

use super::graph::{Known, Node};

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing: an owner is alive, or the object is on its way out already.
    Keep,
    /// Drop the references to owners that are gone or going; others still hold the object.
    Unreference(Vec<OwnerReference>),
    /// Delete it. `unblock` first takes its hold on its owner back, which breaks circles of waiting owners.
    Delete { policy: PropagationPolicy, unblock: bool },
}

/// Decides about a dependent. `owners` are its references with what is known of each (never `Unknown`).
pub(crate) fn verdict(node: &Node, owners: &[(OwnerReference, Known)], dependents: &[&Node]) -> Verdict {
    let with = |state: Known| owners.iter().filter(move |(_, known)| *known == state).map(|(o, _)| o.clone());
    let alive = with(Known::Alive).next().is_some();
    let waiting = with(Known::WaitsForDependents).next().is_some();
    if alive {
        let others: Vec<_> = with(Known::Absent).chain(with(Known::WaitsForDependents)).collect();
        return if others.is_empty() { Verdict::Keep } else { Verdict::Unreference(others) };
    }
    if waiting && !dependents.is_empty() {
        let circle = dependents.iter().any(|d| d.waits_for_dependents());
        return Verdict::Delete { policy: PropagationPolicy::Foreground, unblock: circle };
    }
    let policy = if node.orphan {
        PropagationPolicy::Orphan
    } else if node.foreground {
        PropagationPolicy::Foreground
    } else {
        PropagationPolicy::Background
    };
    Verdict::Delete { policy, unblock: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::discovery::GroupKind;

    fn node(deleting: bool) -> Node {
        Node {
            kind: GroupKind::of("v1", "ConfigMap"),
            namespace: "n".into(),
            name: "c".into(),
            uid: "c".into(),
            version: "1".into(),
            owners: vec![],
            deleting,
            foreground: deleting,
            orphan: false,
        }
    }

    fn owner(uid: &str) -> OwnerReference {
        OwnerReference { uid: uid.into(), ..OwnerReference::default() }
    }

    #[test]
    fn one_owner_left_keeps_the_object_without_the_other() {
        let owners = [(owner("a"), Known::Alive), (owner("b"), Known::Absent)];
        assert_eq!(verdict(&node(false), &owners, &[]), Verdict::Unreference(vec![owner("b")]));
        assert_eq!(verdict(&node(false), &owners[..1], &[]), Verdict::Keep);
    }

    #[test]
    fn the_last_owner_gone_means_deletion() {
        let owners = [(owner("a"), Known::Absent), (owner("b"), Known::Absent)];
        let expected = Verdict::Delete { policy: PropagationPolicy::Background, unblock: false };
        assert_eq!(verdict(&node(false), &owners, &[]), expected);
    }

    #[test]
    fn foreground_reaches_down_to_dependents_of_dependents() {
        let owners = [(owner("a"), Known::WaitsForDependents)];
        let child = node(false);
        let expected = Verdict::Delete { policy: PropagationPolicy::Foreground, unblock: false };
        assert_eq!(verdict(&node(false), &owners, &[&child]), expected);
    }

    #[test]
    fn a_circle_of_waiting_owners_is_broken() {
        let owners = [(owner("a"), Known::WaitsForDependents)];
        let child = node(true);
        let expected = Verdict::Delete { policy: PropagationPolicy::Foreground, unblock: true };
        assert_eq!(verdict(&node(false), &owners, &[&child]), expected);
    }
}
