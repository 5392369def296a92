//! Watches: the log comes in, a stream of JSON events goes out, filtered and held to what the client asked for.

mod stream;

use crate::api::Api;
use crate::api_error::ApiError;
use crate::faults::Subject;
use crate::http::reply::Reply;
use crate::http::request::Call;
use crate::registry::Served;
use crate::rest::Filter;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// Where a watch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With everything that is there; the flag asks for a bookmark after it.
    Initial { marked: bool },
    /// After this version.
    After(u64),
}

/// What a client asked a watch for.
pub(crate) struct Watch {
    pub(crate) api: Arc<Api>,
    pub(crate) call: Call,
    pub(crate) served: Arc<Served>,
    pub(crate) filter: Filter,
    pub(crate) subject: Subject,
    pub(crate) start: Start,
    pub(crate) bookmarks: bool,
    pub(crate) lifetime: Duration,
}

fn start(api: &Api, call: &Call) -> Result<Start, ApiError> {
    let version = call.query.get("resourceVersion");
    let matching = call.query.get("resourceVersionMatch");
    let options = |field: &str, detail: &str| {
        let error = crate::field_error::FieldError::forbidden(field, detail);
        Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]))
    };
    let asks_initial = call.query.has("sendInitialEvents");
    if asks_initial {
        match matching {
            Some("NotOlderThan") => {}
            Some(other) => {
                let error = crate::field_error::FieldError::not_supported(
                    "resourceVersionMatch",
                    &serde_json::json!(other),
                    &["NotOlderThan"],
                );
                return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]));
            }
            None => {
                return options(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                );
            }
        }
    } else if matching.is_some() {
        return options(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    let wanted: Option<u64> = match version {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            ApiError::bad_request(format!(
                "Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        })?),
    };
    let current = api.store.version();
    if let Some(wanted) = wanted.filter(|w| *w > current) {
        return Err(ApiError::too_large_version(wanted, current));
    }
    match (asks_initial, call.query.flag("sendInitialEvents"), wanted) {
        (true, true, _) => Ok(Start::Initial { marked: true }),
        (true, false, None | Some(0)) => Ok(Start::After(current)),
        (false, _, None | Some(0)) => Ok(Start::Initial { marked: false }),
        (_, _, Some(version)) => Ok(Start::After(version)),
    }
}

/// Start a watch.
pub(crate) fn watch(api: &Arc<Api>, mut call: Call, served: Arc<Served>, subject: Subject) -> Result<Reply, ApiError> {
    if !served.verbs.iter().any(|v| v == "watch") {
        return Err(ApiError::method_not_allowed());
    }
    if call.query.get("continue").is_some() {
        return Err(ApiError::bad_request("continue is not allowed on watches"));
    }
    if !call.target.name.is_empty() {
        // The deprecated form that watches one object is a watch with a field selector.
        call.query.add("fieldSelector", &format!("metadata.name={}", call.target.name));
    }
    let filter = Filter::of(&call, &served)?;
    let start = start(api, &call)?;
    let lifetime = call
        .query
        .get("timeoutSeconds")
        .and_then(|t| t.parse::<u64>().ok())
        .filter(|t| *t > 0)
        .map_or(api.limits.watch, Duration::from_secs);
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let watch = Watch { api: api.clone(), call, served, filter, subject, start, bookmarks, lifetime };
    let mut reply = Response::new(StreamBody::new(stream::frames(watch)).boxed_unsync());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(reply)
}
