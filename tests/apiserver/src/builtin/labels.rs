//! What comes in: label selectors. What goes out: complaints, and whether they match labels. Pure.

use serde_json::{Map, Value};

use crate::field_error::FieldError;
use crate::resource::names;

use super::check::Errors;
use super::edit::{entries, items, text};

/// Complaints about labels.
pub(super) fn labels(given: Option<&Map<String, Value>>, path: &str, errors: &mut Errors) {
    for (key, value) in given.into_iter().flatten() {
        for problem in names::qualified(key) {
            errors.push(FieldError::invalid(path, &Value::String(key.clone()), problem));
        }
        for problem in names::label_value(value.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid(path, value, problem));
        }
    }
}

/// Complaints about a label selector.
pub(super) fn selector(given: &Value, path: &str, errors: &mut Errors) {
    labels(entries(given, "matchLabels"), &format!("{path}.matchLabels"), errors);
    for (index, expression) in items(given, "matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = items(expression, "values");
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                errors.push(FieldError::required(
                    format!("{path}.values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                ));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.push(FieldError::invalid(
                format!("{path}.operator"),
                &expression["operator"],
                "not a valid selector operator",
            )),
        }
        for problem in names::qualified(text(expression, "key")) {
            errors.push(FieldError::invalid(format!("{path}.key"), &expression["key"], problem));
        }
        for (index, value) in values.iter().enumerate() {
            for problem in names::label_value(value.as_str().unwrap_or_default()) {
                errors.push(FieldError::invalid(format!("{path}.values[{index}]"), value, problem));
            }
        }
    }
}

/// Whether a selector says nothing.
pub(super) fn is_empty(selector: &Value) -> bool {
    entries(selector, "matchLabels").is_none_or(Map::is_empty) && items(selector, "matchExpressions").is_empty()
}

/// Whether a selector matches labels.
pub(super) fn matches(selector: &Value, labels: Option<&Map<String, Value>>) -> bool {
    let label = |key: &str| labels.and_then(|labels| labels.get(key));
    let exact = entries(selector, "matchLabels").into_iter().flatten().all(|(key, value)| label(key) == Some(value));
    exact
        && items(selector, "matchExpressions").iter().all(|expression| {
            let found = label(text(expression, "key"));
            let listed = found.is_some_and(|value| items(expression, "values").contains(value));
            match text(expression, "operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}
