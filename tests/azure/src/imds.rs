//! The metadata service of virtual machines: tokens of a managed identity. All numbers of its answers are text.

use crate::cloud::State;
use crate::message::{Reply, Request};
use crate::token;
use serde_json::json;

/// `GET /metadata/identity/oauth2/token`
pub(crate) fn handle(state: &State, request: &Request, now: u64) -> Reply {
    let refusal = |status, error: &str, message: &str| {
        Reply::json(status, json!({ "error": error, "error_description": message }))
    };
    if request.path != "/metadata/identity/oauth2/token" || request.method != "GET" {
        return refusal(404, "not_found", "The requested resource is not found");
    }
    if request.get_header("metadata").is_none_or(|value| !value.eq_ignore_ascii_case("true")) {
        return refusal(400, "invalid_request", "Required metadata header not specified");
    }
    if request.get_header("x-forwarded-for").is_some() {
        return refusal(400, "invalid_request", "Requests must not be forwarded");
    }
    if !request.query.contains_key("api-version") {
        return refusal(400, "invalid_request", "Required query variable 'api-version' is missing");
    }
    let Some(resource) = request.query.get("resource") else {
        return refusal(400, "invalid_request", "Required query variable 'resource' is missing");
    };
    let Some(audience) = token::audience(resource) else {
        return refusal(400, "invalid_resource", "The resource principal was not found in the tenant");
    };
    let mut managed = state.config.principals.iter().filter(|principal| principal.managed);
    let found = match request.query.get("client_id") {
        Some(id) => managed.find(|principal| principal.client_id == *id),
        None => managed.next(),
    };
    let Some(principal) = found else {
        return refusal(400, "invalid_request", "Identity not found");
    };
    let life = state.config.timing.token / 1000;
    Reply::json(
        200,
        json!({
            "access_token": token::mint(state, &principal.client_id, audience, now),
            "client_id": principal.client_id,
            "expires_in": life.to_string(),
            "expires_on": (now / 1000 + life).to_string(),
            "ext_expires_in": life.to_string(),
            "not_before": (now / 1000).to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    )
}
