#![allow(clippy::unwrap_used)]

use super::*;
use crate::watch::cache::Feed;
use crate::watch::fingerprint::FingerprintKey;
use crate::watch::object::Object;
use model::Kind;
use serde_json::json;
use std::time::Duration;

fn kind() -> Kind {
    Kind::new("", "v1", "ConfigMap")
}

fn feed() -> Feed {
    Feed { kind: kind(), namespace: None }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { kind: kind(), namespace: Some("default".into()), name: name.into() }
}

fn owner() -> ObjectKey {
    ObjectKey { kind: Kind::new("example.com", "v1", "Widget"), namespace: Some("default".into()), name: "w".into() }
}

fn object(name: &str, uid: &str, version: u64, deleting: bool) -> Object {
    let mut document = json!({"metadata": {
        "name": name, "namespace": "default", "uid": uid, "resourceVersion": version.to_string(),
    }});
    if deleting {
        document["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z".into();
    }
    Object::from_value(&kind(), document, &FingerprintKey::new([0; 32])).unwrap()
}

#[tokio::test(start_paused = true)]
async fn b3_a_key_is_held_back_until_the_cache_has_seen_the_last_write_for_it() {
    let (ledger, cache) = (Ledger::new(), Cache::new());
    cache.replace(&feed(), vec![object("a", "u", 5, false)], &[], Some(5));
    assert_eq!(ledger.fresh(&owner(), &cache), Freshness::Fresh, "nothing was written");

    ledger.wrote(&owner(), &key("a"), "9");
    let since = Instant::now();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(ledger.fresh(&owner(), &cache), Freshness::Behind { object: key("a"), since });

    cache.apply(&feed(), object("a", "u", 9, false));
    assert_eq!(ledger.fresh(&owner(), &cache), Freshness::Fresh);
}

#[tokio::test]
async fn c7_a_bookmark_or_a_later_event_of_the_kind_tells_that_a_write_was_told() {
    for bookmark in [true, false] {
        let (ledger, cache) = (Ledger::new(), Cache::new());
        cache.replace(&feed(), vec![], &[], Some(5));
        ledger.wrote(&owner(), &key("a"), "9");
        assert!(matches!(ledger.fresh(&owner(), &cache), Freshness::Behind { .. }));
        if bookmark {
            cache.bookmark(&feed(), 12);
        } else {
            cache.apply(&feed(), object("b", "v", 12, false));
        }
        assert_eq!(ledger.fresh(&owner(), &cache), Freshness::Fresh);
    }
}

#[tokio::test]
async fn a_deletion_is_seen_when_the_object_is_gone_marked_or_another() {
    for seen in [None, Some(object("a", "u", 9, true)), Some(object("a", "other", 9, false))] {
        let (ledger, cache) = (Ledger::new(), Cache::new());
        cache.replace(&feed(), vec![object("a", "u", 5, false)], &[], Some(5));
        ledger.deleted(&owner(), &key("a"), "u");
        assert!(matches!(ledger.fresh(&owner(), &cache), Freshness::Behind { .. }));
        match seen {
            Some(object) => cache.apply(&feed(), object),
            None => cache.delete(&feed(), &key("a"), Some(9)),
        };
        assert_eq!(ledger.fresh(&owner(), &cache), Freshness::Fresh);
    }
}

#[tokio::test]
async fn the_oldest_unseen_write_is_named_and_others_do_not_wait_for_it() {
    let (ledger, cache) = (Ledger::new(), Cache::new());
    ledger.wrote(&owner(), &key("a"), "9");
    ledger.wrote(&owner(), &key("b"), "10");
    let Freshness::Behind { object, .. } = ledger.fresh(&owner(), &cache) else { panic!("behind") };
    assert_eq!(object, key("a"));
    assert_eq!(ledger.fresh(&key("another owner"), &cache), Freshness::Fresh);

    ledger.settle(&owner(), &key("a"));
    let Freshness::Behind { object, .. } = ledger.fresh(&owner(), &cache) else { panic!("behind") };
    assert_eq!(object, key("b"));
    ledger.forget(&owner());
    assert_eq!(ledger.fresh(&owner(), &cache), Freshness::Fresh);
}
