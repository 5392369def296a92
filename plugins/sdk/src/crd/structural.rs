//! From JSON Schema 2020-12 as schemars writes it to what apiextensions.k8s.io/v1 calls structural: no references, one
//! type for each value, no `oneOf` or `anyOf`, `nullable` instead of a null type, no closed objects. What cannot be said
//! in that form is left as it is, for [`super::problems`] to report: a schema is wrong at build time, not in a cluster.

use serde_json::{Map, Value, json};

/// Most items of a list where its author set no bound. The API server multiplies the cost of a rule by such bounds, and
/// takes the largest document (3 MiB) where there is none.
pub const MAX_ITEMS: u64 = 64;
/// Most keys of a map where its author set no bound.
const MAX_PROPERTIES: u64 = 64;
/// Most characters of a text where its author set no bound.
const MAX_LENGTH: u64 = 1024;

/// Formats that an API server knows; it warns of others.
const FORMATS: [&str; 6] = ["int32", "int64", "float", "double", "date-time", "byte"];

/// The structural form of a schema.
pub fn structural(mut schema: Value) -> Value {
    if schema == Value::Bool(true) {
        return json!({ "x-kubernetes-preserve-unknown-fields": true });
    }
    let Some(node) = schema.as_object_mut() else { return schema };
    for key in ["$schema", "$defs", "title", "propertyNames", "examples", "unevaluatedProperties"] {
        node.remove(key);
    }
    merge_single(node, "allOf");
    fold_alternatives(node);
    fold_null_type(node);
    fold_const(node);
    fold_numbers(node);
    fold_text(node);
    // Closed objects do not exist: unknown fields are pruned.
    if node.get("additionalProperties") == Some(&Value::Bool(false)) {
        node.remove("additionalProperties");
    }
    // Only plain values get defaults: a default object would hide that nothing was written, and would have to be complete.
    if node.get("default").is_some_and(|d| d.is_null() || d.is_object() || d.is_array()) {
        node.remove("default");
    }
    descend(node);
    schema
}

/// Applies [`structural`] to the schemas inside, and lets optional fields be null.
fn descend(node: &mut Map<String, Value>) {
    let required: Vec<String> =
        node.get("required").and_then(|r| serde_json::from_value(r.clone()).ok()).unwrap_or_default();
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        for (name, property) in properties {
            *property = structural(property.take());
            let Some(fields) = property.as_object_mut() else { continue };
            // As for built-in kinds: writing `field: null`, as templates do, is the same as leaving it out. (With a
            // default the API server does that by itself.)
            if !required.contains(name) && !fields.contains_key("default") {
                fields.insert("nullable".into(), json!(true));
            } else {
                fields.remove("nullable");
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get_mut(key) {
            *inner = structural(inner.take());
        }
    }
}

/// `allOf: [x]` says the same as `x`.
fn merge_single(node: &mut Map<String, Value>, key: &str) {
    let single = matches!(node.get(key), Some(Value::Array(schemas)) if schemas.len() == 1);
    if !single {
        return;
    }
    if let Some(Value::Array(mut schemas)) = node.remove(key)
        && let Some(Value::Object(inner)) = schemas.pop()
    {
        for (name, value) in inner {
            node.entry(name).or_insert(value);
        }
    }
}

/// `anyOf: [x, null]` is an optional x; `oneOf` of constants is an enumeration whose values have descriptions.
fn fold_alternatives(node: &mut Map<String, Value>) {
    if let Some(Value::Array(alternatives)) = node.get_mut("anyOf") {
        alternatives.retain(|schema| schema.get("type") != Some(&json!("null")));
        merge_single(node, "anyOf");
    }
    let Some(Value::Array(alternatives)) = node.get("oneOf") else { return };
    let constants: Option<Vec<(Value, String)>> = alternatives
        .iter()
        .map(constants_of)
        .collect::<Option<Vec<_>>>()
        .map(|groups| groups.into_iter().flatten().collect());
    let Some(constants) = constants else { return };
    node.remove("oneOf");
    let texts: Vec<String> = constants
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(value, text)| format!("{}: {text}", value.as_str().unwrap_or_default()))
        .collect();
    if !texts.is_empty() {
        let own = node.get("description").and_then(Value::as_str).unwrap_or_default();
        let all = if own.is_empty() { texts.join("\n") } else { format!("{own}\n{}", texts.join("\n")) };
        node.insert("description".into(), json!(all));
    }
    node.insert("type".into(), json!("string"));
    node.insert("enum".into(), constants.into_iter().map(|(value, _)| value).collect());
}

