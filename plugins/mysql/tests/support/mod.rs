//! Resources for the tests, from the examples that users are shown.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]
#![allow(dead_code, reason = "each test file uses a part")]

use mysql::MysqlPlugin;
use windlass_sdk::testing::SnapshotOf;
use windlass_sdk::{Condition, Decision, Fault, Item, Truth, Value, entry, json};

/// An example of `crds/examples`, as the API server would hand it out.
pub fn resource(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/examples").join(file);
    let mut resource: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    resource["metadata"]["namespace"] = json!("default");
    resource["metadata"]["uid"] = json!("5f1c0c3e-0000-4000-8000-000000000001");
    resource["metadata"]["generation"] = json!(1);
    resource
}

/// A resource with this spec.
pub fn with_spec(spec: Value) -> Value {
    let mut resource = resource("mysql.yaml");
    resource["spec"] = spec;
    resource
}

/// The first look at a resource that has no pods yet.
pub fn looked_at(resource: &Value) -> SnapshotOf {
    SnapshotOf::resource(resource).related("pods", &[])
}

/// The decision for a snapshot, which must be one.
pub fn decide(snapshot: SnapshotOf) -> Decision {
    entry::decide::<MysqlPlugin>(snapshot.build()).unwrap()
}

/// The items of the first look at a resource, which must be valid.
pub fn items(resource: &Value) -> Vec<Item> {
    decide(looked_at(resource)).items
}

/// The manifest of one item of a resource.
pub fn manifest(resource: &Value, id: &str) -> Value {
    items(resource).iter().find(|item| item.id == id).and_then(Item::manifest).unwrap_or_else(|| panic!("no item {id}"))
}

/// The field errors of a resource, as text.
pub fn errors(resource: &Value) -> Vec<String> {
    match entry::decide::<MysqlPlugin>(looked_at(resource).build()) {
        Err(Fault::Invalid(errors)) => errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => Vec::new(),
    }
}

/// The errors of a change, as text.
pub fn change_errors(old: &Value, new: &Value) -> Vec<String> {
    match entry::validate::<MysqlPlugin>(Some(&old.to_string()), &new.to_string()) {
        Err(errors) => errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect(),
        Ok(()) => Vec::new(),
    }
}

/// One condition of a decision.
pub fn condition<'a>(decision: &'a Decision, type_: &str) -> &'a Condition {
    decision.conditions.iter().find(|c| c.type_ == type_).unwrap_or_else(|| panic!("no condition {type_}"))
}

/// Whether a condition of a decision holds.
pub fn holds(decision: &Decision, type_: &str) -> bool {
    condition(decision, type_).status == Truth::Yes
}

/// The resource with the status of a decision.
pub fn reported(resource: &Value, decision: &Decision) -> Value {
    let mut resource = resource.clone();
    resource["status"] = serde_json::from_str(&decision.status).unwrap();
    resource
}

/// The StatefulSet of a resource as it would be found with these counts.
pub fn live(resource: &Value, ready: u32, updated: u32) -> Value {
    let mut found = manifest(resource, "statefulset");
    found["status"] =
        json!({ "replicas": found["spec"]["replicas"], "readyReplicas": ready, "updatedReplicas": updated });
    found
}
