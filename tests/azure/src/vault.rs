//! Key Vault's data plane: secrets with versions, deleted softly and recovered, and purged only when asked.

use crate::cloud::State;
use crate::digest;
use crate::error::ApiError;
use crate::message::{Reply, Request};
use crate::token::{self, Unaccepted};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Versions of the API.
const VERSIONS: [&str; 8] = ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"];
/// The largest value, in bytes.
const LARGEST: usize = 25_000;

/// One vault.
#[derive(Default)]
pub(crate) struct Vault {
    /// Where it is: ids of secrets start with it.
    pub endpoint: String,
    secrets: BTreeMap<String, Secret>,
}

#[derive(Default)]
struct Secret {
    name: String,
    versions: Vec<Version>,
    /// Since when it is deleted. A recovery takes that away at once, and is done at `settled_at`.
    deleted: Option<u64>,
    /// Until then it is being deleted or recovered.
    settled_at: u64,
}

/// One version of a secret.
pub(crate) struct Version {
    id: String,
    /// The value.
    pub value: String,
    content_type: Option<String>,
    tags: Map<String, Value>,
    attributes: Map<String, Value>,
}

impl Vault {
    /// The current version of a secret that is not deleted.
    pub fn current(&self, name: &str) -> Option<&Version> {
        let secret = self.secrets.get(&name.to_ascii_lowercase())?;
        secret.versions.last().filter(|_| secret.deleted.is_none())
    }

    /// How many versions a secret has.
    pub fn versions(&self, name: &str) -> usize {
        self.secrets.get(&name.to_ascii_lowercase()).map_or(0, |secret| secret.versions.len())
    }
}

/// Answers a request to one vault.
pub(crate) fn handle(state: &mut State, vault: &str, request: &Request, now: u64) -> Reply {
    let client = match token::bearer(request, token::VAULT, now) {
        Ok(bearer) => bearer.client_id,
        Err(why) => return unauthorized(state, why),
    };
    let principal = state.config.principals.iter().find(|one| one.client_id == client);
    let allowed = principal.is_some_and(|one| one.vaults.iter().any(|granted| granted == "*" || granted == vault));
    if !allowed {
        let message =
            format!("Caller '{client}' is not authorized to perform action on the secrets of vault '{vault}'.");
        return ApiError::new(403, "Forbidden", &message).inner("ForbiddenByRbac").reply();
    }
    let version = request.query.get("api-version").map_or("", String::as_str);
    if !VERSIONS.contains(&version) {
        let message = format!("The specified version ({version}) is not recognized. Consider using the latest one.");
        return ApiError::new(400, "BadParameter", &message).reply();
    }
    let timing = state.config.timing.vault;
    let Some(vault) = state.vaults.get_mut(vault) else { return Reply::empty(404) };
    let segments: Vec<String> = request.segments().iter().map(ToString::to_string).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let answer = match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["secrets"]) => Ok(vault.list(false)),
        ("GET", ["deletedsecrets"]) => Ok(vault.list(true)),
        ("PUT", ["secrets", name]) => vault.set(name, request, now),
        ("GET", ["secrets", name]) => vault.get(name, None, now),
        ("GET", ["secrets", name, "versions"]) => vault.versions_of(name, now),
        ("GET", ["secrets", name, version]) => vault.get(name, Some(version), now),
        ("PATCH", ["secrets", name, version]) => vault.update(name, version, request, now),
        ("DELETE", ["secrets", name]) => vault.delete(name, now, timing),
        ("GET", ["deletedsecrets", name]) => vault.get_deleted(name, now),
        ("POST", ["deletedsecrets", name, "recover"]) => vault.recover(name, now, timing),
        ("DELETE", ["deletedsecrets", name]) => vault.purge(name, now),
        _ => Err(ApiError::new(405, "MethodNotAllowed", "The method or path is not known.")),
    };
    answer.unwrap_or_else(|error| error.reply())
}

/// 401 with the challenge from which clients learn where to get a token, and for what.
fn unauthorized(state: &State, why: Unaccepted) -> Reply {
    let message = match why {
        Unaccepted::Missing => "AKV10000: Request is missing a Bearer or PoP token.",
        Unaccepted::Malformed => "AKV10001: The token is malformed.",
        Unaccepted::Audience => "AKV10022: Invalid audience. Expected https://vault.azure.net.",
        Unaccepted::Expired => "AKV10002: The token is expired.",
    };
    let challenge = format!(
        "Bearer authorization=\"{}/{}\", resource=\"{}\"",
        state.arm.login_endpoint,
        state.config.tenant,
        token::VAULT
    );
    ApiError::new(401, "Unauthorized", message).reply().header("www-authenticate", &challenge)
}

