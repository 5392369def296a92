//! One resource, typed. In: the JSON of a resource. Out: metadata, spec and status as Rust values, or field errors.

use crate::{FieldError, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A resource as the plugin sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource<Spec, Status> {
    /// Name, labels and the like.
    pub metadata: Metadata,
    /// What the user wrote, with the defaults of the type.
    pub spec: Spec,
    /// What the last pass reported; the default before the first.
    pub status: Status,
}

/// The part of a resource's metadata that decisions may depend on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name, a DNS subdomain.
    pub name: String,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Unique over time: a resource that was deleted and made again has another.
    pub uid: String,
    /// Raised by the API server with every change of the spec.
    pub generation: i64,
    /// RFC 3339.
    pub creation_timestamp: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl<Spec: DeserializeOwned, Status: DeserializeOwned + Default> Resource<Spec, Status> {
    /// Reads a resource. A field that is null counts as absent, as it does for built-in kinds. Errors carry the path of
    /// the first field that is wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<FieldError>> {
        let wrong = |path: &str, message: &str| Err(vec![FieldError::at(path, message)]);
        let mut value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(e) => return wrong("", &format!("is not JSON, or nested too deeply: {e}")),
        };
        let Some(fields) = value.as_object_mut() else { return wrong("", "must be an object") };
        let metadata: Metadata = typed("metadata", fields.remove("metadata"))?;
        if metadata.name.is_empty() {
            return wrong("metadata.name", "must be set");
        }
        let spec = typed("spec", fields.remove("spec"))?;
        let status = typed("status", fields.remove("status")).unwrap_or_else(|_| {
            crate::log::debug("the stored status is not of this plugin's form and counts as none");
            Status::default()
        });
        Ok(Resource { metadata, spec, status })
    }
}

/// One of the three parts, with the path of what is wrong.
fn typed<T: DeserializeOwned>(part: &str, value: Option<Value>) -> Result<T, Vec<FieldError>> {
    let mut value = value.filter(|v| !v.is_null()).unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    drop_nulls(&mut value);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string().as_str() {
            "." | "?" => part.to_string(),
            inner => format!("{part}.{inner}"),
        };
        let mut message = error.inner().to_string();
        let scalar = ["floating point", "integer", "boolean"].iter().any(|kind| message.contains(kind));
        if scalar && (message.contains("expected a string") || message.contains("number or text")) {
            message.push_str("; put the value in quotes");
        }
        vec![FieldError::at(&path, &message)]
    })
}

/// Removes fields that are null. (Recursion is bounded: the JSON parser refuses more than 128 levels.)
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, v| !v.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl FieldError {
    /// What is wrong at a path such as `spec.storage.size`, and what to do.
    pub fn at(path: &str, message: &str) -> Self {
        FieldError { path: path.to_string(), message: message.to_string() }
    }
}
