//! Wrong resources (F1, F2, F3, F7): each is told where it is wrong, and none makes the plugin fail.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use mysql::MysqlPlugin;
use proptest::prelude::*;
use support::{change_errors, errors, items, looked_at, resource, with_spec};
use windlass_sdk::testing::SnapshotOf;
use windlass_sdk::{Item, Value, entry, json};

/// Expects one error that starts with a path and contains a part.
fn refused(spec: Value, path: &str, part: &str) {
    let found = errors(&with_spec(spec.clone()));
    assert!(found.iter().any(|e| e.starts_with(path) && e.contains(part)), "{spec}: {found:?}");
}

#[test]
fn a_wrong_type_is_reported_with_its_path() {
    refused(json!({ "version": 8.0 }), "spec.version", "put the value in quotes");
    refused(json!({ "version": "8.0", "replicas": "3" }), "spec.replicas", "invalid type");
    refused(json!({ "version": "8.0", "storage": { "size": 5 } }), "spec.storage.size", "expected a string");
    refused(json!({ "version": "8.0", "storage": "10Gi" }), "spec.storage", "invalid type");
    refused(json!({ "version": "8.0", "config": { "a": true } }), "spec.config.a", "a whole number or text");
    refused(
        json!({ "version": "8.0", "podTemplate": { "tolerations": [{ "key": 1 }] } }),
        "spec.podTemplate.tolerations[0].key",
        "",
    );
    refused(json!([]), "spec", "");
}

#[test]
fn numbers_beyond_their_range_are_reported() {
    for replicas in [json!(0), json!(100), json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1e300), json!(2.5)] {
        refused(json!({ "version": "8.0", "replicas": replicas }), "spec.replicas", "");
    }
}

#[test]
fn a_version_must_be_given_and_supported() {
    refused(json!({}), "spec", "missing field `version`");
    refused(json!({ "version": "5.7" }), "spec.version", "use one of 8.0, 8.4, 9.7");
    refused(json!({ "version": "8.0.11" }), "spec.version", "too old");
}

#[test]
fn settings_that_an_option_file_cannot_hold_are_refused() {
    for (key, value, part) in [
        ("a b", json!("1"), "no name of a server option"),
        ("[mysqld]", json!("1"), "no name of a server option"),
        ("a\nb", json!("1"), "no name of a server option"),
        ("sql_mode", json!("a\nskip_grant_tables"), "line break"),
        ("sql_mode", json!("'\""), "both kinds of quotes"),
        ("sql_mode", json!("x".repeat(2000)), "longer than"),
    ] {
        let mut config = json!({});
        config[key] = value;
        refused(json!({ "version": "8.0", "config": config }), "spec.config.", part);
    }
}

#[test]
fn fields_that_do_not_fit_together_are_refused() {
    let service = |fields: Value| json!({ "version": "8.0", "services": { "primary": fields } });
    refused(service(json!({ "nodePort": 30000 })), "spec.services.primary.nodePort", "needs");
    refused(service(json!({ "loadBalancerClass": "x" })), "spec.services.primary.loadBalancerClass", "needs");
    refused(
        json!({ "version": "8.0", "podTemplate": { "volumes": [{ "name": "data" }] } }),
        "spec.podTemplate.volumes[0]",
        "belongs to the server's own pod",
    );
    refused(
        json!({ "version": "8.0", "backup": { "storage": { "claimName": "a", "size": "1Gi" } } }),
        "spec.backup.storage.claimName",
        "leave size",
    );
    refused(json!({ "version": "8.0", "backup": { "schedule": "61 * * * *" } }), "spec.backup.schedule", "minute");
}

