//! What comes in: definitions of built-in types and schemas of custom resources. What goes out: the same in the words of
//! OpenAPI 2 or 3, with the extensions by which clients merge. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::builtin::definitions;
use crate::resource::Resource;
use crate::schema::{ListType, MapType, Schema};

/// Which version of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    V2,
    V3,
}

/// The definition behind `/scale`.
pub(super) const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Definitions that every document has.
pub(super) const ALWAYS: [&str; 3] =
    ["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.Status", OBJECT_META];

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

impl Dialect {
    /// A reference to a definition.
    pub(super) fn reference(self, name: &str) -> String {
        match self {
            Self::V2 => format!("#/definitions/{name}"),
            Self::V3 => format!("#/components/schemas/{name}"),
        }
    }

    /// A reference with a description beside it, which version 3 allows inside of `allOf` alone.
    fn described(self, name: &str, description: &str) -> Value {
        let reference = json!({ "$ref": self.reference(name) });
        match self {
            Self::V2 if description.is_empty() => reference,
            Self::V2 => json!({ "$ref": self.reference(name), "description": description }),
            Self::V3 if description.is_empty() => reference,
            Self::V3 => json!({ "allOf": [reference], "description": description }),
        }
    }
}

/// The names of definitions that a schema refers to.
pub(super) fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
                found.insert(name.to_owned());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// The schema of a kind, and that of its list.
pub(super) fn kind(resource: &Resource, dialect: Dialect) -> (Value, Value) {
    let gvk = |kind: &str| json!([{ "group": resource.group, "kind": kind, "version": resource.version }]);
    let mut schema = match &resource.schema.source {
        Some(source) => custom(source, dialect),
        None => builtin(&resource.openapi_name, dialect).unwrap_or_else(|| json!({ "type": "object" })),
    };
    schema["x-kubernetes-group-version-kind"] = gvk(&resource.kind);
    let list = json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": API_VERSION },
            "kind": { "type": "string", "description": KIND },
            "metadata": dialect.described(&format!("{META}.ListMeta"), "Standard list metadata."),
            "items": {
                "type": "array",
                "description": format!("List of {}.", resource.plural),
                "items": { "$ref": dialect.reference(&resource.openapi_name) },
            },
        },
        "x-kubernetes-group-version-kind": gvk(&resource.list_kind),
    });
    (schema, list)
}

/// A built-in definition.
pub(super) fn builtin(name: &str, dialect: Dialect) -> Option<Value> {
    let source = definitions::DEFINITIONS.get(name)?;
    if name.ends_with(".IntOrString") || name.ends_with(".Quantity") {
        return Some(union(name, source, dialect));
    }
    let schema = definitions::schema(name);
    Some(translate(source, schema.as_deref(), dialect))
}

/// Types that are a number or a string.
fn union(name: &str, source: &Value, dialect: Dialect) -> Value {
    let whole = name.ends_with(".IntOrString");
    let mut out = Map::new();
    out.insert("description".to_owned(), source["description"].clone());
    match dialect {
        Dialect::V2 => {
            out.insert("type".to_owned(), json!("string"));
        }
        Dialect::V3 => {
            let number = if whole { "integer" } else { "number" };
            out.insert("oneOf".to_owned(), json!([{ "type": number }, { "type": "string" }]));
        }
    }
    if whole {
        out.insert("format".to_owned(), json!("int-or-string"));
    }
    Value::Object(out)
}

/// A node of a built-in definition with what is known of its merging.
fn translate(source: &Value, schema: Option<&Schema>, dialect: Dialect) -> Value {
    let Some(map) = source.as_object() else { return source.clone() };
    if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        let mut out = dialect.described(name, map.get("description").and_then(Value::as_str).unwrap_or_default());
        extend(&mut out, schema);
        return out;
    }
    let mut out = Map::new();
    for (key, value) in map {
        let translated = match key.as_str() {
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let child = |name: &str| schema.and_then(|schema| schema.properties.get(name)).map(|child| &**child);
                Value::Object(
                    properties.map(|(name, value)| (name.clone(), translate(value, child(name), dialect))).collect(),
                )
            }
            "items" => translate(value, schema.and_then(|schema| schema.items.as_deref()), dialect),
            "additionalProperties" => translate(value, schema.and_then(|schema| schema.additional.as_deref()), dialect),
            _ => value.clone(),
        };
        out.insert(key.clone(), translated);
    }
    let mut out = Value::Object(out);
    extend(&mut out, schema);
    out
}

/// Adds how a node merges.
fn extend(out: &mut Value, schema: Option<&Schema>) {
    let (Some(schema), Some(map)) = (schema, out.as_object_mut()) else { return };
    if schema.items.is_some() {
        let kind = match &schema.list_type {
            ListType::Atomic => "atomic",
            ListType::Set => "set",
            ListType::Map(keys) => {
                map.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
                "map"
            }
        };
        map.insert("x-kubernetes-list-type".to_owned(), json!(kind));
    }
    if schema.map_type == MapType::Atomic {
        map.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
    }
    if let Some(patch) = &schema.patch {
        let mut words = Vec::new();
        if patch.replace {
            words.push("replace");
        } else if schema.items.is_some() {
            words.push("merge");
        }
        if patch.retain_keys {
            words.push("retainKeys");
        }
        map.insert("x-kubernetes-patch-strategy".to_owned(), json!(words.join(",")));
        if let Some(key) = &patch.merge_key {
            map.insert("x-kubernetes-patch-merge-key".to_owned(), json!(key));
        }
    }
}

/// The schema of a custom resource with what every object has.
fn custom(source: &Value, dialect: Dialect) -> Value {
    let mut schema = match dialect {
        Dialect::V2 => reduced(source),
        Dialect::V3 => source.clone(),
    };
    let Some(map) = schema.as_object_mut() else { return json!({ "type": "object" }) };
    let free = map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true)) && !map.contains_key("properties");
    if dialect == Dialect::V2 && free {
        return json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    }
    let properties = map.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("apiVersion".to_owned(), json!({ "type": "string", "description": API_VERSION }));
        properties.insert("kind".to_owned(), json!({ "type": "string", "description": KIND }));
        let about = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
        properties.insert("metadata".to_owned(), dialect.described(OBJECT_META, about));
    }
    schema
}

/// What version 2 can say of a schema: no alternatives, no null, no type where several are possible.
fn reduced(source: &Value) -> Value {
    let Some(map) = source.as_object() else { return source.clone() };
    let mut out = Map::new();
    let loose =
        map.get("x-kubernetes-int-or-string") == Some(&json!(true)) || map.get("nullable") == Some(&json!(true));
    for (key, value) in map {
        match key.as_str() {
            "nullable" | "anyOf" | "oneOf" | "allOf" | "not" | "default" => {}
            "type" | "items" | "properties" | "additionalProperties" if loose => {}
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let reduced = properties.map(|(name, value)| (name.clone(), reduced(value))).collect();
                out.insert(key.clone(), Value::Object(reduced));
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), reduced(value));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}
