//! Every field of the spec does something (O6): the example with every field has all of the schema, and leaving any of
//! them out changes what should exist.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use std::collections::BTreeSet;
use support::{items, resource};
use windlass_sdk::{Value, json};

/// Fields that cannot stand beside others in one resource, each with a change to the example that makes room for it.
fn variants() -> Vec<(&'static str, Value)> {
    vec![("backup.storage.claimName", {
        let mut resource = resource("mysql-full.yaml");
        resource["spec"]["backup"]["storage"] = json!({ "claimName": "mine" });
        resource
    })]
}

/// Paths of the fields of a schema that have no fields of their own: scalars, lists, maps, free objects.
fn leaves_of_schema(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            for (name, inner) in properties {
                leaves_of_schema(inner, &format!("{path}.{name}"), found);
            }
        }
        None => {
            found.insert(path.trim_start_matches('.').to_string());
        }
    }
}

fn schema_leaves() -> BTreeSet<String> {
    let crd = mysql::crd().manifest();
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    let mut found = BTreeSet::new();
    leaves_of_schema(spec, "", &mut found);
    found
}

/// Removes the field at a path; false where there was none.
fn remove(spec: &mut Value, path: &str) -> bool {
    let (parents, last) = path.rsplit_once('.').map_or(("", path), |(parents, last)| (parents, last));
    let pointer = if parents.is_empty() { String::new() } else { format!("/{}", parents.replace('.', "/")) };
    spec.pointer_mut(&pointer).and_then(Value::as_object_mut).is_some_and(|fields| fields.remove(last).is_some())
}

#[test]
fn every_field_of_the_schema_changes_what_should_exist() {
    let variants = variants();
    for path in schema_leaves() {
        let mut changed = variants
            .iter()
            .find(|(name, _)| *name == path)
            .map_or_else(|| resource("mysql-full.yaml"), |(_, resource)| resource.clone());
        let before = items(&changed);
        match path.as_str() {
            // Required, and the image of the example hides it.
            "version" => {
                changed["spec"].as_object_mut().unwrap().remove("image");
                let with = items(&changed);
                changed["spec"]["version"] = json!("8.4.3");
                assert_ne!(with, items(&changed), "version");
                continue;
            }
            // What these change shows on servers, which the first look at a resource does not see; see `policy`.
            "maxReplicaLagSeconds" | "recovery.reinitErrant" => continue,
            // Not in the example, because it would hide the others.
            "offline" => changed["spec"]["offline"] = json!(true),
            // On in the example as by default, since off would hide the other field.
            "podDisruptionBudget.enabled" => changed["spec"]["podDisruptionBudget"]["enabled"] = json!(false),
            _ => assert!(remove(&mut changed["spec"], &path), "the example with every field has no {path}"),
        }
        // A Service whose type goes must lose what only that type has.
        for service in ["primary", "replica"] {
            if path == format!("services.{service}.type") {
                for field in ["loadBalancerSourceRanges", "loadBalancerClass", "nodePort", "externalTrafficPolicy"] {
                    remove(&mut changed["spec"], &format!("services.{service}.{field}"));
                }
            }
        }
        assert_ne!(before, items(&changed), "{path} has no effect");
    }
}

#[test]
fn the_same_snapshot_gives_the_same_decision() {
    let snapshot = || support::looked_at(&resource("mysql-full.yaml"));
    assert_eq!(support::decide(snapshot()), support::decide(snapshot()));
}

#[test]
fn null_is_the_same_as_left_out() {
    let mut with_nulls = resource("mysql.yaml");
    for field in ["image", "storage", "resources", "config", "podTemplate", "services", "podDisruptionBudget"] {
        with_nulls["spec"][field] = Value::Null;
    }
    assert_eq!(items(&with_nulls), items(&resource("mysql.yaml")));
}
