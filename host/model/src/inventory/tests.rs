#![allow(clippy::unwrap_used)]
use super::*;
use crate::kind::Kind;
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = Entry> {
    let target = prop_oneof![
        ("[a-z.]{0,8}", "v[0-9]", "[A-Z][a-z]{1,8}", proptest::option::of("[a-z]{1,8}"), "[a-z]{1,20}").prop_map(
            |(group, version, kind, namespace, name)| {
                Target::Object(ObjectKey { kind: Kind::new(&group, &version, &kind), namespace, name })
            }
        ),
        "[a-z]{1,20}".prop_map(|name| Target::Secret(ObjectKey {
            kind: Kind::new("", "v1", "Secret"),
            namespace: Some("default".into()),
            name
        })),
        ".{1,20}".prop_map(|name| Target::External { backend: Backend::Azure, name, api_version: "2024".into() }),
    ];
    (".{0,10}", target, proptest::collection::vec(".{0,5}", 0..3), 0..3_usize).prop_map(
        |(id, target, after, removal)| {
            let removal = [RemovalPolicy::Delete, RemovalPolicy::Keep, RemovalPolicy::Protect][removal];
            Entry { id, target, after, removal }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(entries in proptest::collection::vec(entry(), 0..6)) {
        let mut seen = std::collections::BTreeSet::new();
        let entries: Vec<Entry> = entries.into_iter().filter(|entry| seen.insert(entry.target.clone())).collect();
        let inventory = Inventory { entries };
        prop_assert_eq!(Inventory::read(&inventory.write()), Ok(inventory));
    }

    #[test]
    fn any_text_is_read_or_an_error_and_a_cut_one_is_an_error(text in ".{0,80}", entries in proptest::collection::vec(entry(), 1..3), cut in 1_usize..20) {
        let _ = Inventory::read(&text);
        let written = Inventory { entries }.write();
        let end = written.len().saturating_sub(cut);
        if written.is_char_boundary(end) {
            prop_assert!(Inventory::read(&written[..end]).is_err());
        }
    }
}

#[test]
fn the_form_is_stable_and_unknown_fields_are_left_out() {
    let text = r#"{"v":1,"items":[{"id":"svc","api":"v1","kind":"Service","ns":"default","name":"db","after":["a"],"removal":"keep"}]}"#;
    let inventory = Inventory::read(text).unwrap();
    assert_eq!(inventory.write(), text);
    let newer = text.replace("\"v\":1", "\"v\":1,\"more\":{}").replace("\"id\"", "\"more\":1,\"id\"");
    assert_eq!(Inventory::read(&newer), Ok(inventory));
}

#[test]
fn a_place_is_the_same_in_every_version_and_under_no_other_name() {
    let object = |group: &str, version: &str, name: &str| {
        Target::Object(ObjectKey { kind: Kind::new(group, version, "Thing"), namespace: None, name: name.into() })
    };
    assert!(object("a", "v1", "x").same_place(&object("a", "v2", "x")));
    assert!(!object("a", "v1", "x").same_place(&object("b", "v1", "x")));
    assert!(!object("a", "v1", "x").same_place(&object("a", "v1", "y")));
    let azure = |name: &str| Target::External { backend: Backend::Azure, name: name.into(), api_version: "1".into() };
    assert!(azure("/Subscriptions/x").same_place(&azure("/subscriptions/X")));
    assert!(!azure("x").same_place(&object("", "1", "x")));
}

#[test]
fn a_newer_form_is_named_and_an_empty_text_is_no_empty_inventory() {
    assert_eq!(Inventory::read(r#"{"v":2,"things":{}}"#), Err(InventoryError::Newer(2)));
    assert!(matches!(Inventory::read(""), Err(InventoryError::Damaged(_))));
    assert!(matches!(Inventory::read("{}"), Err(InventoryError::Damaged(_))));
    let message = Inventory::read("\u{1b}[31m").unwrap_err().to_string();
    assert!(message.contains("restore it") && !message.chars().any(char::is_control));
}

#[test]
fn a_thousand_items_fit_into_the_annotation() {
    let entries = (0..1_000).map(|at| Entry {
        id: format!("statefulset/database-{at}"),
        target: Target::Object(ObjectKey {
            kind: Kind::new("apps", "v1", "StatefulSet"),
            namespace: Some("a-namespace".into()),
            name: format!("prod-database-{at}"),
        }),
        after: vec!["secret/root".into()],
        removal: RemovalPolicy::Delete,
    });
    assert!(Inventory { entries: entries.collect() }.write().len() < crate::CheckLimits::default().inventory_bytes);
}
