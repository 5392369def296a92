//! The store against late, repeated and missing news.
#![allow(clippy::unwrap_used)]

use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

fn object(name: &str, uid: &str, version: u32, owner: Option<&str>) -> Arc<ConfigMap> {
    let owners: Vec<_> = owner
        .iter()
        .map(|uid| serde_json::json!({"apiVersion": "v1", "kind": "X", "name": "x", "uid": uid, "controller": true}))
        .collect();
    Arc::new(
        serde_json::from_value(serde_json::json!({"metadata": {"namespace": "n", "name": name, "uid": uid,
            "resourceVersion": version.to_string(), "ownerReferences": owners}}))
        .unwrap(),
    )
}

#[test]
fn an_older_event_does_not_undo_our_own_write() {
    let store = Store::new();
    store.applied(object("a", "u1", 5, None));
    store.wrote(object("a", "u1", 9, None));
    assert!(store.applied(object("a", "u1", 7, None)).is_none());
    assert_eq!(store.get(&Key::new("n", "a")).unwrap().metadata.resource_version.as_deref(), Some("9"));
}

#[test]
fn an_object_known_to_be_gone_does_not_come_back() {
    let store = Store::new();
    store.applied(object("a", "u1", 5, None));
    store.removed(&Key::new("n", "a"), "u1");
    assert!(store.applied(object("a", "u1", 6, None)).is_none());
    assert!(store.get(&Key::new("n", "a")).is_none());
    store.deleted(object("a", "u1", 7, None));
    assert!(store.applied(object("a", "u2", 8, None)).is_some());
}

#[test]
fn a_relist_from_before_our_creation_keeps_what_we_made() {
    let store = Store::new();
    store.applied(object("a", "u1", 5, None));
    store.wrote(object("b", "u2", 9, Some("o")));
    let changes = store.replaced(vec![object("a", "u1", 5, None)]);
    assert_eq!(changes.len(), 1);
    assert_eq!(store.owned_by("o").len(), 1);
    assert!(store.replaced(vec![object("c", "u3", 12, None)]).iter().any(|c| c.new.is_none()));
    assert!(store.owned_by("o").is_empty());
}

#[test]
fn an_adopted_object_moves_between_the_indexes() {
    let store = Store::new();
    store.applied(object("a", "u1", 5, None));
    assert_eq!(store.loose_in("n").len(), 1);
    store.applied(object("a", "u1", 6, Some("o")));
    assert!(store.loose_in("n").is_empty());
    assert_eq!(store.owned_by("o").len(), 1);
    store.deleted(object("a", "u1", 7, Some("o")));
    assert!(store.owned_by("o").is_empty());
    assert!(store.in_namespace("n").is_empty());
}

#[test]
fn a_late_deletion_does_not_take_the_successor_of_the_same_name() {
    let store = Store::new();
    store.wrote(object("a", "u2", 9, None));
    store.deleted(object("a", "u1", 8, None));
    assert!(store.get(&Key::new("n", "a")).is_some());
}

#[test]
fn the_late_answer_to_a_write_does_not_bring_back_what_the_watch_showed_to_be_gone() {
    let store = Store::new();
    store.applied(object("a", "u1", 5, None));
    store.deleted(object("a", "u1", 7, None));
    store.wrote(object("a", "u1", 6, None));
    assert!(store.get(&Key::new("n", "a")).is_none());
    store.wrote(object("a", "u2", 8, None));
    assert!(store.get(&Key::new("n", "a")).is_some(), "another object of that name may be made");
}