#[test]
fn every_wrong_field_is_reported_at_once() {
    let found = errors(&with_spec(json!({ "version": "5.7", "replicas": 0, "storage": { "size": "lots" } })));
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_change_that_cannot_be_made_is_reported() {
    let old = with_spec(json!({ "version": "8.4", "storage": { "size": "20Gi", "storageClassName": "a" } }));
    let new = with_spec(json!({ "version": "8.0", "storage": { "size": "10Gi", "accessMode": "ReadWriteOncePod" } }));
    let found = change_errors(&old, &new).join("\n");
    for path in ["spec.version", "spec.storage.size", "spec.storage.storageClassName", "spec.storage.accessMode"] {
        assert!(found.contains(path), "{path}: {found}");
    }
    assert_eq!(change_errors(&old, &old), Vec::<String>::new());
}

#[test]
fn a_volume_size_spelled_differently_is_no_change() {
    let size = |size: &str| with_spec(json!({ "version": "8.4", "storage": { "size": size } }));
    assert_eq!(change_errors(&size("1Gi"), &size("1024Mi")), Vec::<String>::new());
}

#[test]
fn an_old_resource_that_no_longer_parses_does_not_block_its_correction() {
    assert_eq!(change_errors(&json!({ "metadata": 1 }), &resource("mysql.yaml")), Vec::<String>::new());
}

/// Names of every object, and of the pods that a StatefulSet of 99 would have.
fn names(resource_name: &str) -> Vec<String> {
    let mut resource = resource("mysql.yaml");
    resource["metadata"]["name"] = json!(resource_name);
    items(&resource)
        .iter()
        .filter_map(Item::manifest)
        .flat_map(|manifest| {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_string();
            let pod = (manifest["kind"] == "StatefulSet").then(|| format!("{name}-98"));
            std::iter::once(name).chain(pod)
        })
        .collect()
}

#[test]
fn long_and_strange_names_give_children_that_kubernetes_accepts() {
    for name in
        ["a", "1st", "a.b.c", &"a".repeat(63), &"a".repeat(253), &format!("{}.{}", "a".repeat(60), "b".repeat(60))]
    {
        for child in names(name) {
            assert!(windlass_sdk::names::is_label(&child), "{name}: {child}");
        }
    }
}

#[test]
fn names_from_hostile_hands_are_made_harmless() {
    for name in ["../../etc", "a\nb", "a'; DROP TABLE x;--", "ａｂｃ", "\u{202e}abc", "%2f", "-x", "A"] {
        for child in names(name) {
            assert!(windlass_sdk::names::is_label(&child), "{name:?}: {child}");
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let text =
        format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"version":"8.0","podTemplate":{{"affinity":{deep}}}}}}}"#);
    let answer = entry::decide::<MysqlPlugin>(SnapshotOf::text(&text).build());
    assert!(matches!(answer, Err(windlass_sdk::Fault::Invalid(_))), "{answer:?}");
}

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop_oneof![Just("8.0"), Just("10Gi"), Just("LoadBalancer"), Just("0 2 * * *")].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,12}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Paths of the example with every field, to put something else at one of them.
fn paths(value: &Value, at: String, found: &mut Vec<String>) {
    found.push(at.clone());
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                paths(inner, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                paths(inner, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_json_as_a_resource_is_answered(value in any_json(), status in any_json()) {
        let _ = entry::decide::<MysqlPlugin>(looked_at(&value).build());
        let _ = entry::validate::<MysqlPlugin>(Some(&status.to_string()), &value.to_string());
        let _ = entry::validate_settings::<MysqlPlugin>(&value.to_string());
        let mut resource = with_spec(value);
        resource["status"] = status;
        let _ = entry::decide::<MysqlPlugin>(looked_at(&resource).build());
    }

    #[test]
    fn any_json_in_one_field_is_answered(value in any_json(), pick in any::<prop::sample::Index>()) {
        let mut resource = resource("mysql-full.yaml");
        let mut all = Vec::new();
        paths(&resource["spec"], String::new(), &mut all);
        if let Some(place) = resource["spec"].pointer_mut(pick.get(&all).as_str()) {
            *place = value;
        }
        let _ = entry::decide::<MysqlPlugin>(looked_at(&resource).build());
    }

    #[test]
    fn any_json_as_what_was_found_is_answered(value in any_json(), ready in any::<bool>()) {
        let snapshot = looked_at(&resource("mysql.yaml"))
            .found("statefulset", &value, ready)
            .found("backup", &value, ready);
        prop_assert!(entry::decide::<MysqlPlugin>(snapshot.build()).is_ok());
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = entry::decide::<MysqlPlugin>(SnapshotOf::text(&text).settings(&json!(text)).build());
    }
}
