//! What comes in: a schema and a JSON value. What goes out: the value as CEL rules see it. Pure.
//!
//! Rules see declared fields alone, under names that CEL can spell; formats become times, durations and bytes.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use kube_cel::cel::Value as CelValue;
use kube_cel::cel::objects::{Key, Map};
use serde_json::Value;

use crate::schema::{Kind, Schema};

/// Words that CEL keeps for itself.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A field's name as rules write it.
#[must_use]
pub fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

/// A value as rules see it.
#[must_use]
pub fn to_cel(schema: &Schema, value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => match (schema.kind, number.as_i64()) {
            (Kind::Number, _) | (_, None) => whole_or_float(schema, number.as_f64().unwrap_or_default()),
            (_, Some(whole)) => CelValue::Int(whole),
        },
        Value::String(text) => string(schema, text),
        Value::Array(items) => {
            let any = Schema::any();
            let child = schema.items.as_deref().unwrap_or(&any);
            CelValue::List(Arc::new(items.iter().map(|item| to_cel(child, item)).collect()))
        }
        Value::Object(members) => {
            let mut map = HashMap::with_capacity(members.len());
            for (key, value) in members {
                if let Some(child) = schema.properties.get(key) {
                    if schema.typed && !matches!(key.as_str(), "name" | "generateName") {
                        continue;
                    }
                    map.insert(text_key(escape(key)), to_cel(child, value));
                } else if let Some(child) = &schema.additional {
                    map.insert(text_key(key.clone()), to_cel(child, value));
                }
            }
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

fn whole_or_float(schema: &Schema, number: f64) -> CelValue {
    #[allow(clippy::cast_possible_truncation)]
    if schema.kind == Kind::Integer && number.fract() == 0.0 {
        CelValue::Int(number as i64)
    } else {
        CelValue::Float(number)
    }
}

fn text_key(text: String) -> Key {
    Key::String(Arc::new(text))
}

fn string(schema: &Schema, text: &str) -> CelValue {
    let plain = || CelValue::String(Arc::new(text.to_owned()));
    if schema.kind == Kind::IntOrString {
        return plain();
    }
    match schema.format.as_deref() {
        Some("date-time" | "datetime") => {
            chrono::DateTime::parse_from_rfc3339(text).map_or_else(|_| plain(), CelValue::Timestamp)
        }
        Some("date") => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map_or_else(plain, |time| CelValue::Timestamp(time.and_utc().fixed_offset())),
        Some("duration") => duration(text).map_or_else(plain, CelValue::Duration),
        Some("byte") => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_or_else(|_| plain(), |bytes| CelValue::Bytes(Arc::new(bytes))),
        _ => plain(),
    }
}

/// A duration as Go writes it, such as `1h30m`.
fn duration(text: &str) -> Option<chrono::Duration> {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0_f64;
    while !rest.is_empty() && rest != "0" {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let (unit, scale) =
            [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)]
                .into_iter()
                .filter(|(unit, _)| rest.starts_with(unit))
                .max_by_key(|(unit, _)| unit.len())?;
        nanos += amount * scale;
        rest = rest.get(unit.len()..)?;
    }
    #[allow(clippy::cast_possible_truncation)]
    let nanos = nanos as i64;
    Some(chrono::Duration::nanoseconds(if negative { -nanos } else { nanos }))
}
