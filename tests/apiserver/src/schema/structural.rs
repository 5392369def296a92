//! What comes in: the `openAPIV3Schema` of a CustomResourceDefinition. What goes out: a [`Schema`] tree. Pure.
//!
//! Nothing is refused here: what a schema may say is checked in [`super::crd`].

use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::cel::Rule;
use super::validation::{Constraints, Pattern};
use super::{Kind, ListType, MapType, Schema};
use crate::builtin;

/// The schema of a whole custom resource: with `apiVersion`, `kind` and the `metadata` that all objects have.
#[must_use]
pub fn root(source: &Value) -> Schema {
    let mut root = node(source);
    implicit(&mut root);
    root.source = Some(Arc::new(source.clone()));
    root
}

/// One node of a schema, with all below it.
#[must_use]
pub fn node(source: &Value) -> Schema {
    let text = |key: &str| source.get(key).and_then(Value::as_str);
    let flag = |key: &str| source.get(key).and_then(Value::as_bool).unwrap_or(false);
    let int_or_string = flag("x-kubernetes-int-or-string");
    let mut node = Schema {
        kind: if int_or_string { Kind::IntOrString } else { kind(text("type")) },
        format: text("format").map(str::to_owned),
        description: text("description").unwrap_or_default().to_owned(),
        preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
        nullable: flag("nullable"),
        embedded_resource: flag("x-kubernetes-embedded-resource"),
        default: source.get("default").filter(|value| !value.is_null()).cloned(),
        list_type: list_type(source),
        map_type: if text("x-kubernetes-map-type") == Some("atomic") { MapType::Atomic } else { MapType::Granular },
        items: source.get("items").filter(|value| value.is_object()).map(|items| Arc::new(self::node(items))),
        rules: source
            .get("x-kubernetes-validations")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |rules| rules.iter().map(Rule::read).collect()),
        constraints: constraints(source),
        ..Schema::default()
    };
    node.additional = match source.get("additionalProperties") {
        Some(Value::Bool(true)) => Some(Arc::new(Schema::any())),
        Some(schema @ Value::Object(_)) => Some(Arc::new(self::node(schema))),
        _ => None,
    };
    if let Some(properties) = source.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            node.properties.insert(name.clone(), Arc::new(self::node(property)));
        }
    }
    if node.embedded_resource {
        implicit(&mut node);
    }
    node
}

fn kind(name: Option<&str>) -> Kind {
    match name {
        Some("object") => Kind::Object,
        Some("array") => Kind::Array,
        Some("string") => Kind::String,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        _ => Kind::Any,
    }
}

fn list_type(source: &Value) -> ListType {
    match source.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => {
            let keys = source.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            ListType::Map(
                keys.map_or_else(Vec::new, |keys| keys.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            )
        }
        _ => ListType::Atomic,
    }
}

/// What every whole object has, also when its schema is silent: the type, and metadata that is decoded strictly. What the
/// schema says of the metadata's name stays a constraint.
fn implicit(node: &mut Schema) {
    for name in ["apiVersion", "kind"] {
        node.properties.entry(name.to_owned()).or_insert_with(|| Arc::new(Schema::of(Kind::String)));
    }
    let stated =
        node.properties.get("metadata").map(|metadata| (metadata.constraints.clone(), metadata.properties.clone()));
    let mut metadata = Schema::clone(&builtin::object_meta());
    if let Some((constraints, properties)) = stated {
        metadata.constraints = constraints;
        for (name, property) in properties {
            if let Some(own) = metadata.properties.get(&name) {
                let mut own = Schema::clone(own);
                own.constraints.clone_from(&property.constraints);
                metadata.properties.insert(name, Arc::new(own));
            }
        }
    }
    node.properties.insert("metadata".to_owned(), Arc::new(metadata));
}

fn constraints(source: &Value) -> Option<Box<Constraints>> {
    let number = |key: &str| source.get(key).and_then(Value::as_f64);
    let count = |key: &str| source.get(key).and_then(Value::as_u64);
    let flag = |key: &str| source.get(key).and_then(Value::as_bool).unwrap_or(false);
    let many = |key: &str| {
        let list = source.get(key).and_then(Value::as_array);
        list.map_or_else(Vec::new, |list| list.iter().map(node).collect::<Vec<_>>())
    };
    let required = source.get("required").and_then(Value::as_array);
    let constraints = Constraints {
        required: required
            .map_or_else(Vec::new, |list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        allowed: source.get("enum").and_then(Value::as_array).cloned(),
        pattern: source
            .get("pattern")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(|text| Pattern { text: text.to_owned(), regex: Regex::new(text).ok() }),
        minimum: number("minimum"),
        exclusive_minimum: flag("exclusiveMinimum"),
        maximum: number("maximum"),
        exclusive_maximum: flag("exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: flag("uniqueItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        all_of: many("allOf"),
        any_of: many("anyOf"),
        one_of: many("oneOf"),
        not: source.get("not").filter(|value| value.is_object()).map(node),
        closed: source.get("additionalProperties") == Some(&Value::Bool(false)),
    };
    (constraints != Constraints::default()).then(|| Box::new(constraints))
}