fn not_found(name: &str) -> ApiError {
    let message = format!(
        "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be \
         able to recover it using the correct recovery command."
    );
    ApiError::new(404, "SecretNotFound", &message)
}

impl Vault {
    fn secret(&mut self, name: &str) -> Result<&mut Secret, ApiError> {
        self.secrets.get_mut(&name.to_ascii_lowercase()).ok_or_else(|| not_found(name))
    }

    /// A secret that is neither deleted nor being recovered.
    fn live(&mut self, name: &str, now: u64) -> Result<&mut Secret, ApiError> {
        let secret = self.secret(name)?;
        if secret.deleted.is_some() || now < secret.settled_at { Err(not_found(name)) } else { Ok(secret) }
    }

    fn shown(&self, secret: &Secret, version: &Version, with_value: bool) -> Value {
        let mut body = json!({
            "id": format!("{}/secrets/{}/{}", self.endpoint, secret.name, version.id),
            "attributes": version.attributes,
        });
        if with_value {
            body["value"] = json!(version.value);
        }
        if let Some(content_type) = &version.content_type {
            body["contentType"] = json!(content_type);
        }
        if !version.tags.is_empty() {
            body["tags"] = json!(version.tags);
        }
        body
    }

    fn list(&self, deleted: bool) -> Reply {
        let secrets = self.secrets.values().filter(|secret| secret.deleted.is_some() == deleted);
        let all: Vec<Value> = secrets
            .filter_map(|secret| {
                let mut body = self.shown(secret, secret.versions.last()?, false);
                body["id"] = json!(format!("{}/secrets/{}", self.endpoint, secret.name));
                Some(body)
            })
            .collect();
        Reply::json(200, json!({ "value": all, "nextLink": null }))
    }

