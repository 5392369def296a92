//! How objects are shown: at the version of the request, as themselves, as rows of a table, or as metadata alone.

use super::{Answer, Answered};
use crate::api::Api;
use crate::http::accept::{Accepted, Form};
use crate::http::reply::{self, Reply};
use crate::http::request::Call;
use crate::registry::Served;
use crate::storage::Stored;
use crate::table::IncludeObject;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether the stored bytes can be sent as they are.
fn is_current(served: &Served, stored: &Stored) -> bool {
    (!served.custom || stored.epoch == served.epoch)
        && stored.value.get("apiVersion").and_then(Value::as_str) == Some(served.api_version().as_str())
}

/// A stored object at the version of `served`: for custom resources defaulted and pruned again if its schema is newer.
pub(crate) fn view(served: &Served, stored: &Stored) -> Arc<Value> {
    if is_current(served, stored) {
        return stored.value.clone();
    }
    let mut value = (*stored.value).clone();
    if served.group == "events.k8s.io" {
        value = crate::builtin::events::from_core(&value);
    }
    if let Some(object) = value.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!(served.api_version()));
    }
    if served.custom {
        served.schema.apply_defaults(&mut value);
        served.schema.prune(&mut value);
    }
    Arc::new(value)
}

/// JSON of a stored object at the version of `served`.
pub(crate) fn object_json(served: &Served, stored: &Stored) -> Bytes {
    if is_current(served, stored) { stored.json() } else { crate::storage::render_json(&view(served, stored)) }
}

/// JSON of an item of a list: built-in kinds leave out kind and apiVersion there.
pub(crate) fn write_item(out: &mut Vec<u8>, served: &Served, stored: &Stored) {
    if served.custom {
        out.extend_from_slice(&object_json(served, stored));
    } else if is_current(served, stored) {
        out.push(b'{');
        out.extend_from_slice(&stored.json_tail());
    } else {
        let converted = Stored::new((*view(served, stored)).clone(), stored.version, stored.epoch);
        out.push(b'{');
        out.extend_from_slice(&converted.json_tail());
    }
}

/// The head of a list up to its items.
pub(crate) fn list_head(served: &Served, metadata: &Value) -> Vec<u8> {
    format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
        json!(served.list_kind),
        json!(served.api_version())
    )
    .into_bytes()
}

/// PartialObjectMetadata of an object.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})) })
}

fn include(call: &Call) -> IncludeObject {
    match call.query.get("includeObject") {
        Some("Object") => IncludeObject::Object,
        Some("None") => IncludeObject::None,
        _ => IncludeObject::Metadata,
    }
}

/// Objects as a table.
pub(crate) fn as_table(api: &Api, call: &Call, served: &Served, objects: &[Arc<Value>], metadata: Value) -> Value {
    crate::table::table(&served.resource, objects, metadata, include(call), api.clock.now())
}

/// An object as a watch sends it, in the form that the watch asked for. `first` says that no row was sent before (only
/// the first table carries the column definitions).
pub(crate) fn event_object(api: &Api, call: &Call, served: &Served, stored: &Stored, first: bool) -> Bytes {
    match call.form {
        Form::Object => object_json(served, stored),
        Form::Metadata => crate::storage::render_json(&metadata_only(&view(served, stored))),
        Form::Table => {
            let mut table = as_table(
                api,
                call,
                served,
                &[view(served, stored)],
                json!({ "resourceVersion": stored.version.to_string() }),
            );
            if !first {
                table["columnDefinitions"] = Value::Null;
            }
            crate::storage::render_json(&table)
        }
    }
}

/// The answer for one object.
pub(crate) fn one(api: &Api, call: &Call, served: &Served, answer: &Answer, accepted: Accepted) -> Reply {
    let value = match &answer.body {
        Answered::Stored(stored) if accepted.form == Form::Object => {
            return reply::json(answer.code, object_json(served, stored), accepted);
        }
        Answered::Stored(stored) => view(served, stored),
        Answered::Value(value) => Arc::new(value.clone()),
    };
    let is_kind = value.get("kind").and_then(Value::as_str) == Some(served.kind.as_str());
    let shown = match accepted.form {
        Form::Table if is_kind => {
            let version = value.get("metadata").and_then(|m| m.get("resourceVersion")).cloned();
            let metadata = version.map_or_else(|| json!({}), |v| json!({ "resourceVersion": v }));
            as_table(api, call, served, &[value], metadata)
        }
        Form::Metadata if is_kind => metadata_only(&value),
        _ => (*value).clone(),
    };
    reply::value(answer.code, &shown, accepted)
}
