//! Items that the tests' plugins return.

use model::{
    Body, Decision, Fault, Item, Snapshot,
    decision::{GeneratedSecret, PasswordRules, RandomValue, ReadyWhen, RemovalPolicy, UpdatePolicy},
};
use serde_json::{Value, json};

pub fn item(id: &str, body: Body) -> Item {
    Item {
        id: id.into(),
        after: Vec::new(),
        ready_when: ReadyWhen::Ready,
        update: UpdatePolicy::Apply,
        removal: RemovalPolicy::Delete,
        body,
    }
}

pub fn config(name: &str, value: &str) -> Item {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}});
    item(name, Body::Kubernetes(body))
}

pub fn secret(name: &str, generation: u32) -> Item {
    let secret = GeneratedSecret {
        name: name.into(),
        secret_type: "Opaque".into(),
        plain: vec![("user".into(), "root".into())],
        random: vec![RandomValue {
            key: "password".into(),
            length: 24,
            rules: PasswordRules::Alphanumeric,
            avoid: String::new(),
        }],
        composed: Vec::new(),
        generation,
        labels: Vec::new(),
    };
    item(name, Body::Secret(secret))
}

/// The resource in a snapshot.
pub fn resource(snapshot: &Snapshot) -> Value {
    serde_json::from_str(&snapshot.resource).unwrap()
}

/// As many ConfigMaps as `spec.count` says; nothing while deleting.
pub fn counted(snapshot: &Snapshot) -> Result<Decision, Fault> {
    let count = resource(snapshot)["spec"]["count"].as_u64().unwrap_or(1);
    let name = resource(snapshot)["metadata"]["name"].as_str().unwrap().to_owned();
    let items =
        if snapshot.deleting { Vec::new() } else { (0..count).map(|n| config(&format!("{name}-{n}"), "x")).collect() };
    let status = json!({ "seen": snapshot.items.len() });
    Ok(Decision { items, status, ..Decision::default() })
}

pub fn config_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/configmaps/{name}")
}

pub fn secret_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/secrets/{name}")
}

pub fn widget_path(name: &str) -> String {
    format!("/apis/test.dev/v1/namespaces/default/widgets/{name}")
}
