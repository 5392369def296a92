//! What comes in: ConfigMaps, Secrets, nodes, quotas. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Map, Value, json};

use crate::builtin::check::{self, Errors};
use crate::builtin::edit::{entries, text};
use crate::field_error::FieldError;

/// The most that the values of a ConfigMap or Secret may hold, in bytes.
const LIMIT: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

/// The decoded length of base64 text.
fn decoded(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default().trim_end_matches('=');
    text.len() * 3 / 4
}

pub(crate) fn config_map(map: &Value) -> Errors {
    let mut errors = Vec::new();
    let binary = entries(map, "binaryData");
    let mut total = 0;
    for (key, value) in entries(map, "data").into_iter().flatten() {
        if let Some(problem) = check::config_key(key) {
            errors.push(FieldError::invalid(format!("data[{key}]"), &json!(key), problem));
        }
        if binary.is_some_and(|binary| binary.contains_key(key)) {
            errors.push(FieldError::invalid(
                format!("data[{key}]"),
                &json!(key),
                "duplicate of key present in binaryData",
            ));
        }
        total += value.as_str().map_or(0, str::len);
    }
    for (key, value) in binary.into_iter().flatten() {
        if let Some(problem) = check::config_key(key) {
            errors.push(FieldError::invalid(format!("binaryData[{key}]"), &json!(key), problem));
        }
        total += decoded(value);
    }
    if total > LIMIT {
        errors.push(FieldError::too_long("", LIMIT));
    }
    errors
}

/// What a frozen ConfigMap or Secret may not change.
fn frozen(new: &Value, old: &Value, keys: &[&str], errors: &mut Errors) {
    if old.get("immutable") != Some(&json!(true)) {
        return;
    }
    if new.get("immutable") != Some(&json!(true)) {
        errors.push(FieldError::forbidden("immutable", FROZEN));
    }
    for key in keys {
        if new.get(*key) != old.get(*key) {
            errors.push(FieldError::forbidden(*key, FROZEN));
        }
    }
}

pub(crate) fn config_map_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    frozen(new, old, &["data", "binaryData"], &mut errors);
    errors
}

pub(crate) fn secret(secret: &Value) -> Errors {
    let mut errors = Vec::new();
    let data = entries(secret, "data");
    let mut total = 0;
    for (key, value) in data.into_iter().flatten() {
        if let Some(problem) = check::config_key(key) {
            errors.push(FieldError::invalid(format!("data[{key}]"), &json!(key), problem));
        }
        total += decoded(value);
    }
    if total > LIMIT {
        errors.push(FieldError::too_long("data", LIMIT));
    }
    let mut need = |keys: &[&str]| {
        for key in keys {
            if !data.is_some_and(|data| data.contains_key(*key)) {
                errors.push(FieldError::required(format!("data[{key}]"), ""));
            }
        }
    };
    match text(secret, "type") {
        "kubernetes.io/tls" => need(&["tls.crt", "tls.key"]),
        "kubernetes.io/ssh-auth" => need(&["ssh-privatekey"]),
        "kubernetes.io/dockercfg" => need(&[".dockercfg"]),
        "kubernetes.io/dockerconfigjson" => need(&[".dockerconfigjson"]),
        "kubernetes.io/basic-auth" => {
            let has = |key: &str| data.is_some_and(|data| data.contains_key(key));
            if !has("username") && !has("password") {
                need(&["username", "password"]);
            }
        }
        "kubernetes.io/service-account-token" => {
            let named = entries(&secret["metadata"], "annotations")
                .and_then(|annotations| annotations.get("kubernetes.io/service-account.name"))
                .and_then(Value::as_str);
            if named.is_none_or(str::is_empty) {
                errors.push(FieldError::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            }
        }
        _ => {}
    }
    errors
}

pub(crate) fn secret_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    check::immutable(new, old, "/type", "type", &mut errors);
    frozen(new, old, &["data"], &mut errors);
    errors
}

fn amounts(given: Option<&Map<String, Value>>, path: &str, errors: &mut Errors) {
    for (name, value) in given.into_iter().flatten() {
        check::quantity(value, &format!("{path}[{name}]"), errors);
    }
}

pub(crate) fn node(node: &Value) -> Errors {
    let mut errors = Vec::new();
    amounts(entries(&node["status"], "capacity"), "status.capacity", &mut errors);
    amounts(entries(&node["status"], "allocatable"), "status.allocatable", &mut errors);
    errors
}

pub(crate) fn quota(quota: &Value) -> Errors {
    let mut errors = Vec::new();
    amounts(entries(&quota["spec"], "hard"), "spec.hard", &mut errors);
    errors
}
