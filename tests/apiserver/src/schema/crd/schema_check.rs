//! What comes in: the schema of a CustomResourceDefinition. What goes out: complaints about keywords that the API does not
//! support, list and map types, and the form of validation rules. Pure.

use serde_json::{Map, Value, json};

use crate::field_error::FieldError;

use super::{list, text, texts};

/// What is known of the place of a schema.
#[derive(Clone, Copy, Default)]
struct Place {
    root: bool,
    /// Inside of `metadata`, `kind` or `apiVersion`.
    in_meta: bool,
    /// Why defaults are refused here; empty when they are not.
    no_defaults: &'static str,
}

/// Complaints in the order of the schema.
pub(super) fn errors(source: &Value, path: &str) -> Vec<FieldError> {
    let mut found = Vec::new();
    walk(source, path, Place { root: true, ..Place::default() }, &mut found);
    found
}

fn walk(source: &Value, path: &str, place: Place, found: &mut Vec<FieldError>) {
    if !source.is_object() {
        return;
    }
    keywords(source, path, place, found);
    let below = Place { root: false, ..place };
    let properties = source.get("properties").and_then(Value::as_object);
    if let Some(additional) = source.get("additionalProperties") {
        if properties.is_some_and(|map| !map.is_empty()) && *additional != json!(true) {
            found.push(FieldError::forbidden(
                format!("{path}.additionalProperties"),
                "additionalProperties and properties are mutual exclusive",
            ));
        }
        let place = if place.in_meta {
            Place { no_defaults: " inside additionalProperties applying to object metadata", ..below }
        } else {
            below
        };
        walk(additional, &format!("{path}.additionalProperties"), place, found);
    }
    for (name, property) in properties.into_iter().flat_map(Map::iter) {
        let whole = place.root || source.get("x-kubernetes-embedded-resource") == Some(&json!(true));
        let mut inner = below;
        if whole && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            inner.in_meta = true;
            if place.root {
                inner.no_defaults = match name.as_str() {
                    "metadata" => " in top-level metadata",
                    "kind" => " in top-level kind",
                    _ => " in top-level apiVersion",
                };
            }
        }
        walk(property, &format!("{path}.properties[{name}]"), inner, found);
    }
    if let Some(not) = source.get("not") {
        walk(not, &format!("{path}.not"), below, found);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (index, nested) in list(source, key).iter().enumerate() {
            walk(nested, &format!("{path}.{key}[{index}]"), below, found);
        }
    }
    if let Some(items) = source.get("items") {
        walk(items, &format!("{path}.items"), below, found);
    }
    merge_types(source, path, found);
    list_map(source, path, found);
    rules(source, path, found);
}

