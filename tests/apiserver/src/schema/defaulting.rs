//! What comes in: a schema and a custom resource. What goes out: the resource with absent values filled in. Pure.
//!
//! The order of a real server: nulls that are neither allowed nor defaulted are dropped, then defaults are filled in from
//! the root down, so that a default object is itself completed.

use std::sync::Arc;

use serde_json::Value;

use super::Schema;

/// Whether the value is a null that a default replaces.
fn replaceable(value: &Value, schema: &Schema) -> bool {
    value.is_null() && !schema.nullable
}

/// Fills in defaults in place.
pub(super) fn apply(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, child) in &schema.properties {
                let Some(default) = &child.default else { continue };
                if map.get(name).is_none_or(|value| replaceable(value, child)) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(child) = schema.properties.get(key) {
                    apply(child, value);
                } else if let Some(child) = &schema.additional {
                    fill(child, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = &schema.items {
                for value in items {
                    fill(child, value);
                }
            }
        }
        _ => {}
    }
}

fn fill(schema: &Schema, value: &mut Value) {
    if replaceable(value, schema)
        && let Some(default) = &schema.default
    {
        *value = default.clone();
    }
    apply(schema, value);
}

/// Drops nulls of object members that are neither nullable nor defaulted.
pub(super) fn drop_nulls(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| {
                let child: Option<&Arc<Schema>> = schema.property(key);
                match child {
                    Some(child) if value.is_null() && !child.nullable && child.default.is_none() => false,
                    Some(child) => {
                        drop_nulls(child, value);
                        true
                    }
                    None => true,
                }
            });
        }
        Value::Array(items) => {
            if let Some(child) = &schema.items {
                for value in items {
                    drop_nulls(child, value);
                }
            }
        }
        _ => {}
    }
}
