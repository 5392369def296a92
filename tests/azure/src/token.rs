//! Tokens and the endpoint that hands them out: client secrets and federated assertions in, bearer tokens for one audience
//! out. A token is a JWT as Entra's are, signed with a key of the stand-in.

use crate::cloud::State;
use crate::config::Principal;
use crate::digest;
use crate::message::{Reply, Request};
use crate::text;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Audience of ARM.
pub(crate) const ARM: &str = "https://management.azure.com";
/// Audience of all vaults.
pub(crate) const VAULT: &str = "https://vault.azure.net";
/// Audience of federated assertions.
const EXCHANGE: &str = "api://AzureADTokenExchange";
const KEY: &str = "the key of the stand-in";
const ASSERTION_KEY: &str = "the key of the cluster's issuer";

/// Who a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub client_id: String,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unaccepted {
    Missing,
    Malformed,
    Audience,
    Expired,
}

/// A JWT with these claims.
fn sign(claims: &Value, key: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": "HS256" })), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(digest::hex(&[key, &signed]));
    format!("{signed}.{signature}")
}

/// The claims of a JWT that was signed with this key.
fn verify(token: &str, key: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    if URL_SAFE_NO_PAD.encode(digest::hex(&[key, signed])) != signature {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// A token for an audience. Times are milliseconds.
pub(crate) fn mint(state: &State, client_id: &str, audience: &str, now: u64) -> String {
    let expires = (now + state.config.timing.token) / 1000;
    let claims = json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{}/", state.config.tenant),
        "iat": now / 1000, "nbf": now / 1000, "exp": expires,
        "appid": client_id, "oid": digest::uuid(&["oid", client_id]), "tid": state.config.tenant,
    });
    sign(&claims, KEY)
}

/// A token of a cluster for a service account, as it lies in the federated token file. `life` in milliseconds.
pub(crate) fn assertion(subject: &str, now: u64, life: u64) -> String {
    let claims = json!({ "aud": [EXCHANGE], "sub": subject, "iat": now / 1000, "exp": (now + life) / 1000 });
    sign(&claims, ASSERTION_KEY)
}

/// Who sends a request.
pub(crate) fn bearer(request: &Request, audience: &str, now: u64) -> Result<Bearer, Unaccepted> {
    let header = request.get_header("authorization").ok_or(Unaccepted::Missing)?;
    let token = header.strip_prefix("Bearer ").ok_or(Unaccepted::Malformed)?;
    let claims = verify(token, KEY).ok_or(Unaccepted::Malformed)?;
    let text = |key: &str| claims.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("aud").trim_end_matches('/') != audience {
        return Err(Unaccepted::Audience);
    }
    if claims.get("exp").and_then(Value::as_u64).unwrap_or_default() * 1000 <= now {
        return Err(Unaccepted::Expired);
    }
    Ok(Bearer { client_id: text("appid").to_owned() })
}

/// The audience that a scope or resource names: one of ours.
pub(crate) fn audience(name: &str) -> Option<&'static str> {
    // Double slashes are real: `https://management.azure.com//.default` is the scope of an audience with a slash.
    let name = name.strip_suffix("/.default").unwrap_or(name).trim_end_matches('/');
    match name {
        ARM | "https://management.core.windows.net" => Some(ARM),
        VAULT => Some(VAULT),
        _ => None,
    }
}

/// `POST /{tenant}/oauth2/v2.0/token`
pub(crate) fn endpoint(state: &mut State, request: &Request, now: u64) -> Reply {
    let segments = request.segments();
    let [tenant, "oauth2", "v2.0", "token"] = segments.as_slice() else {
        return refusal(404, "invalid_request", 900_144, "the path is not that of a token endpoint");
    };
    if request.method != "POST" {
        return refusal(405, "invalid_request", 900_561, "the endpoint only accepts POST requests");
    }
    if *tenant != state.config.tenant {
        return refusal(400, "invalid_request", 90_002, &format!("Tenant '{tenant}' not found."));
    }
    match granted(state, request, now) {
        Ok((client_id, audience)) => {
            let life = state.config.timing.token / 1000;
            Reply::json(
                200,
                json!({
                    "token_type": "Bearer", "expires_in": life, "ext_expires_in": life,
                    "access_token": mint(state, &client_id, audience, now),
                }),
            )
        }
        Err(reply) => reply,
    }
}

/// Client id and audience of a request that gets a token.
fn granted(state: &State, request: &Request, now: u64) -> Result<(String, &'static str), Reply> {
    let form = text::form(&request.body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if field("grant_type") != Some("client_credentials") {
        return Err(refusal(400, "unsupported_grant_type", 70_003, "The grant type is not supported."));
    }
    let client_id = field("client_id").unwrap_or_default();
    let principal = state.config.principals.iter().find(|one| one.client_id == client_id).ok_or_else(|| {
        let message = format!("Application with identifier '{client_id}' was not found in the directory.");
        refusal(400, "unauthorized_client", 700_016, &message)
    })?;
    let scope = field("scope").unwrap_or_default();
    let audience = audience(scope).filter(|_| scope.ends_with("/.default")).ok_or_else(|| {
        let message = format!("The provided value for scope {scope} is not valid.");
        refusal(400, "invalid_scope", 1_002_012, &message)
    })?;
    match (field("client_secret"), field("client_assertion")) {
        (Some(secret), None) if principal.client_secret.as_deref() == Some(secret) => {}
        (Some(_), None) => {
            return Err(refusal(401, "invalid_client", 7_000_215, "Invalid client secret provided."));
        }
        (None, Some(assertion)) => federated(principal, field("client_assertion_type"), assertion, now)?,
        (None, None) | (Some(_), Some(_)) => {
            let message = "The request body must contain the parameter 'client_assertion' or 'client_secret'.";
            return Err(refusal(401, "invalid_client", 7_000_218, message));
        }
    }
    Ok((principal.client_id.clone(), audience))
}

fn federated(principal: &Principal, type_: Option<&str>, assertion: &str, now: u64) -> Result<(), Reply> {
    if type_ != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Err(refusal(400, "invalid_request", 900_144, "the client_assertion_type is missing or unknown"));
    }
    let Some(claims) = verify(assertion, ASSERTION_KEY) else {
        return Err(refusal(401, "invalid_client", 50_027, "JWT token is invalid or malformed."));
    };
    if claims.get("exp").and_then(Value::as_u64).unwrap_or_default() * 1000 <= now {
        let message = "Client assertion is not within its valid time range.";
        return Err(refusal(401, "invalid_client", 700_024, message));
    }
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if principal.federated_subject.as_deref() != Some(subject) {
        let message =
            format!("No matching federated identity record found for presented assertion subject '{subject}'.");
        return Err(refusal(401, "invalid_client", 700_213, &message));
    }
    Ok(())
}

fn refusal(status: u16, error: &str, code: u32, message: &str) -> Reply {
    Reply::json(
        status,
        json!({ "error": error, "error_description": format!("AADSTS{code}: {message}"), "error_codes": [code] }),
    )
}
