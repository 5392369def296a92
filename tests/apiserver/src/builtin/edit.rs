//! What comes in: JSON objects of built-in kinds. What goes out: small changes to them, each a no-op where the shape is
//! not what a valid object has. Pure.

use serde_json::{Map, Value, json};

/// Sets a member when it is absent, null or the empty string: what defaulting of Go strings and pointers does.
pub(super) fn fill(object: &mut Value, key: &str, value: impl Into<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    let unset = match map.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    if unset {
        map.insert(key.to_owned(), value.into());
    }
}

/// As [`fill`], also when the member is the number 0.
pub(super) fn fill_zero(object: &mut Value, key: &str, value: i64) {
    if object.get(key).and_then(Value::as_i64) == Some(0)
        && let Some(map) = object.as_object_mut()
    {
        map.remove(key);
    }
    fill(object, key, value);
}

/// Sets a member whatever was there.
pub(super) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

/// Removes a member.
pub(super) fn drop_key(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}

/// Runs on a member when it is an object.
pub(super) fn with(object: &mut Value, key: &str, act: impl FnOnce(&mut Value)) {
    if let Some(value) = object.get_mut(key)
        && value.is_object()
    {
        act(value);
    }
}

/// Runs on a member that is an object; made empty first when absent.
pub(super) fn within(object: &mut Value, key: &str, act: impl FnOnce(&mut Value)) {
    fill(object, key, json!({}));
    with(object, key, act);
}

/// Runs on each item of a list member.
pub(super) fn each(object: &mut Value, key: &str, mut act: impl FnMut(&mut Value)) {
    if let Some(items) = object.get_mut(key).and_then(Value::as_array_mut) {
        items.iter_mut().for_each(&mut act);
    }
}

/// The text of a member, empty when absent.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list member, empty when absent.
pub(super) fn items<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The entries of an object member.
pub(super) fn entries<'a>(object: &'a Value, key: &str) -> Option<&'a Map<String, Value>> {
    object.get(key).and_then(Value::as_object)
}

/// Copies a member from one object to another; removes it when the source has none.
pub(super) fn carry(new: &mut Value, old: &Value, key: &str) {
    match old.get(key) {
        Some(value) => set(new, key, value.clone()),
        None => drop_key(new, key),
    }
}
