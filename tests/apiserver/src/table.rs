//! What comes in: objects of one resource. What goes out: the `Table` that `kubectl get` shows, with the cells that a real
//! API server computes. Pure; the time is given.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::resource::{Column, Resource};

mod age;
mod cells;
mod columns;
mod json_path;
mod pods;
mod workloads;

pub use age::human;
pub use columns::definitions;

/// What the column `Age` shows.
pub const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// What the column `Name` shows.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

/// What comes with each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// The metadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

/// Objects as a table. `list_meta` is the metadata of the list, `now` what ages count from.
#[must_use]
pub fn table(
    resource: &Resource,
    objects: &[Arc<Value>],
    list_meta: Value,
    include_object: IncludeObject,
    now: DateTime<Utc>,
) -> Value {
    let columns = if resource.custom { custom_columns(resource) } else { definitions(&resource.group, &resource.kind) };
    let rows: Vec<Value> = objects.iter().map(|object| row(resource, &columns, object, include_object, now)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": columns.iter().map(definition).collect::<Vec<_>>(),
        "rows": rows,
    })
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.type_,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

fn custom_columns(resource: &Resource) -> Vec<Column> {
    let mut columns = vec![columns::name()];
    columns.extend(resource.columns.iter().cloned());
    columns
}

fn row(resource: &Resource, columns: &[Column], object: &Value, include: IncludeObject, now: DateTime<Utc>) -> Value {
    let mut cells = if resource.custom {
        custom_cells(&resource.columns, object, now)
    } else {
        cells::builtin(&resource.group, &resource.kind, object, now)
    };
    cells.resize(columns.len(), Value::Null);
    let shown = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
        }),
    };
    let mut row = json!({ "cells": cells, "object": shown });
    if !resource.custom
        && resource.kind == "Pod"
        && let Some(condition) = pods::condition(object)
        && let Some(map) = row.as_object_mut()
    {
        map.insert("conditions".to_owned(), json!([condition]));
    }
    row
}

fn custom_cells(columns: &[Column], object: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let mut cells = vec![object.pointer("/metadata/name").cloned().unwrap_or_default()];
    cells.extend(columns.iter().map(|column| {
        let path = column.json_path.as_deref().unwrap_or_default();
        json_path::first(path, object).map_or(Value::Null, |value| custom_cell(&column.type_, value, now))
    }));
    cells
}

/// A value as its column's type shows it; what does not fit the type is left out.
fn custom_cell(kind: &str, value: &Value, now: DateTime<Utc>) -> Value {
    match (kind, value) {
        ("string", Value::String(_)) => value.clone(),
        ("string", Value::Null) => json!("<nil>"),
        ("string", other) => json!(other.to_string()),
        #[allow(clippy::cast_possible_truncation)]
        ("integer", Value::Number(number)) => {
            number.as_i64().map_or_else(|| json!(number.as_f64().unwrap_or_default() as i64), Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => json!(human(now, time.to_utc())),
            Err(_) => json!("<invalid>"),
        },
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests;
