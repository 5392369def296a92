#![allow(clippy::unwrap_used)]

use super::*;
use crate::watch::fingerprint::FingerprintKey;
use serde_json::{Value, json};
use std::sync::Arc;

fn widgets() -> Kind {
    Kind::new("example.com", "v1", "Widget")
}

fn pods() -> Kind {
    Kind::new("", "v1", "Pod")
}

fn object(kind: &Kind, name: &str, version: u64, more: Value) -> Arc<Object> {
    let mut document = json!({"metadata": {
        "namespace": "d", "name": name, "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
    }});
    json_patch::merge(&mut document, &more);
    Arc::new(Object::from_value(kind, document, &FingerprintKey::new([0; 32])).unwrap())
}

fn change(old: Option<&Arc<Object>>, new: Option<&Arc<Object>>) -> Change {
    Change { old: old.cloned(), new: new.cloned(), first: false }
}

fn told(trigger: &Trigger, change: &Change) -> Vec<(String, Cause)> {
    trigger.keys(change).into_iter().map(|(key, cause)| (key.name, cause)).collect()
}

/// Serves widgets, and has seen `w`.
fn trigger() -> Trigger {
    let trigger = Trigger::new();
    trigger.serve(&widgets(), &Cache::new());
    trigger.keys(&change(None, Some(&object(&widgets(), "w", 1, json!({})))));
    trigger
}

fn owned(name: &str, version: u64, more: Value) -> Arc<Object> {
    let mut document = json!({"metadata": {"labels": {"windlass.dev/owner-uid": "uid-w"}}});
    json_patch::merge(&mut document, &more);
    object(&pods(), name, version, document)
}

