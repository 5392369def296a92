//! What comes in: a schema and a value. What goes out: complaints about duplicates in lists of type `set` and `map`. Pure.

use serde_json::{Map, Value};

use crate::field_error::FieldError;
use crate::schema::{ListType, Schema};

/// Complaints about duplicates, in the order of the document.
#[must_use]
pub fn list_errors(schema: &Schema, value: &Value) -> Vec<FieldError> {
    let mut found = Vec::new();
    walk(schema, value, "", &mut found);
    found
}

fn walk(schema: &Schema, value: &Value, path: &str, found: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let Some(child) = schema.properties.get(key).filter(|child| !child.typed) {
                    let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(child, value, &here, found);
                } else if let Some(child) = &schema.additional {
                    walk(child, value, &format!("{path}[{key}]"), found);
                }
            }
        }
        Value::Array(items) => {
            match &schema.list_type {
                ListType::Atomic => {}
                ListType::Set => {
                    for index in repeated(items) {
                        found.push(FieldError::duplicate(format!("{path}[{index}]"), &items[index]));
                    }
                }
                ListType::Map(keys) => by_key(keys, items, path, found),
            }
            if let Some(child) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    walk(child, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}

fn by_key(keys: &[String], items: &[Value], path: &str, found: &mut Vec<FieldError>) {
    if let Some(index) = items.iter().position(|item| !item.is_null() && !item.is_object()) {
        let detail = "must be an object for an array of list-type map";
        found.push(FieldError::invalid(format!("{path}[{index}]"), &items[index], detail));
        return;
    }
    let named = |item: &Value| {
        let pairs = keys.iter().filter_map(|key| item.get(key).map(|value| (key.clone(), value.clone())));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let identities: Vec<Value> = items.iter().map(named).collect();
    for index in repeated(&identities) {
        found.push(FieldError::duplicate(format!("{path}[{index}]"), &identities[index]));
    }
}

/// The index of the second appearance of each value that appears more than once.
fn repeated(items: &[Value]) -> Vec<usize> {
    (0..items.len())
        .filter(|index| items[..*index].iter().filter(|other| **other == items[*index]).count() == 1)
        .collect()
}
