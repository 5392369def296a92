//! What comes in: a schema with typed parts and a value. What goes out: the first thing that a Go decoder would refuse,
//! in its words. Pure.

use base64::Engine as _;
use serde_json::Value;

use super::{Kind, Schema, formats, quantity};

/// The decoder's message, if it would refuse the value.
pub(super) fn error(schema: &Schema, value: &Value) -> Option<String> {
    walk(schema, value, &schema.type_name, "")
}

fn walk(schema: &Schema, value: &Value, owner: &str, path: &str) -> Option<String> {
    if !schema.typed {
        // Only objects lead on to typed parts, which are `metadata`.
        let map = value.as_object()?;
        return map.iter().find_map(|(key, value)| {
            let child = schema.property(key)?;
            walk(child, value, &schema.type_name, &join(path, key))
        });
    }
    if value.is_null() {
        return None;
    }
    match (schema.kind, value) {
        (Kind::Any, _) => None,
        (Kind::Object, Value::Object(map)) => map.iter().find_map(|(key, value)| match schema.properties.get(key) {
            Some(child) => walk(child, value, &schema.type_name, &join(path, key)),
            None => schema.additional.as_ref().and_then(|child| walk(child, value, owner, path)),
        }),
        (Kind::Array, Value::Array(items)) => {
            let child = schema.items.as_ref()?;
            items.iter().find_map(|value| walk(child, value, owner, path))
        }
        (Kind::String, Value::String(text)) => string(schema, text),
        (Kind::Integer, Value::Number(number)) => {
            let wide = number.as_i64();
            let fits = match schema.format.as_deref() {
                Some("int32") => wide.is_some_and(|n| i32::try_from(n).is_ok()),
                _ => wide.is_some(),
            };
            (!fits).then(|| mismatch(&format!("number {number}"), schema, owner, path))
        }
        (Kind::Number, Value::Number(_)) | (Kind::Boolean, Value::Bool(_)) => None,
        (Kind::IntOrString, Value::Number(_) | Value::String(_)) => {
            let broken = schema.format.as_deref() == Some("quantity") && quantity::canonical(value).is_none();
            broken.then(|| {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
            })
        }
        (_, value) => Some(mismatch(word(value), schema, owner, path)),
    }
}

fn string(schema: &Schema, text: &str) -> Option<String> {
    match schema.format.as_deref() {
        Some("byte") => base64::engine::general_purpose::STANDARD
            .decode(text.replace(['\n', '\r'], ""))
            .is_err()
            .then(|| format!("illegal base64 data at input byte {}", broken_base64(text))),
        Some("date-time") if !formats::date_time(text) => Some(format!(
            "parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\""
        )),
        _ => None,
    }
}

/// Where Go's decoder stops: the first byte outside of the alphabet, else the end.
fn broken_base64(text: &str) -> usize {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.bytes().position(|byte| !alphabet(byte)).unwrap_or(text.len())
}

fn mismatch(found: &str, schema: &Schema, owner: &str, path: &str) -> String {
    format!("json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {}", go_type(schema))
}

/// What Go's decoder calls a value of that shape.
pub(crate) fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(schema: &Schema) -> String {
    match schema.kind {
        Kind::String if schema.format.as_deref() == Some("byte") => "[]uint8".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Number => "float64".to_owned(),
        Kind::Integer => schema.format.clone().unwrap_or_else(|| "int64".to_owned()),
        Kind::Array => {
            format!("[]{}", schema.items.as_ref().map_or_else(|| "interface {}".to_owned(), |item| go_type(item)))
        }
        Kind::Object if schema.type_name.is_empty() => {
            format!(
                "map[string]{}",
                schema.additional.as_ref().map_or_else(|| "interface {}".to_owned(), |item| go_type(item))
            )
        }
        Kind::Object => format!("v1.{}", schema.type_name),
        Kind::IntOrString => "intstr.IntOrString".to_owned(),
        Kind::Any => "interface {}".to_owned(),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
