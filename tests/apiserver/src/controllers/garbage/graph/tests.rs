//! The graph, fed event by event.
#![allow(clippy::unwrap_used)]

use super::*;

fn owner(uid: &str, block: bool) -> OwnerReference {
    OwnerReference {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        name: uid.into(),
        uid: uid.into(),
        controller: None,
        block_owner_deletion: block.then_some(true),
    }
}

fn node(uid: &str, owners: Vec<OwnerReference>) -> Node {
    Node {
        kind: GroupKind::of("v1", "ConfigMap"),
        namespace: "n".into(),
        name: uid.into(),
        uid: uid.into(),
        version: "1".into(),
        owners,
        deleting: false,
        foreground: false,
        orphan: false,
    }
}

#[test]
fn the_dependents_of_a_gone_owner_are_looked_at() {
    let mut graph = Graph::default();
    assert!(graph.upsert(node("p", vec![])).is_empty());
    assert_eq!(graph.upsert(node("c", vec![owner("p", false)])), ["c"]);
    assert_eq!(graph.known(&owner("p", false), "n", true), Known::Alive);
    assert_eq!(graph.remove("p"), ["c"]);
    assert_eq!(graph.known(&owner("p", false), "n", true), Known::Absent);
}

#[test]
fn an_unchanged_object_is_not_looked_at_again() {
    let mut graph = Graph::default();
    graph.upsert(node("c", vec![owner("p", false)]));
    assert!(graph.upsert(node("c", vec![owner("p", false)])).is_empty());
    assert!(graph.upsert(Node { version: "2".into(), ..node("c", vec![owner("p", false)]) }).is_empty());
}

#[test]
fn a_foreground_deletion_waits_for_blocking_dependents_only() {
    let mut graph = Graph::default();
    graph.upsert(node("p", vec![]));
    graph.upsert(node("blocks", vec![owner("p", true)]));
    graph.upsert(node("does-not", vec![owner("p", false)]));
    let waiting = Node { deleting: true, foreground: true, version: "2".into(), ..node("p", vec![]) };
    assert_eq!(graph.upsert(waiting), ["p", "blocks", "does-not"]);
    assert_eq!(graph.blocking("p").iter().map(|n| n.uid.as_str()).collect::<Vec<_>>(), ["blocks"]);
    assert_eq!(graph.known(&owner("p", true), "n", true), Known::WaitsForDependents);
    assert_eq!(graph.remove("blocks"), ["p"]);
    assert!(graph.blocking("p").is_empty());
}

#[test]
fn an_owner_that_lost_a_reference_is_looked_at() {
    let mut graph = Graph::default();
    graph.upsert(Node { deleting: true, foreground: true, ..node("p", vec![]) });
    graph.upsert(node("c", vec![owner("p", true)]));
    assert_eq!(graph.upsert(Node { version: "2".into(), ..node("c", vec![]) }), ["p"]);
}

#[test]
fn an_owner_in_another_namespace_is_not_known_here() {
    let mut graph = Graph::default();
    graph.upsert(Node { namespace: "other".into(), ..node("p", vec![]) });
    let child = node("c", vec![owner("p", false)]);
    graph.upsert(child.clone());
    assert_eq!(graph.known(&owner("p", false), "n", true), Known::Unknown);
    assert_eq!(graph.misplaced_owners(&child).len(), 1);
}
