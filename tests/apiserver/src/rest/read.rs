//! Reading one object.

use super::{Answer, key};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::http::reply::{self, Reply};
use crate::http::request::Call;
use crate::registry::Served;
use crate::storage::Stored;
use std::sync::Arc;

/// The stored object that a call names.
pub(crate) fn find(api: &Api, call: &Call, served: &Served) -> Result<Arc<Stored>, ApiError> {
    api.store.get(&served.table, &key(call, served)).ok_or_else(|| ApiError::not_found(served, &call.target.name))
}

/// GET of one object.
pub(crate) fn get(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    if let Some(text) = call.query.get("resourceVersion") {
        let wanted: u64 = text.parse().map_err(|_| {
            ApiError::bad_request(format!(
                "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        })?;
        let current = api.store.version();
        if wanted > current {
            return Err(ApiError::too_large_version(wanted, current));
        }
    }
    find(api, call, served).map(|object| Answer::stored(200, object))
}

/// GET of a pod's log: there is no kubelet to ask.
pub(crate) fn log(api: &Api, call: &Call, served: &Served) -> Result<Reply, ApiError> {
    let pod = find(api, call, served)?;
    let node = pod.value.pointer("/spec/nodeName").and_then(serde_json::Value::as_str).unwrap_or("");
    if node.is_empty() {
        // A pod that no node runs has nothing to show; a real server answers an empty log.
        return Ok(reply::text(200, ""));
    }
    Err(ApiError::new(
        404,
        "NotFound",
        format!("the server could not find the requested resource ( pods/log {})", call.target.name),
    ))
}