fn keywords(source: &Value, path: &str, place: Place, found: &mut Vec<FieldError>) {
    let kind = text(source, "type");
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    if !kind.is_empty() && !TYPES.contains(&kind) {
        found.push(FieldError::not_supported(format!("{path}.type"), &json!(kind), &TYPES));
    }
    if source.get("default").is_some() && !place.no_defaults.is_empty() {
        found.push(FieldError::forbidden(format!("{path}.default"), format!("must not be set{}", place.no_defaults)));
    }
    for key in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if source.get(key).is_some_and(|value| *value != json!("") && *value != json!({})) {
            found.push(FieldError::forbidden(format!("{path}.{key}"), format!("{key} is not supported")));
        }
    }
    if kind == "null" {
        found.push(FieldError::forbidden(
            format!("{path}.type"),
            "type cannot be set to null, use nullable as an alternative",
        ));
    }
    if source.get("items").is_some_and(Value::is_array) {
        found.push(FieldError::forbidden(format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if place.in_meta && source.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
        found.push(FieldError::forbidden(
            format!("{path}.x-kubernetes-embedded-resource"),
            "must not be used inside of resource meta",
        ));
    }
    if source.get("uniqueItems") == Some(&json!(true)) {
        found.push(FieldError::forbidden(
            format!("{path}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
}

fn merge_types(source: &Value, path: &str, found: &mut Vec<FieldError>) {
    let kind = text(source, "type");
    let key = "x-kubernetes-preserve-unknown-fields";
    if source.get(key) == Some(&json!(false)) {
        found.push(FieldError::invalid(format!("{path}.{key}"), &json!(false), "must be true or undefined"));
    }
    let mut typed = |key: &str, want: &str| {
        let must = format!("must be {want} if {key} is specified");
        if source.get(key).is_some() && kind != want {
            found.push(match kind {
                "" => FieldError::required(format!("{path}.type"), must),
                kind => FieldError::invalid(format!("{path}.type"), &json!(kind), must),
            });
            return true;
        }
        false
    };
    typed("x-kubernetes-map-type", "object");
    let wrong_list = typed("x-kubernetes-list-type", "array");
    known(source, path, "x-kubernetes-map-type", &["atomic", "granular"], found);
    if !wrong_list && text(source, "x-kubernetes-list-type") == "set" {
        let items = &source["items"];
        let (key, wrong) = match text(items, "type") {
            "array" => ("x-kubernetes-list-type", !matches!(text(items, "x-kubernetes-list-type"), "" | "atomic")),
            "object" => ("x-kubernetes-map-type", text(items, "x-kubernetes-map-type") != "atomic"),
            _ => ("", false),
        };
        if wrong {
            let value = items.get("x-kubernetes-list-type").unwrap_or(&Value::Null);
            found.push(FieldError::invalid(
                format!("{path}.items.{key}"),
                value,
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            ));
        }
    }
    known(source, path, "x-kubernetes-list-type", &["atomic", "set", "map"], found);
}

fn known(source: &Value, path: &str, key: &str, allowed: &[&str], found: &mut Vec<FieldError>) {
    if let Some(value) = source.get(key).and_then(Value::as_str)
        && !allowed.contains(&value)
    {
        found.push(FieldError::not_supported(format!("{path}.{key}"), &json!(value), allowed));
    }
}

fn list_map(source: &Value, path: &str, found: &mut Vec<FieldError>) {
    let kind = source.get("x-kubernetes-list-type").and_then(Value::as_str);
    let keys = texts(source, "x-kubernetes-list-map-keys");
    let items = source.get("items").filter(|items| items.is_object());
    let keys_path = format!("{path}.x-kubernetes-list-map-keys");
    let type_path = format!("{path}.x-kubernetes-list-type");
    if !keys.is_empty() {
        let must = "must be map if x-kubernetes-list-map-keys is non-empty";
        match kind {
            None => found.push(FieldError::required(type_path, must)),
            Some("map") => {}
            Some(other) => found.push(FieldError::invalid(type_path, &json!(other), must)),
        }
    }
    if kind == Some("map") {
        if keys.is_empty() {
            found.push(FieldError::required(keys_path.clone(), "must not be empty if x-kubernetes-list-type is map"));
        }
        match items {
            None => found.push(FieldError::required(
                format!("{path}.items"),
                "must have a schema if x-kubernetes-list-type is map",
            )),
            Some(items) if text(items, "type") != "object" => {
                let must = "must be object if parent array's x-kubernetes-list-type is map";
                found.push(FieldError::invalid(format!("{path}.items.type"), &json!(text(items, "type")), must));
            }
            Some(items) => {
                for (index, key) in keys.iter().enumerate() {
                    match items.get("properties").and_then(|properties| properties.get(key)) {
                        Some(property) if matches!(text(property, "type"), "array" | "object") => {
                            let must = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                            found.push(FieldError::invalid(
                                format!("{path}.items.properties[{key}].type"),
                                &json!(text(items, "type")),
                                must,
                            ));
                        }
                        Some(_) => {}
                        None => found.push(FieldError::invalid(
                            keys_path.clone(),
                            &json!(keys),
                            "entries must all be names of item properties",
                        )),
                    }
                    if keys[..index].contains(key) {
                        found.push(FieldError::invalid(
                            keys_path.clone(),
                            &json!(keys),
                            "must not contain duplicate entries",
                        ));
                    }
                }
            }
        }
    }
    let (Some(kind @ ("set" | "map")), Some(items)) = (kind, items) else { return };
    if items.get("nullable") == Some(&json!(true)) {
        found.push(FieldError::forbidden(
            format!("{path}.items.nullable"),
            format!("cannot be nullable when x-kubernetes-list-type is {kind}"),
        ));
    }
    if kind == "map" {
        let required = texts(items, "required");
        for key in &keys {
            let Some(property) = items.get("properties").and_then(|properties| properties.get(key)) else { continue };
            let path = format!("{path}.items.properties[{key}]");
            let stated = "this property is in x-kubernetes-list-map-keys, so it";
            if !required.contains(key) && property.get("default").is_none() {
                found.push(FieldError::required(
                    format!("{path}.default"),
                    format!("{stated} must have a default or be a required property"),
                ));
            }
            if property.get("nullable") == Some(&json!(true)) {
                found.push(FieldError::forbidden(format!("{path}.nullable"), format!("{stated} cannot be nullable")));
            }
        }
    }
}

fn rules(source: &Value, path: &str, found: &mut Vec<FieldError>) {
    const REASONS: [&str; 4] =
        ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    let broken = |text: &str| text.contains(['\n', '\r']);
    for (index, rule) in list(source, "x-kubernetes-validations").iter().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{index}]");
        let (expression, message) = (text(rule, "rule").trim(), text(rule, "message"));
        let field = format!("{path}.message");
        if expression.is_empty() {
            found.push(FieldError::required(format!("{path}.rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            found.push(FieldError::invalid(field, &json!(message), "must be non-empty if specified"));
        } else if broken(message.trim()) {
            found.push(FieldError::invalid(field, &json!(message), "must not contain line breaks"));
        } else if broken(expression) && message.trim().is_empty() {
            found.push(FieldError::required(field, "message must be specified if rule contains line breaks"));
        }
        let said = text(rule, "messageExpression");
        if !said.is_empty() && said.trim().is_empty() {
            found.push(FieldError::required(
                format!("{path}.messageExpression"),
                "messageExpression must be non-empty if specified",
            ));
        }
        if let Some(reason) = rule.get("reason").and_then(Value::as_str)
            && !REASONS.contains(&reason)
        {
            found.push(FieldError::not_supported(format!("{path}.reason"), &json!(reason), &REASONS));
        }
        let place = text(rule, "fieldPath");
        let field = format!("{path}.fieldPath");
        if !place.is_empty() {
            if place.trim().is_empty() {
                found.push(FieldError::invalid(field.clone(), &json!(place), "must be non-empty if specified"));
            }
            if broken(place) {
                found.push(FieldError::invalid(field.clone(), &json!(place), "must not contain line breaks"));
            }
            if !leads_somewhere(source, place) {
                found.push(FieldError::invalid(field, &json!(place), "must be a valid path"));
            }
        }
    }
}

/// Whether a path such as `.spec.sizes['small']` names a declared field.
fn leads_somewhere(source: &Value, path: &str) -> bool {
    let mut here = source;
    let mut rest = path;
    if !rest.starts_with(['.', '[']) {
        return false;
    }
    while !rest.is_empty() {
        let (name, more) = if let Some(inner) = rest.strip_prefix("['") {
            let Some((name, more)) = inner.split_once("']") else { return false };
            (name, more)
        } else if let Some(inner) = rest.strip_prefix('.') {
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            inner.split_at(end)
        } else {
            return false;
        };
        let named = here.get("properties").and_then(|properties| properties.get(name));
        match named.or_else(|| here.get("additionalProperties").filter(|schema| schema.is_object())) {
            Some(next) => here = next,
            None => return false,
        }
        rest = more;
    }
    true
}