/// The constants of one alternative, each with its description.
fn constants_of(schema: &Value) -> Option<Vec<(Value, String)>> {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    if let Some(value @ Value::String(_)) = schema.get("const") {
        return Some(vec![(value.clone(), text.to_string())]);
    }
    let values = schema.get("enum")?.as_array()?;
    values.iter().map(|value| value.is_string().then(|| (value.clone(), text.to_string()))).collect()
}

/// `type: [x, null]` is `type: x`. Whether it may be null follows from its place, see [`descend`].
fn fold_null_type(node: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = node.get("type") {
        let mut types: Vec<Value> = types.iter().filter(|t| **t != json!("null")).cloned().collect();
        if types.len() == 1 {
            node.insert("type".into(), types.remove(0));
        }
    }
    if let Some(Value::Array(values)) = node.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// `const` is an enumeration of one.
fn fold_const(node: &mut Map<String, Value>) {
    if let Some(value) = node.remove("const") {
        node.insert("enum".into(), json!([value]));
    }
}

/// Unsigned formats of Rust are limits, which an API server checks, and no formats, which it does not.
fn fold_numbers(node: &mut Map<String, Value>) {
    let Some(format) = node.get("format").and_then(Value::as_str).map(str::to_string) else { return };
    let most: Option<(u64, &str)> = match format.as_str() {
        "uint8" => Some((u8::MAX.into(), "int32")),
        "uint16" => Some((u16::MAX.into(), "int32")),
        "uint32" => Some((u32::MAX.into(), "int64")),
        "uint64" | "uint" => Some((i64::MAX as u64, "int64")),
        _ => None,
    };
    if let Some((most, format)) = most {
        node.insert("format".into(), json!(format));
        if format == "int32" {
            node.entry("maximum").or_insert(json!(most));
        }
    } else if !FORMATS.contains(&format.as_str()) {
        node.remove("format");
    }
}

/// Descriptions of doc comments: lines of a paragraph become one line.
fn fold_text(node: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = node.get_mut("description") {
        let paragraphs: Vec<String> = text
            .split("\n\n")
            .map(|p| p.trim().replace("\n- ", "\u{0}").replace('\n', " ").replace('\u{0}', "\n- "))
            .collect();
        *text = paragraphs.join("\n");
    }
}

/// Adds a bound to every list, map and text that has none.
pub fn bounded(mut schema: Value) -> Value {
    let Some(node) = schema.as_object_mut() else { return schema };
    match node.get("type").and_then(Value::as_str) {
        Some("array") => {
            node.entry("maxItems").or_insert(json!(MAX_ITEMS));
        }
        Some("object") if node.contains_key("additionalProperties") => {
            node.entry("maxProperties").or_insert(json!(MAX_PROPERTIES));
        }
        Some("string") if !node.contains_key("enum") => {
            node.entry("maxLength").or_insert(json!(MAX_LENGTH));
        }
        _ => {}
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get_mut(key) {
            *inner = bounded(inner.take());
        }
    }
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        properties.values_mut().for_each(|property| *property = bounded(property.take()));
    }
    schema
}

/// Adds the two fields of a status that the host fills in.
pub fn with_conditions(mut schema: Value) -> Value {
    if let Some(node) = schema.as_object_mut() {
        node.insert("type".into(), json!("object"));
        let properties = node.entry("properties").or_insert(json!({}));
        properties["observedGeneration"] = json!({ "type": "integer", "format": "int64", "description": "Generation of the spec that this status is about." });
        properties["conditions"] = json!({
            "type": "array",
            "description": "What is the case, and what will happen or what to do.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {
                    "type": { "type": "string" },
                    "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                    "reason": { "type": "string" },
                    "message": { "type": "string" },
                    "lastTransitionTime": { "type": "string", "format": "date-time" },
                    "observedGeneration": { "type": "integer", "format": "int64" },
                },
            },
        });
    }
    schema
}
