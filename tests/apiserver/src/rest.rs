//! What requests to resources mean: a [`Call`] comes in, objects or refusals go out. Reading is in `read`, the writes
//! are one file each, and what they share (bodies, metadata, the commit) has its own.

mod admission;
mod body;
mod commit;
mod create;
mod delete;
mod eviction;
mod list;
mod meta;
mod patch;
mod present;
mod read;
mod replace;
mod scale;
mod token;

pub(crate) use delete::{Options as DeleteOptions, delete_object};
pub(crate) use list::Filter;
pub(crate) use present::{event_object, view};

use crate::api::Api;
use crate::api_error::ApiError;
use crate::http::accept::Accepted;
use crate::http::reply::{self, Reply};
use crate::http::request::Call;
use crate::registry::Served;
use crate::storage::{ObjectKey, Stored};
use serde_json::Value;
use std::sync::Arc;

/// What a write or a read of one object answers.
pub(crate) enum Answered {
    /// A stored state, shown at the version of the request.
    Stored(Arc<Stored>),
    /// A value that is shown as it is.
    Value(Value),
}

/// The answer to a request for one object.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Answered,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    pub(crate) fn stored(code: u16, object: Arc<Stored>) -> Self {
        Self { code, body: Answered::Stored(object), warnings: Vec::new() }
    }

    pub(crate) fn value(code: u16, value: Value) -> Self {
        Self { code, body: Answered::Value(value), warnings: Vec::new() }
    }
}

/// The key of the object that a call names.
pub(crate) fn key(call: &Call, served: &Served) -> ObjectKey {
    let namespace = if served.namespaced { call.target.namespace.clone() } else { String::new() };
    (namespace, call.target.name.clone())
}

/// Answer a request to a resource (anything but a watch).
pub(crate) fn handle(api: &Api, call: &Call, served: &Arc<Served>, accepted: Accepted) -> Result<Reply, ApiError> {
    check_scope(call, served)?;
    let sub = call.target.subresource.as_str();
    if !sub.is_empty() {
        return subresource(api, call, served, accepted);
    }
    if !served.verbs.iter().any(|v| v == call.verb) {
        return Err(ApiError::method_not_allowed());
    }
    match call.verb {
        "list" => list::list(api, call, served, accepted),
        "get" => answer(api, call, served, read::get(api, call, served)?, accepted),
        "create" => answer(api, call, served, create::create(api, call, served)?, accepted),
        "update" => answer(api, call, served, replace::replace(api, call, served)?, accepted),
        "patch" => answer(api, call, served, patch::patch(api, call, served)?, accepted),
        "delete" => answer(api, call, served, delete::delete(api, call, served)?, accepted),
        "deletecollection" => delete::delete_collection(api, call, served, accepted),
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn check_scope(call: &Call, served: &Served) -> Result<(), ApiError> {
    let target = &call.target;
    let wants_namespace = matches!(call.verb, "create") || !target.name.is_empty();
    if (!served.namespaced && !target.namespace.is_empty())
        || (served.namespaced && target.namespace.is_empty() && !target.name.is_empty())
    {
        return Err(if served.custom { ApiError::unknown_path() } else { ApiError::unknown_resource() });
    }
    if served.namespaced && target.namespace.is_empty() && wants_namespace {
        return Err(ApiError::method_not_allowed());
    }
    Ok(())
}

fn subresource(api: &Api, call: &Call, served: &Arc<Served>, accepted: Accepted) -> Result<Reply, ApiError> {
    let shown = match (call.target.subresource.as_str(), call.verb) {
        ("status", "get") if served.status => read::get(api, call, served)?,
        ("status", "update") if served.status => replace::replace(api, call, served)?,
        ("status", "patch") if served.status => patch::patch(api, call, served)?,
        ("finalize", "update") if served.plural == "namespaces" => replace::replace(api, call, served)?,
        ("scale", verb) if served.scale.is_some() => match verb {
            "get" => scale::get(api, call, served)?,
            "update" => scale::replace(api, call, served)?,
            "patch" => scale::patch(api, call, served)?,
            _ => return Err(ApiError::method_not_allowed()),
        },
        ("binding", "create") if served.plural == "pods" => admission::bind(api, call, served)?,
        ("eviction", "create") if served.plural == "pods" => eviction::evict(api, call, served)?,
        ("token", "create") if served.plural == "serviceaccounts" => token::issue(api, call, served)?,
        ("ephemeralcontainers" | "resize", "get") if served.plural == "pods" => read::get(api, call, served)?,
        ("ephemeralcontainers" | "resize", "update") if served.plural == "pods" => replace::replace(api, call, served)?,
        ("ephemeralcontainers" | "resize", "patch") if served.plural == "pods" => patch::patch(api, call, served)?,
        ("approval", "update") if served.plural == "certificatesigningrequests" => replace::replace(api, call, served)?,
        ("log", "get") if served.plural == "pods" => return read::log(api, call, served),
        ("status" | "scale", _) if served.status || served.scale.is_some() => {
            return Err(ApiError::method_not_allowed());
        }
        _ if served.custom => return Err(ApiError::unknown_path()),
        _ => return Err(ApiError::unknown_resource()),
    };
    answer(api, call, served, shown, accepted)
}

/// Render the answer for one object in the form that the client asked for.
fn answer(api: &Api, call: &Call, served: &Served, answer: Answer, accepted: Accepted) -> Result<Reply, ApiError> {
    let mut reply = present::one(api, call, served, &answer, accepted);
    reply::warn(&mut reply, &answer.warnings);
    Ok(reply)
}
