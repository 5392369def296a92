//! What comes in: members of objects. What goes out: complaints in the words that a real server uses for many kinds. Pure.

use serde_json::Value;

use crate::field_error::FieldError;
use crate::schema::quantity::Quantity;

use super::edit::text;

/// Complaints, collected.
pub(super) type Errors = Vec<FieldError>;

/// A whole number that may not be below zero.
pub(super) fn non_negative(object: &Value, key: &str, path: &str, errors: &mut Errors) {
    if let Some(value) = object.get(key)
        && value.as_i64().is_some_and(|number| number < 0)
    {
        errors.push(FieldError::invalid(join(path, key), value, "must be greater than or equal to 0"));
    }
}

/// Text that must be one of some words; `required` says whether it may be absent.
pub(super) fn one_of(object: &Value, key: &str, path: &str, allowed: &[&str], required: bool, errors: &mut Errors) {
    let value = text(object, key);
    if value.is_empty() {
        if required {
            errors.push(FieldError::required(join(path, key), ""));
        }
    } else if !allowed.contains(&value) {
        errors.push(FieldError::not_supported(join(path, key), &object[key], allowed));
    }
}

/// Text that may not be empty; tells whether it is there.
pub(super) fn required(object: &Value, key: &str, path: &str, errors: &mut Errors) -> bool {
    let missing = text(object, key).is_empty();
    if missing {
        errors.push(FieldError::required(join(path, key), ""));
    }
    !missing
}

/// A member that may not change.
pub(super) fn immutable(new: &Value, old: &Value, pointer: &str, field: &str, errors: &mut Errors) {
    let (now, before) = (new.pointer(pointer), old.pointer(pointer));
    if now != before {
        errors.push(FieldError::invalid(field, now.unwrap_or(&Value::Null), "field is immutable"));
    }
}

/// A port number.
pub(super) fn port(value: &Value, field: String, errors: &mut Errors) {
    if value.as_i64().is_some_and(|number| !(1..=65535).contains(&number)) {
        errors.push(FieldError::invalid(field, value, "must be between 1 and 65535, inclusive"));
    }
}

/// The name of a port (IANA service name).
pub(super) fn port_name(name: &Value, field: &str, errors: &mut Errors) {
    let text = name.as_str().unwrap_or_default();
    let mut refuse = |detail: &str| errors.push(FieldError::invalid(field, name, detail));
    if text.len() > 15 {
        refuse("must be no more than 15 characters");
    }
    if !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        refuse("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !text.chars().any(|c| c.is_ascii_lowercase()) {
        refuse("must contain at least one letter (a-z)");
    }
    if text.contains("--") {
        refuse("must not contain consecutive hyphens");
    }
    if text.starts_with('-') || text.ends_with('-') {
        refuse("must not begin or end with a hyphen");
    }
}

/// A number or percentage that counts pods.
pub(super) fn amount(value: &Value, field: &str, errors: &mut Errors) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.push(FieldError::invalid(field, value, "must be greater than or equal to 0"));
        }
        Value::String(text) => match text.strip_suffix('%').and_then(|digits| digits.parse::<u64>().ok()) {
            Some(percent) if percent > 100 => errors.push(FieldError::invalid(field, value, "must not be greater than 100%")),
            Some(_) => {}
            None => errors.push(FieldError::invalid(
                field,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            )),
        },
        _ => {}
    }
}

/// A quantity that may not be below zero.
pub(super) fn quantity(value: &Value, field: &str, errors: &mut Errors) {
    if Quantity::of(value).is_some_and(|quantity| quantity.is_negative()) {
        errors.push(FieldError::invalid(field, value, "must be greater than or equal to 0"));
    }
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(key: &str) -> Option<&'static str> {
    if key.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    match key {
        "." => return Some("must not be '.'"),
        ".." => return Some("must not be '..'"),
        _ => {}
    }
    let valid = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if valid {
        if key.starts_with("..") { Some("must not start with '..'") } else { None }
    } else {
        Some(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        )
    }
}

/// A path and a member of it.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
