//! Resources for the tests, from the examples that users are shown.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]
#![allow(dead_code, reason = "each test file uses a part")]

pub mod stage;

use mysql::MysqlPlugin;
use windlass_sdk::mysql::{IoState, MysqlFacts, SemiSyncFacts, SourceFacts};
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

/// The StatefulSet of a resource as it would be found when all of it was applied.
pub fn live(resource: &Value) -> Value {
    let mut found = manifest(resource, "statefulset");
    found["spec"]["replicas"] = resource["spec"]["replicas"].as_u64().unwrap_or(1).into();
    found
}

/// The resource with the status of a cluster in order, whose first server is the primary.
pub fn formed(resource: &Value) -> Value {
    let mut formed = resource.clone();
    let replicas = resource["spec"]["replicas"].as_u64().unwrap_or(1);
    let target = json!({
        "replicas": replicas,
        "version": resource["spec"]["version"],
        "template": live(resource)["metadata"]["annotations"]["database.example.com/template-hash"],
    });
    formed["status"] = json!({
        "state": "Healthy",
        "currentPrimary": "prod-db-0",
        "initialized": true,
        "durability": { "acks": replicas / 2, "target": replicas / 2, "members": (0..replicas).collect::<Vec<_>>() },
        "credentialsGeneration": 0,
        "version": resource["spec"]["version"],
        "target": target,
        "reached": target,
    });
    formed
}

/// A look at a cluster whose first `ready` pods are ready, with servers in order in them, and whose last `updated` pods
/// are as `live` makes them.
pub fn running(resource: &Value, live: &Value, ready: u32, updated: u32) -> SnapshotOf {
    let pods = u32::try_from(live["spec"]["replicas"].as_u64().unwrap()).unwrap();
    let hash = live["metadata"]["annotations"]["database.example.com/template-hash"].as_str().unwrap();
    let of = |i: u32| {
        let hash = if i >= pods - updated { hash } else { "old" };
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": format!("prod-db-{i}"), "annotations": { "database.example.com/template-hash": hash } },
            "status": {
                "podIP": format!("10.0.0.{i}"),
                "conditions": [{ "type": "Ready", "status": if i < ready { "True" } else { "False" } }],
            },
        })
    };
    let all: Vec<Value> = (0..pods).map(of).collect();
    let mut snapshot = SnapshotOf::resource(resource).related("pods", &all).found("statefulset", live, true);
    for i in 0..pods {
        let id = format!("server/{i}");
        snapshot = if i < ready {
            snapshot.answers(&id, &answer(resource, i, ready))
        } else {
            snapshot.silent(&id, 1_767_225_590_000, "Refused")
        };
    }
    snapshot
}

/// What a server in order answers: the first is the primary, and the others of the first `ready` follow it.
pub fn answer(resource: &Value, ordinal: u32, ready: u32) -> MysqlFacts {
    let metadata: windlass_sdk::Metadata = serde_json::from_value(resource["metadata"].clone()).unwrap();
    let prefix = mysql::build::pod::server_id_prefix(&metadata);
    let id = |i: u32| format!("{prefix}{i}").parse().unwrap();
    let executed = format!("{}:1-100", stage::uuid(0));
    let primary = ordinal == 0;
    let wanted = u32::try_from(resource["spec"]["replicas"].as_u64().unwrap_or(1)).unwrap();
    MysqlFacts {
        version: "8.0.43".into(),
        server_uuid: stage::uuid(ordinal),
        server_id: id(ordinal),
        read_only: !primary,
        super_read_only: !primary,
        executed: executed.clone(),
        purged: String::new(),
        source: (!primary).then(|| SourceFacts {
            host: "10.0.0.0".into(),
            port: 3306,
            source_uuid: stage::uuid(0),
            io: IoState::Running,
            sql_running: true,
            received: executed,
            io_error: 0,
            sql_error: 0,
            lag: Some(0),
        }),
        semi_sync: SemiSyncFacts {
            source_enabled: primary && wanted > 1,
            replica_enabled: !primary,
            wait_for: wanted / 2,
            waiting_sessions: 0,
        },
        attached: if primary { (1..ready).map(id).collect() } else { Vec::new() },
        clone: None,
        can_commit: true,
        stalled_since: None,
        accounts: mysql::name::ACCOUNTS.iter().map(|account| format!("prod-db-{}", account.id)).collect(),
        uptime: 60_000,
    }
}
