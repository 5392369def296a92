//! Azure Resource Manager. In: a request. Out: the answer, after what ARM itself looks at: the token, the api-version, the
//! subscription, the role, the quota of requests, the group and the provider, in this order.

mod id;
mod kind;
pub mod operation;
mod resource;
mod throttle;

use crate::cloud::State as Azure;
use crate::config::{Config, Principal};
use crate::error::ApiError;
use crate::message::{Reply, Request};
use crate::token::{self, Unaccepted};
use id::{ResourceId, Target};
use operation::{Operation, Outcome, Work};
pub(crate) use resource::{Phase, Resource};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use throttle::{Buckets, Class, Refused};

/// All that ARM knows.
pub(crate) struct State {
    /// Where ARM is: addresses of operations start with it.
    pub endpoint: String,
    /// Where tokens are handed out: for challenges of vaults.
    pub login_endpoint: String,
    /// Resources by their id in lower case.
    pub resources: BTreeMap<String, Resource>,
    /// Operations by their id.
    pub operations: BTreeMap<String, Operation>,
    /// Ids in lower case below which nothing can be deleted.
    pub locks: Vec<String>,
    /// Names with their region, by id in lower case.
    groups: BTreeMap<String, (String, String)>,
    buckets: Buckets,
}

impl State {
    pub fn new(config: &Config) -> Self {
        let mut groups = BTreeMap::new();
        for subscription in &config.subscriptions {
            for (name, location) in &subscription.resource_groups {
                groups.insert(group_key(&subscription.id, name), (name.clone(), location.clone()));
            }
        }
        State {
            endpoint: "https://management.azure.com".into(),
            login_endpoint: "https://login.microsoftonline.com".into(),
            resources: BTreeMap::new(),
            operations: BTreeMap::new(),
            locks: Vec::new(),
            groups,
            buckets: Buckets::default(),
        }
    }
}

fn group_key(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{name}").to_ascii_lowercase()
}

/// Answers a request. `outcome` is what becomes of the operation that it starts.
pub(crate) fn handle(azure: &mut Azure, request: &Request, now: u64, outcome: Option<Outcome>) -> Reply {
    settle(azure, now);
    match admitted(azure, request, now) {
        Ok((subscription, target, remaining)) => {
            let reply = answer(azure, request, now, outcome, &subscription, target);
            let class = Class::of(&request.method).word();
            let reply = reply.unwrap_or_else(|error| error.reply());
            reply.header(&format!("x-ms-ratelimit-remaining-subscription-{class}s"), &remaining.to_string())
        }
        Err(reply) => reply,
    }
}

/// All that stands before the resource: the subscription, what is asked for, and how many requests are left.
fn admitted(azure: &mut Azure, request: &Request, now: u64) -> Result<(String, Target, u64), Reply> {
    let refuse = |status, code: &str, message: &str| ApiError::gateway(status, code, message).reply();
    let bearer = token::bearer(request, token::ARM, now).map_err(unauthorized)?;
    let Some((subscription, target)) = id::parse(&request.path) else {
        let message = format!("No HTTP resource was found that matches the request URI '{}'.", request.path);
        return Err(refuse(404, "InvalidResourceNamespace", &message));
    };
    if request.query.get("api-version").is_none_or(String::is_empty) {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(refuse(400, "MissingApiVersionParameter", message));
    }
    if azure.config.subscription(&subscription).is_none() {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(refuse(404, "SubscriptionNotFound", &message));
    }
    let principal = azure.config.principals.iter().find(|one| one.client_id == bearer.client_id);
    if !principal.is_some_and(|principal| may(principal, &request.path, &target)) {
        let message = format!(
            "The client '{}' does not have authorization to perform action '{}' over scope '{}' or the scope is \
             invalid. If access was recently granted, please refresh your credentials.",
            bearer.client_id,
            Class::of(&request.method).word(),
            request.path
        );
        return Err(refuse(403, "AuthorizationFailed", &message));
    }
    let class = Class::of(&request.method);
    let limits = azure.config.limits;
    let remaining = azure.arm.buckets.take(&limits, &bearer.client_id, &subscription, class, now);
    match remaining {
        Ok(remaining) => Ok((subscription, target, remaining)),
        Err(Refused { wait, early }) => {
            let message = format!(
                "Number of '{}' requests for subscription '{subscription}' actor '{}' exceeded. Please try again after \
                 '{wait}' seconds after additional tokens are available.",
                class.word(),
                bearer.client_id
            );
            let reply = ApiError::gateway(429, "SubscriptionRequestsThrottled", &message).retry_after(wait).reply();
            Err(if early { reply.header("x-early", "true") } else { reply })
        }
    }
}