#[test]
fn an_edit_of_a_resource_concerns_it_and_a_change_of_its_status_does_not() {
    let trigger = trigger();
    let before = object(&widgets(), "w", 1, json!({"spec": {"a": 1}}));
    for (more, edit) in [
        (json!({"spec": {"a": 2}}), true),
        (json!({"spec": {"a": 1}, "metadata": {"finalizers": ["x/y"]}}), true),
        (json!({"spec": {"a": 1}, "metadata": {"annotations": {"note": "x"}}}), true),
        (json!({"spec": {"a": 1}, "metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}}), true),
        (json!({"spec": {"a": 1}, "metadata": {"uid": "another"}}), true),
        (json!({"spec": {"a": 1}, "status": {"ready": true}}), false),
    ] {
        let after = object(&widgets(), "w", 2, more.clone());
        let expected: Vec<_> = edit.then(|| ("w".to_owned(), Cause::Edit)).into_iter().collect();
        assert_eq!(told(&trigger, &change(Some(&before), Some(&after))), expected, "{more}");
    }
    assert_eq!(told(&trigger, &change(Some(&before), None)), [("w".into(), Cause::Edit)]);
}

#[test]
fn any_visible_change_of_a_child_concerns_its_owner() {
    let trigger = trigger();
    let before = owned("p", 2, json!({}));
    assert_eq!(told(&trigger, &change(None, Some(&before))), [("w".into(), Cause::Change)]);
    assert_eq!(told(&trigger, &change(Some(&before), None)), [("w".into(), Cause::Change)]);
    let ready = owned("p", 3, json!({"status": {"ready": true}}));
    assert_eq!(told(&trigger, &change(Some(&before), Some(&ready))), [("w".into(), Cause::Change)]);
    let same = owned("p", 3, json!({}));
    assert!(told(&trigger, &change(Some(&before), Some(&same))).is_empty(), "only the version moved");
}

#[test]
fn f9_a_child_that_lost_its_label_still_concerns_its_former_owner() {
    let trigger = trigger();
    let (before, after) = (owned("p", 2, json!({})), object(&pods(), "p", 3, json!({})));
    assert_eq!(told(&trigger, &change(Some(&before), Some(&after))), [("w".into(), Cause::Change)]);
}

#[test]
fn b6_a_child_that_comes_before_its_owner_concerns_nobody_until_the_owner_comes() {
    let trigger = Trigger::new();
    trigger.serve(&widgets(), &Cache::new());
    assert!(told(&trigger, &change(None, Some(&owned("p", 2, json!({}))))).is_empty());
    let owner = object(&widgets(), "w", 1, json!({}));
    assert_eq!(told(&trigger, &change(None, Some(&owner))), [("w".into(), Cause::Edit)]);
    assert_eq!(told(&trigger, &change(None, Some(&owned("q", 3, json!({}))))), [("w".into(), Cause::Change)]);
}

#[test]
fn b2_a_child_of_a_deleted_resource_does_not_concern_its_successor_of_the_same_name() {
    let trigger = trigger();
    let (old, new) =
        (object(&widgets(), "w", 1, json!({})), object(&widgets(), "w", 5, json!({"metadata": {"uid": "new"}})));
    trigger.keys(&change(Some(&old), Some(&new)));
    assert!(told(&trigger, &change(None, Some(&owned("p", 6, json!({}))))).is_empty());
}

#[test]
fn what_a_decision_read_concerns_the_resource_by_namespace_selector_and_names() {
    let trigger = trigger();
    let reader = object(&widgets(), "w", 1, json!({})).key.clone();
    let query = RelatedQuery {
        name: "pods".into(),
        kind: pods(),
        namespace: None,
        label_selector: Some("app=db".into()),
        names: vec!["p".into(), "q".into()],
    };
    trigger.reads(&reader, std::slice::from_ref(&query));
    let pod = |name: &str, app: &str, namespace: &str| {
        object(&pods(), name, 2, json!({"metadata": {"labels": {"app": app}, "namespace": namespace}}))
    };
    let hit = [("w".to_owned(), Cause::Change)];
    assert_eq!(told(&trigger, &change(None, Some(&pod("p", "db", "d")))), hit);
    assert_eq!(
        told(&trigger, &change(Some(&pod("p", "db", "d")), Some(&pod("p", "web", "d")))),
        hit,
        "it stops matching"
    );
    for other in [pod("p", "web", "d"), pod("z", "db", "d"), pod("p", "db", "elsewhere")] {
        assert!(told(&trigger, &change(None, Some(&other))).is_empty(), "{}", other.json);
    }
    assert!(trigger.kinds_read().contains(&pods()));

    trigger.reads(&reader, &[RelatedQuery { namespace: Some("elsewhere".into()), ..query }]);
    assert!(told(&trigger, &change(None, Some(&pod("p", "db", "d")))).is_empty());
    assert_eq!(told(&trigger, &change(None, Some(&pod("p", "db", "elsewhere")))), hit);

    trigger.keys(&change(Some(&object(&widgets(), "w", 1, json!({}))), None));
    assert!(trigger.kinds_read().is_empty(), "a resource that is gone reads nothing");
}

#[test]
fn a_kind_that_is_served_later_takes_what_the_cache_has() {
    let (trigger, cache) = (Trigger::new(), Cache::new());
    let feed = crate::watch::cache::Feed { kind: widgets(), namespace: None };
    cache.replace(&feed, vec![object(&widgets(), "w", 1, json!({})).as_ref().clone()], &[], Some(1));
    assert_eq!(trigger.serve(&widgets(), &cache).len(), 1);
    assert_eq!(told(&trigger, &change(None, Some(&owned("p", 2, json!({}))))), [("w".into(), Cause::Change)]);
    trigger.stop_serving(&widgets());
    assert!(told(&trigger, &change(None, Some(&owned("q", 3, json!({}))))).is_empty());
}

#[test]
fn what_the_first_list_tells_is_no_edit() {
    let trigger = trigger();
    let first = Change { first: true, ..change(None, Some(&object(&widgets(), "x", 2, json!({})))) };
    assert_eq!(told(&trigger, &first), [("x".into(), Cause::Change)]);
}
