//! The annotation that client-side apply compares with, as far as server-side apply minds it: an apply by `kubectl` may
//! take fields that client-side apply set and nobody changed since, and keeps the annotation up to date. Other managers
//! are told conflicts and leave the annotation alone. Pure.

use super::fields::{FieldSet, show};
use super::{Conflict, compare, strip, typed};
use crate::schema::Schema;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The one manager that this is for.
const KUBECTL: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Bytes that all annotations may have together.
const LARGEST: usize = 256 * 1024;

fn annotation(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()
}

/// Whether these conflicts are all about fields that client-side apply set, to the value that they still have. Else the
/// conflicts that remain.
pub(super) fn permit(
    manager: &str,
    schema: &Schema,
    live: Option<&Value>,
    conflicts: Vec<Conflict>,
) -> Result<(), Vec<Conflict>> {
    let allowed = live.filter(|_| manager == KUBECTL).and_then(|live| unchanged(schema, live));
    let Some(allowed) = allowed else {
        return Err(conflicts);
    };
    let allowed: BTreeSet<String> = allowed.paths().iter().map(|path| show(path)).collect();
    let left: Vec<Conflict> = conflicts.into_iter().filter(|c| !allowed.contains(&c.field)).collect();
    if left.is_empty() { Ok(()) } else { Err(left) }
}

/// The fields of the annotation's object that are in the live object as they were applied.
fn unchanged(schema: &Schema, live: &Value) -> Option<FieldSet> {
    let mut applied: Value = serde_json::from_str(annotation(live)?).ok()?;
    strip(&mut applied);
    if applied.get("apiVersion") != live.get("apiVersion") || typed::check(schema, &applied).is_err() {
        return None;
    }
    let mut live = live.clone();
    strip(&mut live);
    let changes = compare::compare(schema, &live, &applied);
    let changed = changes.modified.union(&changes.added).union(&changes.removed);
    Some(typed::field_set(schema, &applied).difference(&changed))
}

/// Keep the annotation of an object that has one equal to what was applied.
pub(super) fn follow(manager: &str, merged: &mut Value, config: &Value) {
    if manager != KUBECTL || annotation(merged).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) =
        config.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
    {
        annotations.remove(ANNOTATION);
    }
    let Some(annotations) =
        merged.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
    else {
        return;
    };
    annotations.insert(ANNOTATION.to_owned(), Value::String(written(&config)));
    if size(annotations) > LARGEST {
        annotations.remove(ANNOTATION);
    }
}

fn size(annotations: &Map<String, Value>) -> usize {
    annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum()
}

/// JSON as Go's encoder writes it: names in order, nothing that a browser could take for a tag, a line break at the end.
fn written(value: &Value) -> String {
    let text = in_order(value);
    format!("{}\n", text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

fn in_order(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            let parts: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), in_order(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(in_order).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
