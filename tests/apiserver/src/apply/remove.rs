//! Taking fields out of an object.

use super::fields::{FieldSet, field};
use super::shape::{self, Shape};
use crate::schema::Schema;
use serde_json::{Map, Value};

/// `value` without the fields of `set`. What becomes empty by that is dropped with them.
pub(crate) fn remove(schema: &Schema, value: &Value, set: &FieldSet) -> Value {
    match walk(schema, value, set) {
        Some(value) => value,
        None => Value::Object(Map::new()),
    }
}

fn walk(schema: &Schema, value: &Value, set: &FieldSet) -> Option<Value> {
    match (shape::of(schema, Some(value)), value) {
        (Shape::Map, Value::Object(map)) if !map.is_empty() => {
            let mut out = Map::new();
            for (name, child) in map {
                let element = field(name);
                if set.has(&element) {
                    continue;
                }
                match set.below(&element) {
                    None => {
                        out.insert(name.clone(), child.clone());
                    }
                    Some(below) => {
                        let (next, _) = shape::child_or_any(schema, name);
                        if let Some(rest) = walk(next, child, below) {
                            out.insert(name.clone(), rest);
                        }
                    }
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        (Shape::List, Value::Array(items)) if !items.is_empty() => {
            let mut out = Vec::new();
            for item in items {
                let element = shape::element(schema, item).unwrap_or_default();
                if set.has(&element) {
                    continue;
                }
                match set.below(&element) {
                    None => out.push(item.clone()),
                    Some(below) => out.extend(walk(shape::items(schema), item, below)),
                }
            }
            (!out.is_empty()).then_some(Value::Array(out))
        }
        _ => Some(value.clone()),
    }
}