    fn set(&mut self, name: &str, request: &Request, now: u64) -> Result<Reply, ApiError> {
        let good = (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !good {
            let message = format!("The request URI contains an invalid name: {name}");
            return Err(ApiError::new(400, "BadParameter", &message));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(value) = body.get("value").and_then(Value::as_str) else {
            return Err(ApiError::new(400, "BadParameter", "The value of the secret is missing."));
        };
        if value.len() > LARGEST {
            let message = "The specified secret value is too large. The largest is 25k bytes.";
            return Err(ApiError::new(400, "BadParameter", message));
        }
        let secret = self.secrets.entry(name.to_ascii_lowercase()).or_default();
        secret.conflict(name, now)?;
        secret.name = name.to_owned();
        let id = digest::hex(&["version", name, &secret.versions.len().to_string(), &now.to_string()]);
        let map = |key: &str| body.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut attributes = map("attributes");
        attributes.entry("enabled").or_insert(json!(true));
        attributes.insert("created".into(), json!(now / 1000));
        attributes.insert("updated".into(), json!(now / 1000));
        attributes.insert("recoveryLevel".into(), json!("Recoverable+Purgeable"));
        attributes.insert("recoverableDays".into(), json!(90));
        secret.versions.push(Version {
            id: id[..32].to_owned(),
            value: value.to_owned(),
            content_type: body.get("contentType").and_then(Value::as_str).map(str::to_owned),
            tags: map("tags"),
            attributes,
        });
        self.answer(name, None, true)
    }

    fn answer(&self, name: &str, version: Option<&str>, accepted: bool) -> Result<Reply, ApiError> {
        let secret = self.secrets.get(&name.to_ascii_lowercase()).ok_or_else(|| not_found(name))?;
        let version = match version {
            None => secret.versions.last(),
            Some(id) => secret.versions.iter().find(|version| version.id == id),
        };
        let body = self.shown(secret, version.ok_or_else(|| not_found(name))?, true);
        let reply = Reply::json(200, body);
        Ok(if accepted { reply.accepted() } else { reply })
    }

    fn get(&mut self, name: &str, version: Option<&str>, now: u64) -> Result<Reply, ApiError> {
        let secret = self.live(name, now)?;
        let wanted = match version {
            None => secret.versions.last(),
            Some(id) => secret.versions.iter().find(|version| version.id == id),
        };
        let attribute = |key: &str| wanted.and_then(|version| version.attributes.get(key));
        let seconds = |key: &str| attribute(key).and_then(Value::as_u64).map(|at| at * 1000);
        let disabled = attribute("enabled") == Some(&json!(false));
        if disabled || seconds("nbf").is_some_and(|from| now < from) {
            let message = "Operation get is not allowed on a disabled secret.";
            return Err(ApiError::new(403, "Forbidden", message).inner("SecretDisabled"));
        }
        self.answer(name, version, false)
    }

    fn versions_of(&mut self, name: &str, now: u64) -> Result<Reply, ApiError> {
        self.live(name, now)?;
        let secret = self.secrets.get(&name.to_ascii_lowercase()).ok_or_else(|| not_found(name))?;
        let all: Vec<Value> = secret.versions.iter().map(|version| self.shown(secret, version, false)).collect();
        Ok(Reply::json(200, json!({ "value": all, "nextLink": null })))
    }

    fn update(&mut self, name: &str, version: &str, request: &Request, now: u64) -> Result<Reply, ApiError> {
        let secret = self.live(name, now)?;
        let found = secret.versions.iter_mut().find(|one| one.id == version).ok_or_else(|| not_found(name))?;
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(attributes) = body.get("attributes").and_then(Value::as_object) {
            found.attributes.extend(attributes.clone());
        }
        if let Some(tags) = body.get("tags").and_then(Value::as_object) {
            found.tags = tags.clone();
        }
        if let Some(content_type) = body.get("contentType").and_then(Value::as_str) {
            found.content_type = Some(content_type.to_owned());
        }
        found.attributes.insert("updated".into(), json!(now / 1000));
        self.answer(name, Some(version), true)
    }

    fn delete(&mut self, name: &str, now: u64, takes: u64) -> Result<Reply, ApiError> {
        let secret = self.live(name, now)?;
        secret.deleted = Some(now);
        secret.settled_at = now + takes;
        self.deleted_body(name).map(Reply::accepted)
    }

    fn deleted_body(&self, name: &str) -> Result<Reply, ApiError> {
        let secret = self.secrets.get(&name.to_ascii_lowercase()).ok_or_else(|| not_found(name))?;
        let version = secret.versions.last().ok_or_else(|| not_found(name))?;
        let mut body = self.shown(secret, version, false);
        let deleted = secret.deleted.unwrap_or_default() / 1000;
        body["recoveryId"] = json!(format!("{}/deletedsecrets/{}", self.endpoint, secret.name));
        body["deletedDate"] = json!(deleted);
        body["scheduledPurgeDate"] = json!(deleted + 90 * 86_400);
        Ok(Reply::json(200, body))
    }

    /// A deleted secret can be seen once its deletion is done.
    fn get_deleted(&mut self, name: &str, now: u64) -> Result<Reply, ApiError> {
        let secret = self.secret(name)?;
        if secret.deleted.is_none() || now < secret.settled_at {
            return Err(not_found(name));
        }
        self.deleted_body(name)
    }

    fn recover(&mut self, name: &str, now: u64, takes: u64) -> Result<Reply, ApiError> {
        let secret = self.secret(name)?;
        if secret.deleted.is_none() {
            return Err(not_found(name));
        }
        if now < secret.settled_at {
            return Err(being(name, "deleted", "ObjectIsBeingDeleted"));
        }
        secret.deleted = None;
        secret.settled_at = now + takes;
        self.answer(name, None, true)
    }

    fn purge(&mut self, name: &str, now: u64) -> Result<Reply, ApiError> {
        let secret = self.secret(name)?;
        if secret.deleted.is_none() {
            return Err(not_found(name));
        }
        if now < secret.settled_at {
            return Err(being(name, "deleted", "ObjectIsBeingDeleted"));
        }
        self.secrets.remove(&name.to_ascii_lowercase());
        Ok(Reply::empty(204).accepted())
    }
}

fn being(name: &str, what: &str, inner: &str) -> ApiError {
    ApiError::new(409, "Conflict", &format!("Secret {name} is currently being {what}.")).inner(inner)
}

impl Secret {
    /// Why a version cannot be added now.
    fn conflict(&self, name: &str, now: u64) -> Result<(), ApiError> {
        match (self.deleted, now < self.settled_at) {
            (Some(_), true) => Err(being(name, "deleted", "ObjectIsBeingDeleted")),
            (None, true) => Err(being(name, "recovered", "ObjectIsBeingRecovered")),
            (Some(_), false) => {
                let message = format!(
                    "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in \
                     this state, the secret can only be recovered or purged."
                );
                Err(ApiError::new(409, "Conflict", &message).inner("ObjectIsDeletedButRecoverable"))
            }
            (None, false) => Ok(()),
        }
    }
}
