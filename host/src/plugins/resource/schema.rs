//! Schemas of fields whose types are the host's own, for the definition of `Plugin`.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Exactly one source.
pub(super) fn one_source() -> Value {
    json!({
        "rule": "[has(self.oci), has(self.configMap), has(self.http), has(self.file)].filter(given, given).size() == 1",
        "message": "name exactly one source: oci, configMap, http or file",
    })
}

/// Either a text or a pattern, for both parts of an identity.
pub(super) fn one_identity() -> Value {
    let either = |name: &str| {
        json!({
            "rule": format!("has(self.{name}) != has(self.{name}RegExp)"),
            "message": format!("name either {name} or {name}RegExp"),
        })
    };
    json!([either("issuer"), either("subject")])
}

/// Any object.
pub(super) fn settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "description": "Settings for the plugin, which judges them itself.",
    })
}

fn texts(description: &str) -> Value {
    json!({ "type": "array", "maxItems": 64, "items": { "type": "string", "maxLength": 253 }, "description": description })
}

/// [`model::Grants`].
pub(super) fn grants(_: &mut SchemaGenerator) -> Schema {
    let group = json!({ "type": "string", "maxLength": 253, "description": "API group; empty for the core group." });
    let kind = json!({ "type": "string", "maxLength": 63, "description": "Kind in CamelCase." });
    let list = |description: &str, required: &[&str], properties: Value| {
        json!({
            "type": "array", "maxItems": 64, "description": description,
            "items": { "type": "object", "required": required, "properties": properties },
        })
    };
    let flag = |description: &str| json!({ "type": "boolean", "description": description });
    json_schema!({
        "type": "object",
        "description": "What the plugin may do. It asks for the same; neither alone suffices.",
        "properties": {
            "writes": list("Kinds that it may write, in the namespace of the resource.", &["kind"], json!({
                "group": group, "kind": kind,
                "clusterScope": flag("Objects of this cluster-scoped kind may be written from a namespaced resource."),
                "verbs": {
                    "type": "array", "maxItems": 3, "description": "In which ways; empty: in all.",
                    "items": { "type": "string", "enum": ["create", "patch", "delete"] },
                },
            })),
            "reads": list("Kinds that it may see though its resources do not own them.", &["kind"], json!({
                "group": group, "kind": kind,
                "namespaces": texts("Namespaces besides the resource's own; `*` for all."),
                "names": texts("Only objects of these names; empty: any."),
            })),
            "namespaces": texts("Namespaces in which its resources are served; empty: all."),
            "backends": {
                "type": "object", "description": "Backends besides Kubernetes.",
                "properties": {
                    "mysql": flag("MySQL servers."), "azure": flag("Azure Resource Manager."), "vault": flag("Azure Key Vault."),
                },
            },
            "azureScopes": list("Subscriptions and resource groups.", &["subscription"], json!({
                "subscription": { "type": "string", "maxLength": 64 },
                "resourceGroup": { "type": "string", "maxLength": 90 },
            })),
            "vaults": texts("Addresses of Key Vaults."),
            "serviceAccount": {
                "type": "object", "required": ["namespace", "name"],
                "description": "The ServiceAccount that everything about the plugin's resources is written as, so that its roles are a second wall. Without it: the host's own.",
                "properties": {
                    "namespace": { "type": "string", "minLength": 1, "maxLength": 63, "description": "Its namespace." },
                    "name": { "type": "string", "minLength": 1, "maxLength": 253, "description": "Its name." },
                },
            },
        },
    })
}

/// [`crate::decide::Limits`].
pub(super) fn limits(_: &mut SchemaGenerator) -> Schema {
    let bytes = |description: &str| json!({ "x-kubernetes-int-or-string": true, "description": format!("{description} A number of bytes, or `64Mi`.") });
    let count =
        |description: &str| json!({ "type": "integer", "format": "int64", "minimum": 0, "description": description });
    json_schema!({
        "type": "object",
        "description": "What one call may use.",
        "properties": {
            "wall": { "type": "string", "maxLength": 16, "description": "Time that a call may run: `250ms`, `2s`." },
            "fuel": count("Units of work, about one for each WebAssembly instruction."),
            "memory": bytes("All memories of an instance together."),
            "tableElements": count("Elements of all tables."),
            "output": bytes("Size of one answer."),
            "items": count("Desired items, and entries of every other list of an answer."),
            "jsonDepth": count("How deep the JSON of an answer may be nested."),
            "jsonValues": count("JSON values in one answer."),
            "log": bytes("Size of all log lines of a call."),
            "handles": count("Component-model handles that may be alive."),
            "componentSize": bytes("Size of the component itself."),
        },
    })
}
