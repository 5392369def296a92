//! The store by itself: versions, preconditions, snapshots, events, history.
#![allow(clippy::unwrap_used)]

use super::*;

fn things() -> TableKey {
    TableKey::new("example.com", "things")
}

fn key(name: &str) -> ObjectKey {
    ("n".to_owned(), name.to_owned())
}

fn object(name: &str, v: u64) -> Value {
    json!({"metadata": {"namespace": "n", "name": name}, "v": v})
}

fn names(page: &Page) -> Vec<String> {
    page.items.iter().map(|o| o.value["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_write_has_a_version_of_its_own_across_tables() {
    let store = Store::new(10);
    let other = TableKey::new("", "others");
    let first = store.create(&things(), key("a"), object("a", 1), 0).unwrap();
    let second = store.create(&other, key("a"), object("a", 1), 0).unwrap();
    let third = store.replace(&things(), key("a"), first.version, object("a", 2), 0).unwrap();
    assert!(first.version < second.version && second.version < third.version);
    assert_eq!(third.value["metadata"]["resourceVersion"], third.version.to_string());
    assert_eq!((store.version(), store.writes()), (third.version, 3));
}

#[test]
fn a_taken_name_a_missing_name_and_a_stale_version_are_told_apart() {
    let store = Store::new(10);
    let first = store.create(&things(), key("a"), object("a", 1), 0).unwrap();
    let again = store.create(&things(), key("a"), object("a", 1), 0).err().unwrap();
    assert_eq!(again, WriteError::Exists);
    store.replace(&things(), key("a"), first.version, object("a", 2), 0).unwrap();
    assert_eq!(store.replace(&things(), key("a"), first.version, object("a", 3), 0).err(), Some(WriteError::Changed));
    assert_eq!(store.delete(&things(), key("a"), first.version).err(), Some(WriteError::Changed));
    assert_eq!(store.delete(&things(), key("b"), 1).err(), Some(WriteError::Missing));
    assert_eq!(store.version(), first.version + 1, "what fails takes no version");
}

#[test]
fn a_list_at_an_old_version_shows_what_was_there_then() {
    let store = Store::new(10);
    let a = store.create(&things(), key("a"), object("a", 1), 0).unwrap();
    let b = store.create(&things(), key("b"), object("b", 1), 0).unwrap();
    store.replace(&things(), key("a"), a.version, object("a", 2), 0).unwrap();
    store.delete(&things(), key("b"), b.version).unwrap();
    store.create(&things(), key("c"), object("c", 1), 0).unwrap();
    assert_eq!(names(&store.list(&things(), None, None, None).unwrap()), ["a", "c"]);
    let then = store.list(&things(), None, Some(b.version), None).unwrap();
    assert_eq!((names(&then), then.version), (vec!["a".to_owned(), "b".to_owned()], b.version));
    assert_eq!(then.items[0].value["v"], 1);
    assert_eq!(names(&store.list(&things(), None, Some(a.version), None).unwrap()), ["a"]);
}

#[test]
fn a_page_begins_after_its_key_within_its_namespace() {
    let store = Store::new(10);
    for name in ["a", "b", "c"] {
        store.create(&things(), key(name), object(name, 1), 0).unwrap();
    }
    store.create(&things(), ("m".to_owned(), "z".to_owned()), object("z", 1), 0).unwrap();
    assert_eq!(names(&store.list(&things(), Some("n"), None, Some(&key("a"))).unwrap()), ["b", "c"]);
    assert_eq!(names(&store.list(&things(), None, None, None).unwrap()), ["z", "a", "b", "c"]);
}

#[test]
fn events_come_in_order_exclusive_of_their_start_and_carry_the_state_before() {
    let store = Store::new(10);
    let a = store.create(&things(), key("a"), object("a", 1), 0).unwrap();
    let b = store.replace(&things(), key("a"), a.version, object("a", 2), 0).unwrap();
    let gone = store.delete(&things(), key("a"), b.version).unwrap();
    let (events, complete) = store.events(&things(), a.version, 10).unwrap();
    let kinds: Vec<_> = events.iter().map(|e| (e.kind, e.version)).collect();
    assert_eq!(kinds, [(EventKind::Modified, b.version), (EventKind::Deleted, gone.version)]);
    assert_eq!(events[0].previous.as_ref().unwrap().value["v"], 1);
    assert_eq!(events[1].object.value["v"], 2, "the last state");
    assert_eq!(events[1].object.value["metadata"]["resourceVersion"], gone.version.to_string(), "at the last version");
    assert_eq!(complete, store.version());
    let (one, up_to) = store.events(&things(), 0, 1).unwrap();
    assert_eq!((one.len(), up_to), (1, a.version));
}

#[test]
fn history_beyond_the_limit_or_compacted_is_gone() {
    let store = Store::new(2);
    for name in ["a", "b", "c"] {
        store.create(&things(), key(name), object(name, 1), 0).unwrap();
    }
    let oldest = store.events(&things(), 0, 10).err().unwrap();
    assert!(oldest.oldest > 0, "{oldest}");
    assert_eq!(store.events(&things(), oldest.oldest, 10).unwrap().0.len(), 2);
    store.compact(None);
    assert!(store.events(&things(), oldest.oldest, 10).is_err());
    assert!(store.list(&things(), None, Some(oldest.oldest), None).is_err());
    assert_eq!(store.events(&things(), store.version(), 10).unwrap().0.len(), 0);
    assert_eq!(names(&store.list(&things(), None, None, None).unwrap()).len(), 3);
}

#[tokio::test]
async fn a_write_wakes_those_who_wait_for_its_table() {
    let store = Store::new(10);
    let mut changes = store.changes(&things());
    changes.mark_unchanged();
    let written = store.create(&things(), key("a"), object("a", 1), 0).unwrap();
    changes.changed().await.unwrap();
    assert_eq!(*changes.borrow(), written.version);
}

#[test]
fn the_oracle_counts_writes_of_each_object_and_dumps_what_is_there() {
    let store = Store::new(10);
    let a = store.create(&things(), key("a"), object("a", 1), 0).unwrap();
    let a = store.replace(&things(), key("a"), a.version, object("a", 2), 0).unwrap();
    store.delete(&things(), key("a"), a.version).unwrap();
    store.create(&things(), key("b"), object("b", 1), 0).unwrap();
    let wanted = Counts { creates: 1, updates: 1, deletes: 1 };
    assert_eq!(store.counts()["things.example.com/n/a"], wanted);
    assert_eq!(store.dump().keys().collect::<Vec<_>>(), ["things.example.com/n/b"]);
    store.reset_counts();
    assert!(store.counts().is_empty());
    assert_eq!(store.writes(), 4);
}

proptest::proptest! {
    /// Any interleaving of writes, against a plain map and the list of its states.
    #[test]
    fn lists_at_every_version_agree_with_a_plain_map(writes in proptest::collection::vec((0u8..4, 0u8..3), 1..40)) {
        let store = Store::new(100);
        let mut now: BTreeMap<String, u64> = BTreeMap::new();
        let mut then: Vec<(u64, BTreeMap<String, u64>)> = vec![(store.version(), now.clone())];
        for (i, (name, action)) in writes.into_iter().enumerate() {
            let (name, v) = (format!("o{name}"), i as u64);
            let at = store.get(&things(), &key(&name)).map(|o| o.version);
            let done = match (action, at) {
                (0, _) => store.create(&things(), key(&name), object(&name, v), 0).map(|_| Some(v)),
                (1, at) => store.replace(&things(), key(&name), at.unwrap_or(0), object(&name, v), 0).map(|_| Some(v)),
                (_, at) => store.delete(&things(), key(&name), at.unwrap_or(0)).map(|_| None),
            };
            let allowed = if action == 0 { at.is_none() } else { at.is_some() };
            proptest::prop_assert_eq!(done.is_ok(), allowed);
            match done {
                Ok(Some(v)) => drop(now.insert(name, v)),
                Ok(None) => drop(now.remove(&name)),
                Err(_) => {}
            }
            then.push((store.version(), now.clone()));
        }
        for (version, wanted) in then {
            let page = store.list(&things(), None, Some(version), None).unwrap();
            let got: BTreeMap<String, u64> = page.items.iter()
                .map(|o| (o.value["metadata"]["name"].as_str().unwrap().to_owned(), o.value["v"].as_u64().unwrap()))
                .collect();
            proptest::prop_assert_eq!(got, wanted);
        }
    }
}
