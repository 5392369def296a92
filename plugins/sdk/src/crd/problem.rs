//! What an API server would refuse, or charge for without bound, in a generated schema. In: a CRD. Out: sentences with
//! the path of each place. For tests, and for the tool that writes the CRDs.

use serde_json::Value;

/// Every problem of every version's schema.
pub fn problems(crd: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let versions = crd.pointer("/spec/versions").and_then(Value::as_array).cloned().unwrap_or_default();
    if versions.is_empty() {
        found.push("spec.versions: is empty".to_string());
    }
    for version in &versions {
        let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
        if let Some(spec) = schema.pointer("/properties/spec") {
            visit("spec", spec, true, &mut found);
        }
        if let Some(status) = schema.pointer("/properties/status") {
            visit("status", status, false, &mut found);
        }
    }
    found
}

/// Checks one schema and those inside it. Bounds are asked for in the spec only, where rules are evaluated.
fn visit(path: &str, schema: &Value, bounds: bool, found: &mut Vec<String>) {
    let mut say = |what: &str| found.push(format!("{path}: {what}"));
    for key in ["$ref", "oneOf", "anyOf", "allOf", "not", "patternProperties", "prefixItems", "const", "if"] {
        if schema.get(key).is_some() {
            say(&format!("`{key}` is not structural; give the field a schema of its own"));
        }
    }
    let free = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"]
        .iter()
        .any(|key| schema.get(key) == Some(&Value::Bool(true)));
    match schema.get("type") {
        Some(Value::String(_)) => {}
        Some(_) => say("has more than one type"),
        None if free => {}
        None => say("has no type"),
    }
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_some() {
        say("has both properties and additionalProperties");
    }
    let type_ = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if bounds {
        let bound = match type_ {
            "array" => Some("maxItems"),
            "object" if schema.get("additionalProperties").is_some() => Some("maxProperties"),
            "string" if schema.get("enum").is_none() => Some("maxLength"),
            _ => None,
        };
        if let Some(bound) = bound.filter(|bound| schema.get(bound).is_none()) {
            say(&format!("has no {bound}"));
        }
    }
    if type_ == "array" && schema.get("items").is_none() {
        say("has no items");
    }
    for (key, inner) in [("[]", "items"), ("{}", "additionalProperties")] {
        if let Some(inner) = schema.get(inner) {
            visit(&format!("{path}{key}"), inner, bounds, found);
        }
    }
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        visit(&format!("{path}.{name}"), inner, bounds, found);
    }
}
