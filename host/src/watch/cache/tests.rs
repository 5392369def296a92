#![allow(clippy::unwrap_used)]

use super::*;
use crate::watch::fingerprint::FingerprintKey;
use serde_json::{Value, json};

fn kind() -> Kind {
    Kind::new("apps", "v1", "StatefulSet")
}

fn feed(namespace: Option<&str>) -> Feed {
    Feed { kind: kind(), namespace: namespace.map(str::to_owned) }
}

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind: kind(), namespace: Some(namespace.into()), name: name.into() }
}

fn object(namespace: &str, name: &str, version: u64, more: Value) -> Object {
    let mut document = json!({"metadata": {
        "namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}"),
        "resourceVersion": version.to_string(),
    }});
    json_patch::merge(&mut document, &more);
    Object::from_value(&kind(), document, &FingerprintKey::new([0; 32])).unwrap()
}

fn plain(namespace: &str, name: &str, version: u64) -> Object {
    object(namespace, name, version, json!({}))
}

fn names(objects: &[Arc<Object>]) -> Vec<&str> {
    objects.iter().map(|object| object.key.name.as_str()).collect()
}

#[test]
fn b4_an_older_object_or_event_never_moves_the_view_backwards() {
    let cache = Cache::new();
    cache.replace(&feed(None), vec![plain("d", "a", 10)], &[], Some(10));
    assert!(cache.apply(&feed(None), plain("d", "a", 9)).is_none());
    assert!(cache.delete(&feed(None), &key("d", "a"), Some(9)).is_none());
    assert_eq!(cache.get(&key("d", "a")).unwrap().resource_version, "10");

    cache.delete(&feed(None), &key("d", "a"), Some(12)).unwrap();
    assert!(cache.apply(&feed(None), plain("d", "a", 11)).is_none(), "an event from before the deletion is no object");
    assert!(cache.get(&key("d", "a")).is_none());
}

#[test]
fn c2_an_event_told_twice_is_one_change() {
    let cache = Cache::new();
    cache.replace(&feed(None), vec![], &[], Some(1));
    assert!(cache.apply(&feed(None), plain("d", "a", 2)).is_some());
    assert!(cache.apply(&feed(None), plain("d", "a", 2)).is_none());
    assert!(cache.delete(&feed(None), &key("d", "a"), Some(3)).is_some());
    assert!(cache.delete(&feed(None), &key("d", "a"), Some(3)).is_none());
}

#[test]
fn c5_a_list_replaces_the_view_at_once_and_tells_each_difference() {
    let cache = Cache::new();
    cache.replace(
        &feed(None),
        vec![plain("d", "ghost", 1), plain("d", "same", 2), plain("d", "moved", 3)],
        &[],
        Some(5),
    );
    let changes = cache.replace(
        &feed(None),
        vec![plain("d", "same", 2), plain("d", "moved", 8), plain("d", "new", 9)],
        &[],
        Some(9),
    );
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.object().unwrap().key.name.as_str(), change.old.is_some(), change.new.is_some()))
        .collect();
    assert_eq!(told, [("moved", true, true), ("new", false, true), ("ghost", true, false)]);
    assert_eq!(names(&cache.list(&kind(), None, &Selector::default(), &[])), ["moved", "new", "same"]);
    assert_eq!(cache.counts(), [(kind(), 3)]);
}

#[test]
fn c8_an_object_that_a_list_has_but_that_cannot_be_read_is_not_taken_for_gone() {
    let cache = Cache::new();
    cache.replace(&feed(None), vec![plain("d", "a", 1)], &[], Some(5));
    assert!(cache.replace(&feed(None), vec![], &[key("d", "a")], Some(6)).is_empty());
    assert!(cache.get(&key("d", "a")).is_some());
}

#[test]
fn an_object_is_found_by_each_owner_and_by_the_label_of_the_host() {
    let cache = Cache::new();
    let owned = |name, version, label: &str| {
        object(
            "d",
            name,
            version,
            json!({"metadata": {
                "labels": {"windlass.dev/owner-uid": label},
                "ownerReferences": [
                    {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "W", "controller": true},
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "C"},
                ],
            }}),
        )
    };
    cache.replace(&feed(None), vec![owned("b", 1, "L"), owned("a", 2, "W")], &[], Some(2));
    assert_eq!(names(&cache.owned_by("W")), ["a", "b"]);
    assert_eq!(names(&cache.owned_by("C")), ["a", "b"]);
    assert_eq!(names(&cache.owned_by("L")), ["b"]);

    cache.apply(&feed(None), plain("d", "b", 3));
    cache.delete(&feed(None), &key("d", "a"), Some(4));
    for uid in ["W", "C", "L"] {
        assert!(cache.owned_by(uid).is_empty(), "{uid}");
    }
}

#[test]
fn a_list_is_narrowed_by_namespace_selector_and_names() {
    let cache = Cache::new();
    let labelled = |namespace, name, version, tier: &str| {
        object(namespace, name, version, json!({"metadata": {"labels": {"tier": tier}}}))
    };
    let objects = vec![labelled("d", "a", 1, "x"), labelled("d", "b", 2, "y"), labelled("e", "c", 3, "x")];
    cache.replace(&feed(None), objects, &[], Some(3));
    let selector = Selector::parse("tier=x").unwrap();
    assert_eq!(names(&cache.list(&kind(), None, &selector, &[])), ["a", "c"]);
    assert_eq!(names(&cache.list(&kind(), Some("d"), &Selector::default(), &[])), ["a", "b"]);
    assert_eq!(names(&cache.list(&kind(), Some("d"), &selector, &["b".into(), "a".into()])), ["a"]);
    assert!(cache.list(&Kind::new("", "v1", "Pod"), None, &selector, &[]).is_empty());
}

#[test]
fn a_kind_is_synced_when_every_feed_has_had_its_list() {
    let cache = Cache::new();
    assert_eq!(cache.sync(&kind()), Sync::Unwatched);
    cache.set_sync(&feed(Some("d")), Sync::Listing);
    cache.set_sync(&feed(Some("e")), Sync::Listing);
    cache.replace(&feed(Some("d")), vec![plain("d", "a", 1)], &[], Some(7));
    assert_eq!(cache.sync(&kind()), Sync::Listing);
    cache.replace(&feed(Some("e")), vec![plain("e", "b", 2)], &[], Some(9));
    assert!(cache.synced(&kind()));
    assert_eq!((cache.seen(&kind(), Some("d")), cache.seen(&kind(), Some("e"))), (7, 9));

    cache.forget(&feed(Some("d")));
    assert_eq!(names(&cache.list(&kind(), None, &Selector::default(), &[])), ["b"], "the other feed keeps its objects");
    cache.forget(&feed(Some("e")));
    assert_eq!(cache.sync(&kind()), Sync::Unwatched);
}

#[test]
fn a_live_read_mends_one_object_alone() {
    let cache = Cache::new();
    cache.replace(&feed(None), vec![plain("d", "a", 1), plain("d", "b", 2)], &[], Some(5));
    assert!(cache.reread(&key("d", "a"), Some(plain("d", "a", 9))).is_some());
    assert!(cache.reread(&key("d", "b"), None).is_some());
    assert_eq!(cache.seen(&kind(), Some("d")), 5);
    assert!(cache.apply(&feed(None), plain("d", "a", 8)).is_none(), "events up to the live read are old news");
}
