//! What differs between any two servers (uids, versions, times, addresses) becomes a placeholder that keeps its
//! identity: equal values get equal placeholders, so that "unchanged" and "changed" stay visible.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;

pub struct Normal {
    seen: HashMap<&'static str, HashMap<String, String>>,
    uid: Regex,
}

/// The kind of placeholder for a field, if its value is volatile.
fn volatile(field: &str) -> Option<&'static str> {
    Some(match field {
        "uid" => "UID",
        "resourceVersion" => "RV",
        "creationTimestamp" | "deletionTimestamp" | "time" | "lastTransitionTime" | "lastUpdateTime" => "TIME",
        "clusterIP" => "IP",
        "continue" => "CONTINUE",
        "remainingItemCount" => "REMAINING",
        _ => return None,
    })
}

impl Normal {
    pub fn new() -> Self {
        let uid = Regex::new(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b").unwrap();
        Self { seen: HashMap::new(), uid }
    }

    fn name(&mut self, kind: &'static str, value: &str) -> Value {
        if matches!(kind, "TIME" | "CONTINUE" | "REMAINING") {
            return Value::String(format!("<{kind}>"));
        }
        let table = self.seen.entry(kind).or_default();
        let next = format!("<{kind}{}>", table.len());
        Value::String(table.entry(value.to_owned()).or_insert(next).clone())
    }

    /// The value with placeholders. A picked value is keyed by its whole path, of which the last part counts.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => Value::Object(self.fields(fields)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect()),
            Value::String(text) => Value::String(self.uid.replace_all(text, "<UID>").into_owned()),
            other => other.clone(),
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in fields {
            let plain = match value {
                Value::String(text) if !matches!(text.as_str(), "" | "None" | "<ABSENT>") => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(flag) => Some(flag.to_string()),
                _ => None,
            };
            let leaf = name.rsplit('.').next().unwrap_or(name);
            let shown = match (volatile(leaf), plain, value) {
                (Some(kind), Some(plain), _) => self.name(kind, &plain),
                (_, _, Value::Array(items)) if name == "clusterIPs" => {
                    Value::Array(items.iter().map(|item| self.address(item)).collect())
                }
                (_, _, Value::Array(items)) if name == "managedFields" => {
                    let mut entries: Vec<Value> = items.iter().map(|item| self.value(item)).collect();
                    // Entries of equal times have no order, and whether times are equal depends on when a second ends.
                    entries.sort_by_key(|entry| {
                        let mut entry = entry.clone();
                        entry.as_object_mut().map(|entry| entry.remove("time"));
                        sorted(&entry)
                    });
                    Value::Array(entries)
                }
                _ => self.value(value),
            };
            out.insert(name.clone(), shown);
        }
        out
    }

    fn address(&mut self, item: &Value) -> Value {
        match item.as_str() {
            Some("None") | None => item.clone(),
            Some(address) => self.name("IP", address),
        }
    }
}

/// A text of a value that does not depend on the order of fields.
pub fn sorted(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut parts: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name:?}: {}", sorted(value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
