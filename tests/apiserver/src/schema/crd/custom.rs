//! What comes in: custom resources. What goes out: the same with defaults and without unknown fields, and complaints.
//! Pure: the strategy of every kind that a CustomResourceDefinition defines.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::resource::{ScalePaths, Strategy};
use crate::schema::{Schema, cel, validation};

/// The strategy of one version of a custom resource.
pub struct Custom {
    /// Shape of the whole object.
    pub schema: Arc<Schema>,
    /// Whether the status is kept apart.
    pub status: bool,
    /// Where the scale subresource reads and writes.
    pub scale: Option<ScalePaths>,
    /// The kind.
    pub kind: String,
    /// Group and version.
    pub api_version: String,
}

/// What rules say when they could not be checked.
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

impl Custom {
    fn type_errors(&self, object: &Value) -> Vec<FieldError> {
        [("kind", &self.kind), ("apiVersion", &self.api_version)]
            .into_iter()
            .filter(|(key, want)| object.get(*key).and_then(Value::as_str).unwrap_or_default() != want.as_str())
            .map(|(key, want)| {
                FieldError::invalid(
                    key,
                    &json!(object.get(key).and_then(Value::as_str).unwrap_or_default()),
                    format!("must be {want}"),
                )
            })
            .collect()
    }

    fn scale_errors(&self, object: &Value, with_spec: bool) -> Vec<FieldError> {
        let Some(scale) = &self.scale else { return Vec::new() };
        let mut errors = Vec::new();
        if with_spec {
            errors.extend(replicas_error(object, &scale.spec_replicas));
        }
        errors.extend(replicas_error(object, &scale.status_replicas));
        if let Some(path) = &scale.label_selector
            && let Err((value, kind)) = nested(object, path, Value::is_string)
        {
            let detail = format!("{path} accessor error: {value} is of the type {kind}, expected string");
            errors.push(FieldError::invalid(path, &json!(""), detail));
        }
        errors
    }

    /// The complaints of the rules, or that these could not run.
    fn rule_errors(&self, object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
        let blocking = [
            "FieldValueRequired",
            "FieldValueTooLong",
            "FieldValueTooMany",
            "FieldValueTypeInvalid",
            "FieldValueNotSupported",
        ];
        if errors.iter().any(|error| blocking.contains(&error.reason)) {
            // Said whenever the definition was accepted with a validator, which is always.
            errors.push(FieldError::invalid("<nil>", &Value::Null, UNCHECKED));
        } else {
            errors.extend(cel::errors(&self.schema, object, old));
        }
    }
}

/// The value at a simple path, if it is of the right type.
fn nested<'a>(
    object: &'a Value,
    path: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Option<&'a Value>, (String, &'static str)> {
    let mut here = object;
    for key in path.trim_start_matches('.').split('.') {
        match here {
            Value::Object(map) => match map.get(key) {
                Some(value) => here = value,
                None => return Ok(None),
            },
            other => return Err((shown(other), go_type(other))),
        }
    }
    if fits(here) { Ok(Some(here)) } else { Err((shown(here), go_type(here))) }
}

/// A value as Go's `%v` prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", shown(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn replicas_error(object: &Value, path: &str) -> Option<FieldError> {
    let zero = json!(0);
    match nested(object, path, |value| value.is_i64() || value.is_u64()) {
        Err((value, kind)) => {
            let detail = format!("{path} accessor error: {value} is of the type {kind}, expected int64");
            Some(FieldError::invalid(path, &zero, detail))
        }
        Ok(None) => None,
        Ok(Some(value)) => {
            let number = value.as_i64().unwrap_or(i64::MAX);
            if number < 0 {
                Some(FieldError::invalid(path, value, "should be a non-negative integer"))
            } else if number > i64::from(i32::MAX) {
                Some(FieldError::invalid(path, value, format!("should be less than or equal to {}", i32::MAX)))
            } else {
                None
            }
        }
    }
}

fn without(object: &Value, keys: &[&str]) -> Value {
    let mut copy = object.clone();
    if let Some(map) = copy.as_object_mut() {
        for key in keys {
            map.remove(*key);
        }
    }
    copy
}

impl Strategy for Custom {
    fn decode(&self, object: &mut Value) -> Result<(), String> {
        if let Some(message) = self.schema.decode_error(object) {
            return Err(message);
        }
        self.schema.drop_nulls(object);
        self.schema.apply_defaults(object);
        self.schema.prune(object);
        Ok(())
    }

    fn default(&self, object: &mut Value, _old: Option<&Value>) {
        self.schema.drop_nulls(object);
        self.schema.apply_defaults(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        if self.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        if self.status
            && let Some(map) = new.as_object_mut()
        {
            match old.get("status") {
                Some(status) => map.insert("status".to_owned(), status.clone()),
                None => map.remove("status"),
            };
        }
    }

    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        let mut kept = old.clone();
        if let Some(map) = kept.as_object_mut() {
            match new.get("status") {
                Some(status) => map.insert("status".to_owned(), status.clone()),
                None => map.remove("status"),
            };
            // Of the metadata, only what records this very write is taken over.
            for key in ["managedFields", "resourceVersion"] {
                if let (Some(metadata), Some(value)) =
                    (map.get_mut("metadata").and_then(Value::as_object_mut), new["metadata"].get(key))
                {
                    metadata.insert(key.to_owned(), value.clone());
                }
            }
        }
        *new = kept;
    }

    fn spec_changed(&self, new: &Value, old: &Value) -> bool {
        let ignored: &[&str] = if self.status { &["metadata", "status"] } else { &["metadata"] };
        without(new, ignored) != without(old, ignored)
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = self.type_errors(object);
        if !errors.is_empty() {
            return errors;
        }
        errors.extend(validation::errors(&self.schema, object, None, ""));
        errors.extend(self.scale_errors(object, true));
        errors.extend(validation::list_errors(&self.schema, object));
        self.rule_errors(object, None, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, subresource: Option<&str>) -> Vec<FieldError> {
        let mut errors = self.type_errors(new);
        if !errors.is_empty() {
            return errors;
        }
        if subresource == Some("status") {
            if let (Some(status), Some(schema)) = (new.get("status"), self.schema.properties.get("status")) {
                errors.extend(validation::errors(schema, status, old.get("status"), "status"));
            }
            errors.extend(self.scale_errors(new, false));
        } else {
            errors.extend(validation::errors(&self.schema, new, Some(old), ""));
            errors.extend(self.scale_errors(new, true));
        }
        if validation::list_errors(&self.schema, old).is_empty() {
            errors.extend(validation::list_errors(&self.schema, new));
        }
        self.rule_errors(new, Some(old), &mut errors);
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}
