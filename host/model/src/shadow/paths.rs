//! Where two documents differ. Both in; paths out, each with both values where they may be shown.

use crate::text::bounded;
use serde::Serialize;
use serde_json::Value;

/// How many fields are named.
const MOST: usize = 32;
/// Deeper values are compared as wholes.
const MOST_DEPTH: usize = 64;
/// Bytes of a value that are shown.
const SHOWN: usize = 80;
/// Bytes of a path.
const PATH: usize = 200;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Field {
    /// `spec.template.spec.containers[0].image`
    pub path: String,
    /// The value now; none where there is none, or where it must not be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value that would be; none where there is none, or where it must not be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

impl Field {
    /// A field by its path alone.
    pub(super) fn named(path: &str) -> Self {
        Field { path: bounded(path, PATH), old: None, new: None }
    }

    /// The same without its values.
    pub fn hidden(self) -> Self {
        Field { old: None, new: None, ..self }
    }
}

/// At most 32 fields in which two documents differ, in order. The same documents have none.
pub(super) fn fields(old: &Value, new: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    walk(Some(old), Some(new), &mut String::new(), 0, &mut found);
    found
}

fn walk(old: Option<&Value>, new: Option<&Value>, path: &mut String, depth: usize, found: &mut Vec<Field>) {
    if old == new || found.len() >= MOST {
        return;
    }
    let length = path.len();
    match (old, new) {
        (Some(Value::Object(one)), Some(Value::Object(two))) if depth < MOST_DEPTH => {
            let mut keys: Vec<&String> = one.keys().chain(two.keys().filter(|key| !one.contains_key(*key))).collect();
            keys.sort();
            for key in keys {
                step(path, key);
                walk(one.get(key), two.get(key), path, depth + 1, found);
                path.truncate(length);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(two))) if depth < MOST_DEPTH => {
            for at in 0..one.len().max(two.len()) {
                path.push_str(&format!("[{at}]"));
                walk(one.get(at), two.get(at), path, depth + 1, found);
                path.truncate(length);
            }
        }
        (old, new) => found.push(Field { path: bounded(path, PATH), old: old.map(shown), new: new.map(shown) }),
    }
}

fn step(path: &mut String, key: &str) {
    // A key with dots, like that of a label, would read as several fields.
    if key.contains(['.', '/', '[', ' ']) || key.is_empty() {
        path.push_str("['");
        path.push_str(key);
        path.push_str("']");
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

fn shown(value: &Value) -> String {
    bounded(&value.to_string(), SHOWN)
}
