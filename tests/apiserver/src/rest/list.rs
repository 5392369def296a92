//! Lists: pages of a consistent snapshot, filtered by selectors, at the version that the client asked for.

use super::present;
use crate::api::Api;
use crate::api_error::ApiError;
use crate::http::accept::{Accepted, Form};
use crate::http::reply::{self, Reply};
use crate::http::request::Call;
use crate::registry::Served;
use crate::selector::{field, label};
use crate::storage::{ObjectKey, Stored};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

/// The selectors of a request.
pub(crate) struct Filter {
    pub(crate) labels: label::Selector,
    pub(crate) fields: field::Selector,
}

impl Filter {
    pub(crate) fn of(call: &Call, served: &Served) -> Result<Self, ApiError> {
        let labels = label::Selector::parse(call.query.get("labelSelector").unwrap_or(""))
            .map_err(|e| ApiError::bad_request(format!("unable to parse requirement: {e}")))?;
        let fields = field::Selector::parse(call.query.get("fieldSelector").unwrap_or(""), served)
            .map_err(ApiError::bad_request)?;
        Ok(Self { labels, fields })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    pub(crate) fn matches(&self, served: &Served, object: &Stored) -> bool {
        self.is_everything() || {
            let needs_view = served.group == "events.k8s.io" && !self.fields.is_everything();
            let value = if needs_view { present::view(served, object) } else { object.value.clone() };
            self.labels.matches(&value) && self.fields.matches(&value)
        }
    }
}

/// A list as found: its objects and its metadata.
pub(crate) struct Found {
    pub(crate) objects: Vec<Arc<Stored>>,
    pub(crate) metadata: Value,
}

fn version_of(call: &Call) -> Result<Option<u64>, ApiError> {
    match call.query.get("resourceVersion") {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        }),
    }
}

/// Refuse combinations of paging and version parameters that mean nothing.
fn check_options(call: &Call) -> Result<(), ApiError> {
    let version = call.query.get("resourceVersion").unwrap_or("");
    let forbidden = |detail: &str| {
        let error = crate::field_error::FieldError::forbidden("resourceVersionMatch", detail);
        Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]))
    };
    if call.query.has("sendInitialEvents") && call.verb == "list" {
        let error =
            crate::field_error::FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]));
    }
    match call.query.get("resourceVersionMatch") {
        None => Ok(()),
        Some(_) if version.is_empty() => {
            forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        Some(_) if call.query.get("continue").is_some() => {
            forbidden("resourceVersionMatch is forbidden when continue is provided")
        }
        Some("Exact") if version == "0" => {
            forbidden("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
        }
        Some("Exact" | "NotOlderThan") => Ok(()),
        Some(other) => {
            let error = crate::field_error::FieldError::not_supported(
                "resourceVersionMatch",
                &json!(other),
                &["Exact", "NotOlderThan", ""],
            );
            Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]))
        }
    }
}

/// Where the next page starts, as the client hands it back.
fn token(version: u64, last: &ObjectKey) -> String {
    URL_SAFE_NO_PAD.encode(
        json!({ "v": "meta.k8s.io/v1", "rv": version, "start": format!("{}/{}\u{0}", last.0, last.1) }).to_string(),
    )
}

fn read_token(text: &str) -> Option<(i64, ObjectKey)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    (value.get("v")?.as_str()? == "meta.k8s.io/v1").then_some(())?;
    let (namespace, name) = value.get("start")?.as_str()?.strip_suffix('\u{0}')?.split_once('/')?;
    Some((value.get("rv")?.as_i64()?, (namespace.to_owned(), name.to_owned())))
}

fn inconsistent_token(last: &ObjectKey) -> String {
    URL_SAFE_NO_PAD
        .encode(json!({ "v": "meta.k8s.io/v1", "rv": -1, "start": format!("{}/{}\u{0}", last.0, last.1) }).to_string())
}

/// What a list request selects.
pub(crate) fn find(api: &Api, call: &Call, served: &Served) -> Result<Found, ApiError> {
    check_options(call)?;
    let filter = Filter::of(call, served)?;
    let limit = match call.query.get("limit") {
        None => 0,
        Some(text) => {
            text.parse::<usize>().map_err(|_| ApiError::bad_request(format!("limit: Invalid value: \"{text}\"")))?
        }
    };
    let asked = version_of(call)?;
    let current = api.store.version();
    if let Some(wanted) = asked.filter(|v| *v > current) {
        return Err(ApiError::too_large_version(wanted, current));
    }
    let (at, after) = match call.query.get("continue") {
        Some(text) => {
            if asked.is_some_and(|v| v != 0) {
                return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
            }
            let (version, key) = read_token(text).ok_or_else(|| {
                ApiError::bad_request("continue key is not valid: illegal base64 data or unknown version")
            })?;
            if version >= 0 && api.faults.continue_expired(&call.target) {
                return Err(expired(&key));
            }
            (u64::try_from(version).ok(), Some(key))
        }
        None => (asked.filter(|_| call.query.get("resourceVersionMatch") == Some("Exact")), None),
    };
    let namespace = (served.namespaced && !call.target.namespace.is_empty()).then_some(call.target.namespace.as_str());
    let page = api.store.list(&served.table, namespace, at, after.as_ref()).map_err(|_| match &after {
        Some(key) => expired(key),
        None => ApiError::expired(format!(
            "The resourceVersion for the provided list is too old: {}",
            asked.unwrap_or_default()
        )),
    })?;
    let mut objects = page.items;
    if !filter.is_everything() {
        objects.retain(|o| filter.matches(served, o));
    }
    let mut metadata = json!({ "resourceVersion": page.version.to_string() });
    if limit > 0 && objects.len() > limit {
        let remaining = objects.len() - limit;
        objects.truncate(limit);
        if let Some(last) = objects.last() {
            metadata["continue"] = json!(token(page.version, &object_key(&last.value)));
            if filter.is_everything() {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
    }
    Ok(Found { objects, metadata })
}

fn expired(key: &ObjectKey) -> ApiError {
    let mut error = ApiError::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    error.continue_token = Some(inconsistent_token(key));
    error
}

fn object_key(object: &Value) -> ObjectKey {
    let text =
        |name: &str| object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).unwrap_or("").to_owned();
    (text("namespace"), text("name"))
}

/// GET of a collection.
pub(crate) fn list(api: &Api, call: &Call, served: &Arc<Served>, accepted: Accepted) -> Result<Reply, ApiError> {
    let found = find(api, call, served)?;
    Ok(render(api, call, served, &found, accepted))
}

/// A list in the form that the client asked for.
pub(crate) fn render(api: &Api, call: &Call, served: &Served, found: &Found, accepted: Accepted) -> Reply {
    match accepted.form {
        Form::Object => {
            let mut out = present::list_head(served, &found.metadata);
            for (i, object) in found.objects.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                present::write_item(&mut out, served, object);
            }
            out.extend_from_slice(b"]}");
            reply::json(200, out.into(), accepted)
        }
        Form::Metadata => {
            let items: Vec<Value> =
                found.objects.iter().map(|o| present::metadata_only(&present::view(served, o))).collect();
            let list = json!({ "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": found.metadata, "items": items });
            reply::value(200, &list, accepted)
        }
        Form::Table => {
            let objects: Vec<_> = found.objects.iter().map(|o| present::view(served, o)).collect();
            reply::value(200, &present::as_table(api, call, served, &objects, found.metadata.clone()), accepted)
        }
    }
}
