//! Resources and findings for the tests, from the examples that users are shown.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]
#![allow(dead_code, reason = "each test file uses a part")]

use azuresql::AzureSqlPlugin;
use windlass_sdk::azure::{ArmFacts, FailureClass, OperationFacts, SecretFingerprint, VaultFacts};
use windlass_sdk::testing::SnapshotOf;
use windlass_sdk::{Condition, Decision, Fault, Item, Value, entry, json};

/// Id of the server of the short example.
pub const ID: &str = "/subscriptions/00000000-0000-4000-8000-00000000a2e0/resourceGroups/customers/providers/\
                      Microsoft.Sql/servers/customer-123-db";
/// The time of every snapshot.
pub const NOW: u64 = 1_767_225_600_000;

/// An example of `crds/examples`, as the API server would hand it out.
pub fn resource(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/examples").join(file);
    let mut resource: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    resource["metadata"]["uid"] = json!("5f1c0c3e-0000-4000-8000-000000000003");
    resource["metadata"]["generation"] = json!(1);
    resource
}

/// The short example.
pub fn short() -> Value {
    resource("azuresql.yaml")
}

/// The short example with these fields of the spec.
pub fn with(spec: Value) -> Value {
    let mut changed = short();
    for (key, value) in spec.as_object().unwrap() {
        changed["spec"][key] = value.clone();
    }
    changed
}

/// The same with an annotation of a policy.
pub fn policy(mut resource: Value, policy: &str) -> Value {
    resource["metadata"]["annotations"]["serviceoperator.azure.com/reconcile-policy"] = json!(policy);
    resource
}

/// The operator's settings, without a vault.
pub fn settings() -> Value {
    json!({ "subscription": "00000000-0000-4000-8000-00000000a2e0", "resourceGroup": "customers" })
}

pub fn settings_with_vault() -> Value {
    let mut settings = settings();
    settings["keyVault"] = json!("customers-vault");
    settings
}

/// The first look at a resource.
pub fn first(resource: &Value) -> SnapshotOf {
    SnapshotOf::resource(resource).settings(&settings()).at(NOW)
}

/// Nothing was found of the server.
pub fn nothing() -> ArmFacts {
    ArmFacts {
        found: false,
        body: "null".into(),
        operation: None,
        etag: None,
        accepted: false,
        name_taken: None,
        sent_secrets: Vec::new(),
    }
}

/// The server as ARM returns it for the short example.
pub fn live() -> Value {
    json!({
        "id": ID, "name": "customer-123-db", "type": "Microsoft.Sql/servers", "kind": "v12.0", "location": "eastus",
        "tags": { "somebody": "else" },
        "properties": {
            "administratorLogin": "sqladmin", "version": "12.0", "state": "Ready", "minimalTlsVersion": "1.2",
            "publicNetworkAccess": "Enabled", "restrictOutboundNetworkAccess": "Disabled",
            "fullyQualifiedDomainName": "customer-123-db.database.windows.net", "privateEndpointConnections": [],
        },
    })
}

/// The server was found, with the password whose fingerprint is `p1`.
pub fn found(body: &Value) -> ArmFacts {
    let sent = SecretFingerprint { key: "/properties/administratorLoginPassword".into(), fingerprint: "p1".into() };
    ArmFacts { found: true, body: body.to_string(), accepted: true, sent_secrets: vec![sent], ..nothing() }
}

/// A write under way until this time.
pub fn running(facts: ArmFacts, retry_at: u64) -> ArmFacts {
    let operation = OperationFacts { running: true, error_code: None, error_message: None, failure: None, retry_at };
    ArmFacts { operation: Some(operation), accepted: true, ..facts }
}

/// A write that failed.
pub fn failed(facts: ArmFacts, code: &str, class: FailureClass) -> ArmFacts {
    let operation = OperationFacts {
        running: false,
        error_code: Some(code.into()),
        error_message: Some("in Azure's words".into()),
        failure: Some(class),
        retry_at: NOW + 60_000,
    };
    ArmFacts { operation: Some(operation), ..facts }
}

/// With the Secret, whose password has the fingerprint `p1`.
pub fn with_secret(snapshot: SnapshotOf) -> SnapshotOf {
    snapshot.secret("credentials", 0, &[("password", "p1"), ("username", "u1"), ("host", "h1")])
}

/// The snapshot of a settled server of a resource.
pub fn settled(resource: &Value) -> SnapshotOf {
    with_secret(first(resource).arm("server", &found(&live()), true))
}

/// What a vault has.
pub fn vault(fingerprint: Option<&str>, soft_deleted: bool) -> VaultFacts {
    VaultFacts {
        found: fingerprint.is_some(),
        soft_deleted,
        version: fingerprint.map(str::to_owned),
        fingerprint: fingerprint.map(str::to_owned),
    }
}

pub fn decide(snapshot: SnapshotOf) -> Decision {
    entry::decide::<AzureSqlPlugin>(snapshot.build()).unwrap()
}

pub fn fault(snapshot: SnapshotOf) -> Fault {
    entry::decide::<AzureSqlPlugin>(snapshot.build()).unwrap_err()
}

pub fn errors(resource: &Value) -> Vec<String> {
    match entry::decide::<AzureSqlPlugin>(first(resource).build()) {
        Err(Fault::Invalid(errors)) => errors.iter().map(|e| format!("{}: {}", e.path, e.message)).collect(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => Vec::new(),
    }
}

pub fn item<'a>(decision: &'a Decision, id: &str) -> Option<&'a Item> {
    decision.items.iter().find(|item| item.id == id)
}

pub fn ids(decision: &Decision) -> Vec<&str> {
    decision.items.iter().map(|item| item.id.as_str()).collect()
}

/// What is sent for an item.
pub fn body(decision: &Decision, id: &str) -> Value {
    let resource = item(decision, id).unwrap_or_else(|| panic!("no item {id}")).arm_resource().unwrap();
    serde_json::from_str(&resource.body).unwrap()
}

/// Whether an item of Azure or a vault is only looked at.
pub fn watched(decision: &Decision, id: &str) -> bool {
    let item = item(decision, id).unwrap_or_else(|| panic!("no item {id}"));
    item.arm_resource().map_or_else(|| item.vault_secret().unwrap().observe_only, |resource| resource.observe_only)
}

/// Whether the password of the Secret is sent.
pub fn sends_password(decision: &Decision) -> bool {
    !item(decision, "server").unwrap().arm_resource().unwrap().secrets.is_empty()
}

pub fn condition<'a>(decision: &'a Decision, type_: &str) -> &'a Condition {
    decision.conditions.iter().find(|c| c.type_ == type_).unwrap_or_else(|| panic!("no condition {type_}"))
}

/// Reason of Ready, and how bad it is.
pub fn ready(decision: &Decision) -> (String, String) {
    let severity = status(decision)["severity"].as_str().unwrap_or("").to_owned();
    (condition(decision, "Ready").reason.clone(), severity)
}

pub fn status(decision: &Decision) -> Value {
    serde_json::from_str(&decision.status).unwrap()
}

/// The resource with the status of a decision.
pub fn reported(resource: &Value, decision: &Decision) -> Value {
    let mut resource = resource.clone();
    resource["status"] = status(decision);
    resource
}
