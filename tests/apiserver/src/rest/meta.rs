//! The metadata that every object has: reading it, filling it in, and what may not be in it.

use crate::field_error::FieldError;
use crate::registry::Served;
use crate::resource::names;
use serde_json::{Map, Value, json};

/// Text at `metadata.<name>`, empty when absent.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get("metadata").and_then(|m| m.get(name)).and_then(Value::as_str).unwrap_or("")
}

/// Whole number at `metadata.<name>`.
pub(crate) fn number(object: &Value, name: &str) -> Option<i64> {
    object.get("metadata").and_then(|m| m.get(name)).and_then(Value::as_i64)
}

/// The finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    let list = object.get("metadata").and_then(|m| m.get("finalizers")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The metadata, made if absent.
pub(crate) fn of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

/// Set `metadata.<name>`, or remove it.
pub(crate) fn set(object: &mut Value, name: &str, value: Option<Value>) {
    if let Some(metadata) = of(object) {
        match value {
            Some(value) => metadata.insert(name.to_owned(), value),
            None => metadata.remove(name),
        };
    }
}

/// Set the finalizers; none removes the field.
pub(crate) fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    set(object, "finalizers", (!finalizers.is_empty()).then(|| json!(finalizers)));
}

/// Whether the object is marked for deletion.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// Drop owner references that occur twice; the warning says so.
pub(crate) fn deduplicate_owners(object: &mut Value, warnings: &mut Vec<String>) {
    let Some(owners) = of(object).and_then(|m| m.get_mut("ownerReferences")).and_then(Value::as_array_mut) else {
        return;
    };
    let mut seen: Vec<Value> = Vec::with_capacity(owners.len());
    let before = owners.len();
    owners.retain(|owner| {
        let fresh = !seen.contains(owner);
        seen.push(owner.clone());
        fresh
    });
    if owners.len() < before {
        let mut names: Vec<String> = Vec::new();
        for (i, owner) in seen.iter().enumerate() {
            let uid = owner.get("uid").and_then(Value::as_str).unwrap_or("").to_owned();
            if seen[..i].contains(owner) && !names.contains(&uid) {
                names.push(uid);
            }
        }
        warnings.push(format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            names.join(", ")
        ));
    }
}

/// Complaints about metadata, in the order of a real server.
pub(crate) fn validate(object: &Value, served: &Served) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(object, "name");
    let generate = text(object, "generateName");
    if !generate.is_empty() {
        let probe = generate.trim_end_matches('-');
        if let Some(why) = served.strategy.name_error(if probe.is_empty() { generate } else { probe }) {
            errors.push(FieldError::invalid("metadata.generateName", &json!(generate), why));
        }
    }
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = served.strategy.name_error(name) {
        errors.push(FieldError::invalid("metadata.name", &json!(name), why));
    }
    let namespace = text(object, "namespace");
    if served.namespaced {
        if namespace.is_empty() {
            errors.push(FieldError::required("metadata.namespace", ""));
        } else if let Some(why) = names::dns_label(namespace) {
            errors.push(FieldError::invalid("metadata.namespace", &json!(namespace), why));
        }
    } else if !namespace.is_empty() {
        errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
    }
    labels(object, &mut errors);
    annotations(object, &mut errors);
    owners(object, &mut errors);
    for finalizer in finalizers(object) {
        for why in names::qualified(&finalizer) {
            errors.push(FieldError::invalid("metadata.finalizers", &json!(finalizer), why));
        }
        if !finalizer.contains('/')
            && !matches!(finalizer.as_str(), "orphan" | "foregroundDeletion" | "kubernetes")
            && served.custom
        {
            // A real server only warns about names without a domain; see `finalizer_warnings`.
            continue;
        }
    }
    let all = finalizers(object);
    if all.iter().any(|f| f == "orphan") && all.iter().any(|f| f == "foregroundDeletion") {
        errors.push(FieldError::invalid(
            "metadata.finalizers",
            &json!(all),
            "finalizer orphan and foregroundDeletion cannot be both set",
        ));
    }
    errors
}

fn map<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get("metadata").and_then(|m| m.get(name)).and_then(Value::as_object).into_iter().flatten()
}

fn labels(object: &Value, errors: &mut Vec<FieldError>) {
    for (key, value) in map(object, "labels") {
        for why in names::qualified(key) {
            errors.push(FieldError::invalid("metadata.labels", &json!(key), why));
        }
        for why in names::label_value(value.as_str().unwrap_or("")) {
            errors.push(FieldError::invalid("metadata.labels", value, why));
        }
    }
}

fn annotations(object: &Value, errors: &mut Vec<FieldError>) {
    const TOTAL: usize = 256 * 1024;
    let mut size = 0;
    for (key, value) in map(object, "annotations") {
        for why in names::qualified(&key.to_lowercase()) {
            errors.push(FieldError::invalid("metadata.annotations", &json!(key), why));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > TOTAL {
        errors.push(FieldError::too_long("metadata.annotations", TOTAL));
    }
}

fn owners(object: &Value, errors: &mut Vec<FieldError>) {
    let list = object.get("metadata").and_then(|m| m.get("ownerReferences")).and_then(Value::as_array);
    let mut controller: Option<String> = None;
    for owner in list.into_iter().flatten() {
        let field = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or("");
        let at = "metadata.ownerReferences";
        let version = field("apiVersion");
        if version.split('/').next_back().is_none_or(str::is_empty) {
            errors.push(FieldError::invalid(format!("{at}.apiVersion"), &json!(version), "version must not be empty"));
        }
        if field("kind").is_empty() {
            errors.push(FieldError::invalid(format!("{at}.kind"), &json!(""), "must not be empty"));
        }
        if field("name").is_empty() {
            errors.push(FieldError::invalid(format!("{at}.name"), &json!(""), "must not be empty"));
        }
        if field("uid").is_empty() {
            errors.push(FieldError::invalid(format!("{at}.uid"), &json!(""), "must not be empty"));
        }
        if version == "v1" && field("kind") == "Event" {
            errors.push(FieldError::invalid(at, owner, "v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            let name = format!("{}/{}", field("kind"), field("name"));
            match &controller {
                None => controller = Some(name),
                Some(first) => {
                    errors.push(FieldError::invalid(
                        at,
                        &json!(list),
                        format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"),
                    ));
                }
            }
        }
    }
}

/// Complaints about a change of metadata.
pub(crate) fn validate_update(new: &Value, old: &Value, served: &Served) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if is_deleting(old) {
        let had = finalizers(old);
        let added: Vec<String> = finalizers(new).into_iter().filter(|f| !had.contains(f)).collect();
        if !added.is_empty() {
            let shown: Vec<String> = added.iter().map(|f| crate::field_error::quote(f)).collect();
            errors.push(FieldError::forbidden(
                "metadata.finalizers",
                format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    shown.join(", ")
                ),
            ));
        }
    }
    for name in ["name", "namespace", "uid"] {
        if text(new, name) != text(old, name) {
            errors.push(FieldError::invalid(format!("metadata.{name}"), &json!(text(new, name)), "field is immutable"));
        }
    }
    errors.extend(validate(new, served).into_iter().filter(|e| e.field != "metadata.generateName"));
    errors
}
