//! What comes in: a schema and a value. What goes out: the value as the server would keep it, or the paths of the fields
//! that the schema does not know. Pure.

use serde_json::{Map, Value};

use super::{Kind, Presence, Schema, quantity};

/// Prunes in place.
pub(super) fn prune(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => prune_object(schema, map),
        Value::Array(items) => {
            if let Some(item) = &schema.items {
                for value in items.iter_mut() {
                    prune(item, value);
                }
            }
        }
        Value::Number(_) | Value::String(_) if schema.typed && schema.format.as_deref() == Some("quantity") => {
            if let Some(text) = quantity::canonical(value) {
                *value = Value::String(text);
            }
        }
        _ => {}
    }
}

fn prune_object(schema: &Schema, map: &mut Map<String, Value>) {
    if schema.kind == Kind::Any
        && schema.properties.is_empty()
        && !schema.embedded_resource
        && schema.additional.is_none()
    {
        return;
    }
    if schema.typed {
        prune_typed(schema, map);
        return;
    }
    map.retain(|key, value| match schema.properties.get(key) {
        Some(child) => {
            prune(child, value);
            true
        }
        None => match &schema.additional {
            Some(child) => {
                prune(child, value);
                true
            }
            None => schema.preserve_unknown,
        },
    });
}

/// Decodes into and encodes from a Go struct, as far as JSON shows it.
fn prune_typed(schema: &Schema, map: &mut Map<String, Value>) {
    if schema.properties.is_empty() {
        if let Some(child) = &schema.additional {
            for value in map.values_mut() {
                prune(child, value);
            }
            if child.kind == Kind::String && child.format.as_deref() != Some("byte") {
                // A null in a `map[string]string` decodes to the empty string.
                for value in map.values_mut().filter(|v| v.is_null()) {
                    *value = Value::String(String::new());
                }
            }
        }
        return;
    }
    map.retain(|key, value| match schema.properties.get(key) {
        Some(child) => {
            if value.is_null() {
                return false;
            }
            prune(child, value);
            child.presence != Presence::NonZero || !is_zero(value)
        }
        None => schema.preserve_unknown,
    });
    for (name, child) in &schema.properties {
        if let Presence::Always(zero) = &child.presence
            && !map.contains_key(name)
        {
            let mut filled = zero.clone();
            prune(child, &mut filled);
            map.insert(name.clone(), filled);
        }
    }
}

/// Whether Go's `omitempty` drops the value.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Lists the paths of unknown fields.
pub(super) fn unknown_fields(schema: &Schema, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(schema, value, "", &mut found);
    found.sort();
    found
}

fn collect(schema: &Schema, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let opaque = schema.kind == Kind::Any && schema.properties.is_empty() && schema.additional.is_none();
            for (key, value) in map {
                let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match schema.property(key) {
                    Some(child) => collect(child, value, &here, found),
                    None if schema.preserve_unknown || opaque => {}
                    None => found.push(here),
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = &schema.items {
                for (index, value) in items.iter().enumerate() {
                    collect(item, value, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}
