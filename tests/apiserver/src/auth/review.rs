//! Questions about rights and identity, asked by creating an object: access reviews, rules reviews, self review, token
//! review. Nothing is stored.

use super::User;
use super::rbac::{self, Attributes, Decision};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::field_error::FieldError;
use crate::http::request::Call;
use crate::registry::Served;
use crate::rest::Answer;
use serde_json::{Value, json};

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or("")
}

fn wanted(spec: &Value) -> Option<Attributes> {
    if let Some(asked) = spec.get("nonResourceAttributes").filter(|a| a.is_object()) {
        return Some(Attributes::path(text(asked, "/verb"), text(asked, "/path")));
    }
    let asked = spec.get("resourceAttributes").filter(|a| a.is_object())?;
    let mut want = Attributes::resource(
        text(asked, "/verb"),
        text(asked, "/group"),
        text(asked, "/resource"),
        text(asked, "/namespace"),
        text(asked, "/name"),
    );
    text(asked, "/subresource").clone_into(&mut want.subresource);
    Some(want)
}

fn status(decision: &Decision) -> Value {
    let mut out = json!({ "allowed": decision.allowed });
    if !decision.reason.is_empty() {
        out["reason"] = json!(decision.reason);
    }
    out
}

fn user_of(spec: &Value) -> User {
    let list = |name: &str| -> Vec<String> {
        spec.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    User {
        name: text(spec, "/user").to_owned(),
        uid: text(spec, "/uid").to_owned(),
        groups: list("groups"),
        ..User::default()
    }
}

/// Answer a review.
pub(crate) fn review(api: &Api, call: &Call, served: &Served, mut object: Value) -> Result<Answer, ApiError> {
    let spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
    let invalid = |error: FieldError| Err(ApiError::invalid(&served.group, &served.kind, "", &[error]));
    let access = |user: &User| -> Result<Value, ApiError> {
        match wanted(&spec) {
            Some(want) => Ok(status(&rbac::authorize(&api.store, user, &want))),
            None => {
                let error = FieldError::invalid(
                    "spec.resourceAttributes",
                    &Value::Null,
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified",
                );
                Err(ApiError::invalid(&served.group, &served.kind, "", &[error]))
            }
        }
    };
    let answer = match served.kind.as_str() {
        "SelfSubjectAccessReview" => access(&call.user)?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let user = user_of(&spec);
            if user.name.is_empty() && user.groups.is_empty() {
                return invalid(FieldError::invalid(
                    "spec.user",
                    &json!(""),
                    "at least one of user or group must be specified",
                ));
            }
            if served.namespaced && text(&spec, "/resourceAttributes/namespace") != call.target.namespace {
                return invalid(FieldError::invalid(
                    "spec.resourceAttributes.namespace",
                    &json!(text(&spec, "/resourceAttributes/namespace")),
                    "must match metadata.namespace",
                ));
            }
            access(&user)?
        }
        "SelfSubjectRulesReview" => {
            let namespace = text(&spec, "/namespace");
            if namespace.is_empty() {
                return Err(ApiError::bad_request("no namespace on request"));
            }
            rules(api, &call.user, namespace)
        }
        "SelfSubjectReview" => json!({ "userInfo": call.user.info() }),
        "TokenReview" => match api.tokens.user(text(&spec, "/token"), api.clock.now(), &api.store) {
            Some(user) => {
                json!({ "authenticated": true, "user": user.info(), "audiences": spec.get("audiences").cloned().unwrap_or_else(|| json!([])) })
            }
            None => json!({ "user": {}, "error": "invalid bearer token" }),
        },
        _ => return Err(ApiError::unknown_resource()),
    };
    object["status"] = answer;
    object["metadata"] = json!({ "creationTimestamp": null });
    Ok(Answer::value(201, object))
}

fn rules(api: &Api, user: &User, namespace: &str) -> Value {
    let mut found: Vec<Value> =
        rbac::rules_for(&api.store, user, namespace).into_iter().map(|(rule, _)| rule).collect();
    if user.is_master() {
        found.push(json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }));
        found.push(json!({ "verbs": ["*"], "nonResourceURLs": ["*"] }));
    }
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        found.into_iter().partition(|r| r.get("nonResourceURLs").is_some());
    json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false })
}
