//! `serviceaccounts/token`: bearer tokens for ServiceAccounts.

use super::{Answer, body, meta, read};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::clock::rfc3339;
use crate::http::request::Call;
use crate::registry::Served;
use serde_json::{Value, json};

/// Seconds that a token lives when the request does not say.
const LIFETIME: i64 = 3600;

/// POST of a TokenRequest.
pub(crate) fn issue(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    let account = read::find(api, call, served)?;
    let mut request = body::document(call)?.value;
    if !request.is_object() {
        return Err(ApiError::bad_request("a TokenRequest must be an object"));
    }
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(LIFETIME);
    if seconds < 600 {
        let error = crate::field_error::FieldError::invalid(
            "spec.expirationSeconds",
            &json!(seconds),
            "may not specify a duration less than 10 minutes",
        );
        return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &[error]));
    }
    let until = api.clock.now() + chrono::Duration::try_seconds(seconds).unwrap_or_else(chrono::Duration::zero);
    let token = api.tokens.issue(&call.target.namespace, &call.target.name, meta::text(&account.value, "uid"), until);
    let audiences = request
        .pointer("/spec/audiences")
        .cloned()
        .unwrap_or_else(|| json!(["https://kubernetes.default.svc.cluster.local"]));
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["metadata"] = json!({ "name": call.target.name, "namespace": call.target.namespace, "creationTimestamp": rfc3339(api.clock.now()) });
    request["spec"] = json!({ "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": request.pointer("/spec/boundObjectRef").cloned() });
    request["status"] = json!({ "token": token, "expirationTimestamp": rfc3339(until) });
    Ok(Answer::value(201, request))
}