/// A role on a group does not cover what the subscription as a whole answers, but operations and names are asked there.
fn may(principal: &Principal, path: &str, target: &Target) -> bool {
    let path = path.to_ascii_lowercase();
    principal.scopes.iter().any(|scope| {
        let scope = scope.to_ascii_lowercase();
        let below = path == scope || path.starts_with(&format!("{}/", scope.trim_end_matches('/')));
        let asked_there = matches!(target, Target::Operation { .. } | Target::CheckName { .. })
            && path.split('/').nth(2) == scope.split('/').nth(2);
        below || asked_there
    })
}

fn unauthorized(why: Unaccepted) -> Reply {
    let (code, message) = match why {
        Unaccepted::Missing => {
            ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        }
        Unaccepted::Malformed => ("InvalidAuthenticationToken", "The access token is invalid."),
        Unaccepted::Audience => (
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource. It should exactly match with one of the \
             allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.",
        ),
        Unaccepted::Expired => ("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now."),
    };
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{code}\"");
    ApiError::gateway(401, code, message).reply().header("www-authenticate", &challenge)
}

fn answer(
    azure: &mut Azure,
    request: &Request,
    now: u64,
    outcome: Option<Outcome>,
    subscription: &str,
    target: Target,
) -> Result<Reply, ApiError> {
    match target {
        Target::Subscription if request.method == "GET" => Ok(Reply::json(
            200,
            json!({ "id": format!("/subscriptions/{subscription}"), "subscriptionId": subscription, "state": "Enabled" }),
        )),
        Target::Groups if request.method == "GET" => {
            let prefix = group_key(subscription, "");
            let all = azure.arm.groups.iter().filter(|(key, _)| key.starts_with(&prefix));
            let all: Vec<Value> = all.map(|(_, (name, location))| group(subscription, name, location)).collect();
            Ok(Reply::json(200, json!({ "value": all })))
        }
        Target::Group(name) => groups(azure, request, subscription, &name),
        Target::Operation { id, result } => {
            operation::poll(&azure.arm, azure.config.timing.retry_after, &id, result, request, now)
        }
        Target::CheckName { provider } => check_name(azure, request, &provider),
        Target::Collection { prefix, type_name } if request.method == "GET" => {
            let kind = served(azure, subscription, &type_name, request)?;
            group_exists(azure, subscription, &prefix)?;
            let prefix = prefix.to_ascii_lowercase();
            let inside = azure.arm.resources.iter().filter(|(key, _)| key.starts_with(&prefix));
            let of_type = inside.filter(|(_, one)| one.id.type_name().eq_ignore_ascii_case(kind.name));
            let all: Vec<Value> = of_type
                .filter(|(_, one)| one.visible_at <= now)
                .map(|(_, one)| one.shown(kind, azure.config.etags))
                .collect();
            Ok(Reply::json(200, json!({ "value": all })))
        }
        Target::Resource(id) => {
            let kind = served(azure, subscription, &id.type_name(), request)?;
            group_exists(azure, subscription, &id.to_string())?;
            match request.method.as_str() {
                "GET" => resource::get(azure, kind, &id, now),
                "PUT" | "PATCH" => resource::write(azure, kind, &id, request, now, outcome),
                "DELETE" => resource::delete(azure, kind, &id, request, now, outcome),
                _ => Err(not_allowed(&request.method)),
            }
        }
        Target::Subscription | Target::Groups | Target::Collection { .. } => Err(not_allowed(&request.method)),
    }
}

fn not_allowed(method: &str) -> ApiError {
    ApiError::gateway(405, "MethodNotAllowed", &format!("The method '{method}' is not allowed here."))
}

/// The kind of a type, if its provider is registered and it has the version.
fn served(
    azure: &Azure,
    subscription: &str,
    type_name: &str,
    request: &Request,
) -> Result<&'static kind::Kind, ApiError> {
    let provider = type_name.split('/').next().unwrap_or_default();
    let Some(kind) = kind::find(type_name) else {
        let message = format!("The resource type could not be found in the namespace '{provider}': '{type_name}'.");
        return Err(ApiError::gateway(404, "InvalidResourceType", &message));
    };
    let registered = azure.config.subscription(subscription).is_some_and(|subscription| {
        subscription.providers.iter().any(|registered| registered.eq_ignore_ascii_case(provider))
    });
    if !registered {
        let message = format!("The subscription is not registered to use namespace '{provider}'.");
        return Err(ApiError::gateway(409, "MissingSubscriptionRegistration", &message));
    }
    let version = request.query.get("api-version").map_or("", String::as_str);
    if !kind.versions.contains(&version) {
        let message = format!(
            "No registered resource provider found for API version '{version}' for type '{type_name}'. The supported \
             api-versions are '{}'.",
            kind.versions.join(", ")
        );
        return Err(ApiError::gateway(400, "NoRegisteredProviderFound", &message));
    }
    Ok(kind)
}

