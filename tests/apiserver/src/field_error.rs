//! What is wrong with one field of an object: validation produces these, the API server renders them as the causes
//! of a `Status` with reason `Invalid`, worded as a real API server words them.

use serde_json::Value;
use std::fmt;

/// One complaint about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Machine-readable kind of complaint, for example `FieldValueInvalid` (`metav1.CauseType`).
    pub reason: &'static str,
    /// Path of the field, for example `spec.ports[0].name`; rendered as `<nil>` when empty.
    pub field: String,
    /// The complaint with the offending value, for example `Invalid value: 3: must be odd`.
    pub message: String,
}

impl FieldError {
    /// The value has a shape that the field allows, but not this value: `Invalid value: <value>: <detail>`.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {}: {detail}", render(value)))
    }

    /// As [`FieldError::invalid`], for errors that show no value: `Invalid value: <detail>` (CEL rules).
    pub fn invalid_without_value(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {detail}"))
    }

    /// The value has the wrong type: `Invalid value: <value>: <detail>` with its own reason.
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueTypeInvalid", field, format!("Invalid value: {}: {detail}", render(value)))
    }

    /// The field is absent or empty: `Required value` or `Required value: <detail>`.
    pub fn required(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueRequired", field, with_detail("Required value", &detail.to_string()))
    }

    /// The field may not be set or changed here: `Forbidden: <detail>`.
    pub fn forbidden(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueForbidden", field, with_detail("Forbidden", &detail.to_string()))
    }

    /// The value occurs twice: `Duplicate value: <value>`.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, format!("Duplicate value: {}", render(value)))
    }

    /// What the value names does not exist: `Not found: <value>`.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueNotFound", field, format!("Not found: {}", render(value)))
    }

    /// The value is outside of an enumeration. `supported` is shown in the order given; callers sort it where a real
    /// server does.
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|s| quote(s)).collect();
        let message = if list.is_empty() {
            format!("Unsupported value: {}", render(value))
        } else {
            format!("Unsupported value: {}: supported values: {}", render(value), list.join(", "))
        };
        Self::new("FieldValueNotSupported", field, message)
    }

    /// The text is longer than `max` bytes.
    pub fn too_long(field: impl Into<String>, max: usize) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::new("FieldValueTooLong", field, format!("Too long: may not be more than {max} {unit}"))
    }

    /// The list or map has `actual` items where `max` are allowed.
    pub fn too_many(field: impl Into<String>, actual: usize, max: usize) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new("FieldValueTooMany", field, format!("Too many: {actual}: must have at most {max} {unit}"))
    }

    /// A complaint with its own reason and complete message.
    pub fn new(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, field: field.into(), message: message.into() }
    }

    /// The same complaint with `prefix` before its path (`prefix` + `.` + field, or no dot before `[`).
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        self.field = match self.field.as_str() {
            "" => prefix.to_owned(),
            field if prefix.is_empty() || field.starts_with('[') => format!("{prefix}{field}"),
            field => format!("{prefix}.{field}"),
        };
        self
    }

    /// The entry of a `Status`'s `details.causes`.
    pub fn cause(&self) -> Value {
        serde_json::json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Several complaints as the message of a `Status` shows them: one as it is, more in brackets, repetitions dropped.
pub fn join(errors: &[FieldError]) -> String {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        more => format!("[{}]", more.join(", ")),
    }
}

/// A value as an error message shows it: text quoted, other scalars plain, the rest as compact JSON.
pub fn render(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

fn with_detail(head: &str, detail: &str) -> String {
    if detail.is_empty() { head.to_owned() } else { format!("{head}: {detail}") }
}

/// Text in double quotes with escapes as Go's `%q` writes them.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
