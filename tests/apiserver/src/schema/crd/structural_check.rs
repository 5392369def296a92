//! What comes in: the schema of a CustomResourceDefinition. What goes out: why it is not structural, and which defaults it
//! would itself refuse. Pure.

use serde_json::{Map, Value, json};

use crate::field_error::FieldError;
use crate::schema::{structural, validation};

use super::{list, text};

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Complaints, sorted as a real server sorts them: by their text.
pub(super) fn errors(source: &Value, path: &str) -> Vec<FieldError> {
    let mut found = Vec::new();
    invariants(source, Level::Root, path, &mut found);
    completeness(source, path, &mut found);
    found.sort_by_key(ToString::to_string);
    found
}

fn flag(source: &Value, key: &str) -> bool {
    source.get(key) == Some(&Value::Bool(true))
}

fn properties(source: &Value) -> impl Iterator<Item = (&String, &Value)> {
    source.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn invariants(source: &Value, level: Level, path: &str, found: &mut Vec<FieldError>) {
    let kind = text(source, "type");
    if kind == "array" && source.get("items").is_none() {
        found.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    if let Some(items) = source.get("items").filter(|items| items.is_object()) {
        invariants(items, Level::Item, &format!("{path}.items"), found);
    }
    for (name, property) in properties(source) {
        invariants(property, Level::Field, &format!("{path}.properties[{name}]"), found);
    }
    if let Some(additional) = source.get("additionalProperties") {
        if level == Level::Root {
            found.push(FieldError::forbidden(format!("{path}.additionalProperties"), "must not be used at the root"));
        }
        if additional.is_object() {
            invariants(additional, Level::Field, &format!("{path}.additionalProperties"), found);
        }
    }
    let (either, preserve, embedded) = (
        flag(source, "x-kubernetes-int-or-string"),
        flag(source, "x-kubernetes-preserve-unknown-fields"),
        flag(source, "x-kubernetes-embedded-resource"),
    );
    let contradiction = "must be false if x-kubernetes-int-or-string is true";
    if either && preserve {
        found.push(FieldError::invalid(
            format!("{path}.x-kubernetes-preserve-unknown-fields"),
            &json!(true),
            contradiction,
        ));
    }
    if either && embedded {
        found.push(FieldError::invalid(format!("{path}.x-kubernetes-embedded-resource"), &json!(true), contradiction));
    }
    values(source, path, found);
    let must = "must be object if x-kubernetes-embedded-resource is true";
    if embedded && kind != "object" {
        found.push(match kind {
            "" => FieldError::required(format!("{path}.type"), must),
            kind => FieldError::invalid(format!("{path}.type"), &json!(kind), must),
        });
    } else if kind.is_empty() && !either && !preserve {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        found.push(FieldError::required(format!("{path}.type"), format!("must not be empty {place}")));
    }
    if embedded && source.get("additionalProperties").is_some() {
        found.push(FieldError::forbidden(
            format!("{path}.additionalProperties"),
            "must not be used if x-kubernetes-embedded-resource is set",
        ));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        found.push(FieldError::invalid(format!("{path}.type"), &json!(kind), "must be object at the root"));
    }
    if level == Level::Root || embedded {
        metadata(source, level, path, found);
    }
    if embedded && !preserve && properties(source).next().is_none() {
        let must =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        found.push(FieldError::required(format!("{path}.properties"), must));
    }
}

fn metadata(source: &Value, level: Level, path: &str, found: &mut Vec<FieldError>) {
    for (name, property) in properties(source) {
        let path = format!("{path}.properties[{name}]");
        let kind = text(property, "type");
        match name.as_str() {
            "kind" | "apiVersion" if kind != "string" => {
                found.push(FieldError::invalid(format!("{path}.type"), &json!(kind), "must be string"));
            }
            "metadata" => {
                if kind != "object" {
                    found.push(FieldError::invalid(format!("{path}.type"), &json!(kind), "must be object"));
                }
                let mut others = properties(property).map(|(name, _)| name.as_str());
                if level == Level::Root && others.any(|name| !matches!(name, "name" | "generateName")) {
                    found.push(FieldError::forbidden(path, "must not specify anything other than name and generateName, but metadata is implicitly specified"));
                }
            }
            _ => {}
        }
    }
}

/// Whether the alternatives are exactly those that int-or-string may spell out.
fn spelled_out(source: &Value) -> bool {
    list(source, "anyOf") == [json!({ "type": "integer" }), json!({ "type": "string" })]
}

fn values(source: &Value, path: &str, found: &mut Vec<FieldError>) {
    let either = flag(source, "x-kubernetes-int-or-string");
    for key in ["anyOf", "allOf", "oneOf"] {
        if key == "anyOf" && either && spelled_out(source) {
            continue;
        }
        for (index, nested) in list(source, key).iter().enumerate() {
            let skip = key == "allOf" && index == 0 && either && spelled_out(nested);
            nested_values(nested, skip, &format!("{path}.{key}[{index}]"), found);
        }
    }
    if let Some(not) = source.get("not").filter(|not| not.is_object()) {
        nested_values(not, false, &format!("{path}.not"), found);
    }
    let pattern = text(source, "pattern");
    if let Err(error) = regex::Regex::new(pattern) {
        let told = error.to_string();
        let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let detail = format!("must be a valid regular expression, but isn't: error parsing regexp: {last}");
        found.push(FieldError::invalid(format!("{path}.pattern"), &json!(pattern), detail));
    }
}

fn nested_values(source: &Value, skip_any_of: bool, path: &str, found: &mut Vec<FieldError>) {
    if skip_any_of {
        let mut rest = source.clone();
        if let Some(map) = rest.as_object_mut() {
            map.remove("anyOf");
        }
        values(&rest, path, found);
    } else {
        values(source, path, found);
    }
    if let Some(items) = source.get("items") {
        nested_values(items, false, &format!("{path}.items"), found);
    }
    for (name, property) in properties(source) {
        nested_values(property, false, &format!("{path}.properties[{name}]"), found);
    }
    let mut refuse = |key: &str, must: &str| {
        found.push(FieldError::forbidden(format!("{path}.{key}"), format!("must be {must} to be structural")))
    };
    let filled = |key: &str| {
        source.get(key).is_some_and(|value| {
            !value.is_null() && *value != json!("") && *value != json!(false) && *value != json!([])
        })
    };
    for (key, must) in [
        ("type", "empty"),
        ("additionalProperties", "undefined"),
        ("default", "undefined"),
        ("title", "empty"),
        ("description", "empty"),
        ("nullable", "false"),
        ("x-kubernetes-preserve-unknown-fields", "false"),
        ("x-kubernetes-embedded-resource", "false"),
        ("x-kubernetes-int-or-string", "false"),
        ("x-kubernetes-list-map-keys", "empty"),
        ("x-kubernetes-list-type", "undefined"),
        ("x-kubernetes-map-type", "undefined"),
        ("x-kubernetes-validations", "empty"),
    ] {
        if filled(key) {
            refuse(key, must);
        }
    }
    if properties(source).any(|(name, _)| name == "metadata") {
        found.push(FieldError::forbidden(
            format!("{path}.properties[metadata]"),
            "must not be specified in a nested context",
        ));
    }
}

/// What value validations name must also be named outside of them.
fn completeness(source: &Value, path: &str, found: &mut Vec<FieldError>) {
    for key in ["anyOf", "allOf", "oneOf"] {
        for (index, nested) in list(source, key).iter().enumerate() {
            complete(nested, Some(source), path, &format!("{path}.{key}[{index}]"), found);
        }
    }
    if let Some(not) = source.get("not").filter(|not| not.is_object()) {
        complete(not, Some(source), path, &format!("{path}.not"), found);
    }
    if let Some(items) = source.get("items").filter(|items| items.is_object()) {
        completeness(items, &format!("{path}.items"), found);
    }
    for (name, property) in properties(source) {
        completeness(property, &format!("{path}.properties[{name}]"), found);
    }
    if let Some(additional) = source.get("additionalProperties").filter(|schema| schema.is_object()) {
        completeness(additional, &format!("{path}.additionalProperties"), found);
    }
}

fn complete(nested: &Value, spine: Option<&Value>, path: &str, nested_path: &str, found: &mut Vec<FieldError>) {
    let Some(spine) = spine else {
        found.push(FieldError::required(path, format!("because it is defined in {nested_path}")));
        return;
    };
    for key in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in list(nested, key).iter().enumerate() {
            complete(inner, Some(spine), path, &format!("{nested_path}.{key}[{index}]"), found);
        }
    }
    if let Some(not) = nested.get("not").filter(|not| not.is_object()) {
        complete(not, Some(spine), path, &format!("{nested_path}.not"), found);
    }
    if let Some(items) = nested.get("items") {
        complete(items, spine.get("items"), &format!("{path}.items"), &format!("{nested_path}.items"), found);
    }
    for (name, property) in properties(nested) {
        let own = spine.get("properties").and_then(|properties| properties.get(name));
        let segment = format!(".properties[{name}]");
        complete(property, own, &format!("{path}{segment}"), &format!("{nested_path}{segment}"), found);
    }
}

/// Defaults that their own schema refuses or would prune.
pub(super) fn default_errors(source: &Value, path: &str) -> Vec<FieldError> {
    let mut found = Vec::new();
    defaults(source, path, &mut found);
    found
}

fn defaults(source: &Value, path: &str, found: &mut Vec<FieldError>) {
    if let Some(default) = source.get("default").filter(|value| !value.is_null()) {
        let schema = structural::node(source);
        let path = format!("{path}.default");
        let mut pruned = default.clone();
        schema.prune(&mut pruned);
        if pruned == *default {
            found.extend(validation::errors(&schema, default, None, &path));
        } else {
            found.push(FieldError::invalid(path, default, "must not have unknown fields"));
        }
    }
    if let Some(items) = source.get("items").filter(|items| items.is_object()) {
        defaults(items, &format!("{path}.items"), found);
    }
    for (name, property) in properties(source) {
        defaults(property, &format!("{path}.properties[{name}]"), found);
    }
    if let Some(additional) = source.get("additionalProperties").filter(|schema| schema.is_object()) {
        defaults(additional, &format!("{path}.additionalProperties"), found);
    }
}