/// The group of an id exists; ids without a group are fine.
fn group_exists(azure: &Azure, subscription: &str, id: &str) -> Result<(), ApiError> {
    let Some(name) = id.split('/').nth(4).filter(|_| id.split('/').nth(3) != Some("providers")) else { return Ok(()) };
    if name.is_empty() || azure.arm.groups.contains_key(&group_key(subscription, name)) {
        return Ok(());
    }
    let message = format!("Resource group '{name}' could not be found.");
    Err(ApiError::gateway(404, "ResourceGroupNotFound", &message))
}

fn group(subscription: &str, name: &str, location: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{subscription}/resourceGroups/{name}"), "name": name, "location": location,
        "type": "Microsoft.Resources/resourceGroups", "properties": { "provisioningState": "Succeeded" },
    })
}

fn groups(azure: &mut Azure, request: &Request, subscription: &str, name: &str) -> Result<Reply, ApiError> {
    let key = group_key(subscription, name);
    match request.method.as_str() {
        "GET" | "HEAD" => {
            group_exists(azure, subscription, &key)?;
            let (name, location) = azure.arm.groups.get(&key).cloned().unwrap_or_default();
            Ok(if request.method == "HEAD" {
                Reply::empty(204)
            } else {
                Reply::json(200, group(subscription, &name, &location))
            })
        }
        "PUT" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let location = body.get("location").and_then(Value::as_str).and_then(crate::text::region);
            let Some(location) = location else {
                let message = "The location property is required for this definition.";
                return Err(ApiError::gateway(400, "LocationRequired", message));
            };
            let old = azure.arm.groups.insert(key, (name.to_owned(), location.clone()));
            let status = if old.is_some() { 200 } else { 201 };
            Ok(Reply::json(status, group(subscription, name, &location)).accepted())
        }
        "DELETE" => {
            group_exists(azure, subscription, &key)?;
            resource::unlocked(&azure.arm, &key)?;
            azure.arm.groups.remove(&key);
            azure.arm.resources.retain(|id, _| !id.starts_with(&format!("{key}/")));
            Ok(Reply::empty(200).accepted())
        }
        other => Err(not_allowed(other)),
    }
}

/// `POST …/providers/P/checkNameAvailability`
fn check_name(azure: &Azure, request: &Request, provider: &str) -> Result<Reply, ApiError> {
    if request.method != "POST" {
        return Err(not_allowed(&request.method));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, type_) = (text("name"), text("type"));
    let known = kind::find(type_).filter(|kind| kind.global && kind.provider().eq_ignore_ascii_case(provider));
    let Some(kind) = known else {
        return Err(ApiError::new(400, "InvalidParameterValue", "Invalid value given for parameter type."));
    };
    let problem = if let Some(error) = (kind.name_error)(name) {
        Some(("Invalid", error.message))
    } else {
        resource::holder(azure, kind, name)
            .map(|_| ("AlreadyExists", format!("Specified server name '{name}' is already used.")))
    };
    Ok(match problem {
        None => Reply::json(200, json!({ "name": name, "available": true })),
        Some((reason, message)) => {
            Reply::json(200, json!({ "name": name, "available": false, "reason": reason, "message": message }))
        }
    })
}

/// Ends the operations whose time has come.
pub(crate) fn settle(azure: &mut Azure, now: u64) {
    let state = &mut azure.arm;
    let mut due: Vec<&mut Operation> =
        state.operations.values_mut().filter(|operation| !operation.settled && operation.ends <= now).collect();
    due.sort_by_key(|operation| operation.ends);
    for operation in due {
        operation.settled = true;
        let succeeded = operation.outcome == Outcome::Succeeded;
        let Some(resource) = state.resources.get_mut(&operation.resource) else { continue };
        match (&operation.work, succeeded) {
            (Work::Create, true) | (Work::Delete | Work::Replace { .. }, false) => resource.phase = Phase::Ready,
            (Work::Replace { body, hidden }, true) => {
                resource.body = body.clone();
                resource.hidden = hidden.clone();
                resource.version += 1;
                resource.phase = Phase::Ready;
            }
            (Work::Create, false) | (Work::Delete, true) => {
                let key = operation.resource.clone();
                state.resources.retain(|other, _| *other != key && !other.starts_with(&format!("{key}/")));
            }
        }
    }
}

/// Puts a resource in place as if somebody else had made it long ago.
pub(crate) fn place(azure: &mut Azure, id: &str, body: &Value) {
    let Some((_, Target::Resource(id))) = id::parse(id) else { return };
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("id".into(), json!(id.to_string()));
        fields.insert("name".into(), json!(id.name()));
        fields.insert("type".into(), json!(id.type_name()));
    }
    let resource =
        Resource { body, hidden: BTreeMap::new(), phase: Phase::Ready, visible_at: 0, version: 1, id: id.clone() };
    azure.arm.resources.insert(id.key(), resource);
}

impl ResourceId {
    /// The body that every resource has.
    fn head(&self) -> Value {
        json!({ "id": self.to_string(), "name": self.name(), "type": self.type_name() })
    }
}
