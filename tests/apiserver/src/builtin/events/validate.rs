//! What comes in: Events. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors};
use crate::builtin::edit::text;
use crate::field_error::FieldError;

/// Complaints about an Event of the core group: it lies where its object lies.
pub(crate) fn core(event: &Value) -> Errors {
    let mut errors = Vec::new();
    place(event, "involvedObject", &mut errors);
    errors
}

fn place(event: &Value, key: &str, errors: &mut Errors) {
    let own = text(&event["metadata"], "namespace");
    let other = text(&event[key], "namespace");
    // Objects without a namespace have their events in `default`.
    let fits = if other.is_empty() { matches!(own, "" | "default" | "kube-system") } else { own == other };
    if !fits {
        errors.push(FieldError::invalid("involvedObject.namespace", &json!(other), "does not match event.namespace"));
    }
}

/// Complaints about an Event of `events.k8s.io`, which knows who reports what.
pub(crate) fn event(event: &Value) -> Errors {
    let mut errors = Vec::new();
    place(event, "regarding", &mut errors);
    if event.get("eventTime").is_none_or(Value::is_null) {
        // Written before the group existed, such an event has other times.
        return errors;
    }
    for (key, limit) in [("reportingController", 0), ("reportingInstance", 128), ("action", 128), ("reason", 128)] {
        if check::required(event, key, "", &mut errors) && limit > 0 && text(event, key).len() > limit {
            errors.push(FieldError::invalid(key, &event[key], format!("can have at most {limit} characters")));
        }
    }
    if text(event, "note").len() > 1024 {
        errors.push(FieldError::invalid("note", &event["note"], "can have at most 1024 characters"));
    }
    if !matches!(text(event, "type"), "Normal" | "Warning") {
        errors.push(FieldError::invalid(
            "type",
            &json!(text(event, "type")),
            "has invalid value: ".to_owned() + text(event, "type"),
        ));
    }
    errors
}

/// Only the series of an Event may change.
pub(crate) fn event_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    if old.get("eventTime").is_none_or(Value::is_null) {
        return errors;
    }
    for key in [
        "regarding",
        "reason",
        "action",
        "related",
        "note",
        "type",
        "eventTime",
        "reportingController",
        "reportingInstance",
    ] {
        check::immutable(new, old, &format!("/{key}"), key, &mut errors);
    }
    errors
}
