//! Whether a configuration fits the schema, and which fields it sets.

use super::fields::{FieldSet, field, show};
use super::shape::{self, Shape};
use crate::schema::{Kind, Schema};
use serde_json::Value;

/// The first way in which `value` does not fit.
pub(crate) fn check(schema: &Schema, value: &Value) -> Result<(), String> {
    let mut errors = Vec::new();
    walk(schema, value, &mut Vec::new(), &mut errors);
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(format!("errors:\n{}", errors.iter().map(|e| format!("  {e}")).collect::<Vec<_>>().join("\n"))),
    }
}

fn complain(path: &[String], what: impl std::fmt::Display, errors: &mut Vec<String>) {
    let at = show(path);
    errors.push(if at.is_empty() { what.to_string() } else { format!("{at}: {what}") });
}

fn walk(schema: &Schema, value: &Value, path: &mut Vec<String>, errors: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    match (schema.kind, value) {
        (Kind::Object, Value::Object(map)) => {
            for (name, child) in map {
                path.push(field(name));
                match shape::child(schema, name) {
                    Some((next, _)) => walk(next, child, path, errors),
                    None => complain(path, "field not declared in schema", errors),
                }
                path.pop();
            }
        }
        (Kind::Object, other) => complain(path, format!("expected map, got &{{{other}}}"), errors),
        (Kind::Array, Value::Array(items)) => {
            let mut seen: Vec<String> = Vec::new();
            let associative = shape::of(schema, Some(value)) == Shape::List;
            for (i, item) in items.iter().enumerate() {
                let element = if associative {
                    match shape::element(schema, item) {
                        Ok(element) => element,
                        Err(why) => {
                            complain(path, format!("element {i}: {why}"), errors);
                            continue;
                        }
                    }
                } else {
                    format!("i:{i}")
                };
                if associative && seen.contains(&element) {
                    complain(
                        path,
                        format!("duplicate entries for key {}", show(std::slice::from_ref(&element))),
                        errors,
                    );
                }
                path.push(element.clone());
                walk(shape::items(schema), item, path, errors);
                path.pop();
                seen.push(element);
            }
        }
        (Kind::Array, other) => complain(path, format!("expected list, got &{{{other}}}"), errors),
        (Kind::String, Value::String(_))
        | (Kind::Integer | Kind::Number, Value::Number(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::IntOrString, Value::String(_) | Value::Number(_))
        | (Kind::Any, _) => {}
        (Kind::String, other) => {
            complain(path, format!("expected string, got &value.valueUnstructured{{Value:{other}}}"), errors)
        }
        (Kind::Integer | Kind::Number, other) => {
            complain(path, format!("expected numeric (int or float), got {}", name_of(other)), errors);
        }
        (Kind::Boolean, other) => {
            complain(path, format!("expected boolean, got &value.valueUnstructured{{Value:{other}}}"), errors)
        }
        (Kind::IntOrString, other) => {
            complain(path, format!("expected scalar, got &value.valueUnstructured{{Value:{other}}}"), errors)
        }
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// The fields that `value` sets.
pub(crate) fn field_set(schema: &Schema, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(schema, value, &mut Vec::new(), &mut set);
    set
}

fn collect(schema: &Schema, value: &Value, path: &mut Vec<String>, set: &mut FieldSet) {
    match shape::of(schema, Some(value)) {
        Shape::Leaf => set.insert(path),
        Shape::Map => {
            for (name, child) in shape::fields(Some(value)) {
                let (next, named) = shape::child_or_any(schema, name);
                path.push(field(name));
                collect(next, child, path, set);
                let empty = child.is_null() || child.as_object().is_some_and(serde_json::Map::is_empty);
                if empty || !named {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Shape::List => {
            for item in shape::list(Some(value)) {
                if let Ok(element) = shape::element(schema, item) {
                    path.push(element);
                    collect(shape::items(schema), item, path, set);
                    set.insert(path);
                    path.pop();
                }
            }
        }
    }
}
