//! PATCH of an object or of a subresource, in all four formats.

use super::commit::Write;
use super::{Answer, admission, body, create, key, meta, replace, view};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::apply::{self, ApplyError, Operation};
use crate::field_error::FieldError;
use crate::http::decode;
use crate::http::request::Call;
use crate::patch::{self, PatchError};
use crate::registry::Served;
use serde_json::{Value, json};

/// A patch format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// The format of a request's patch.
pub(crate) fn format(call: &Call, served: &Served) -> Result<Format, ApiError> {
    match call.content_type().as_str() {
        "application/json-patch+json" => Ok(Format::Json),
        "application/merge-patch+json" => Ok(Format::Merge),
        "application/strategic-merge-patch+json" if !served.custom => Ok(Format::Strategic),
        "application/apply-patch+yaml" => Ok(Format::Apply),
        _ => {
            let strategic = if served.custom { "" } else { "application/strategic-merge-patch+json, " };
            Err(ApiError::unsupported_media_type(&format!(
                "application/json-patch+json, application/merge-patch+json, {strategic}application/apply-patch+yaml, application/apply-patch+cbor"
            )))
        }
    }
}

fn options(call: &Call, format: Format) -> Result<(), ApiError> {
    body::check_dry_run(call)?;
    body::field_validation(call)?;
    create::check_manager(call, "PatchOptions")?;
    let refuse = |error: FieldError| Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    if format == Format::Apply && call.query.get("fieldManager").is_none() {
        return refuse(FieldError::required("fieldManager", "is required for apply patch"));
    }
    if format != Format::Apply && call.query.has("force") {
        return refuse(FieldError::forbidden("force", "may not be specified for non-apply patch"));
    }
    Ok(())
}

/// The patch itself.
fn read(call: &Call, format: Format) -> Result<Value, ApiError> {
    if format == Format::Apply {
        return decode::yaml(&call.body)
            .map(|d| d.value)
            .map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")));
    }
    decode::json(&call.body).map(|d| d.value).map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))
}

fn refused(error: &PatchError) -> ApiError {
    match error {
        PatchError::Malformed(why) => ApiError::bad_request(why.clone()),
        PatchError::TooMany(_) => ApiError::too_large(error.to_string()),
        PatchError::Rejected(_) => {
            ApiError::new(422, "Invalid", "the server rejected our request due to an error in our request")
                .about("", "", "")
        }
    }
}

/// Apply a patch that is not an apply.
pub(crate) fn patched(
    schema: &crate::schema::Schema,
    object: &Value,
    patch: &Value,
    format: Format,
) -> Result<Value, ApiError> {
    match format {
        Format::Json => patch::json(object, patch),
        Format::Strategic => patch::strategic(schema, object, patch),
        Format::Merge | Format::Apply => patch::merge(object, patch),
    }
    .map_err(|e| refused(&e))
}

/// The patch of a request with its format, checked.
pub(crate) fn request(call: &Call, served: &Served) -> Result<(Format, Value), ApiError> {
    let format = format(call, served)?;
    options(call, format)?;
    Ok((format, read(call, format)?))
}

/// PATCH of an object.
pub(crate) fn patch(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    let (format, change) = request(call, served)?;
    let key = key(call, served);
    let write = Write::of(api, call, served);
    if format == Format::Apply {
        return apply_patch(&write, call, change);
    }
    loop {
        let existing = api.store.get(&served.table, &key).ok_or_else(|| ApiError::not_found(served, &key.1))?;
        let old = view(served, &existing);
        let mut new = patched(&served.schema, &old, &change, format)?;
        let shown = new.clone();
        let invalid =
            |why: &str| ApiError::invalid("", "", "", &[FieldError::invalid("patch", &json!(shown.to_string()), why)]);
        body::check_kind(&mut new, served).map_err(|e| invalid(&e.message))?;
        let problems = match body::field_validation(call)? {
            "Ignore" => Vec::new(),
            _ => body::problems(served, &new, Vec::new()),
        };
        if body::field_validation(call)? == "Strict" && !problems.is_empty() {
            return Err(invalid(&format!("strict decoding error: {}", problems.join(", "))));
        }
        let mut warnings = problems;
        if let Err(error) = body::finish(served, &mut new, Some(&old)) {
            let why = error.message.split_once(": ").map_or(error.message.as_str(), |(_, why)| why);
            return Err(invalid(why));
        }
        replace::check_name(&new, &key.1, &key.0)?;
        create::place(&mut new, &key.0, served)?;
        meta::deduplicate_owners(&mut new, &mut warnings);
        apply::track_update(Some(&old), &mut new, served, &write.identity(Operation::Update));
        if let Some(done) = write.update(&existing, &old, new)? {
            return Ok(Answer { code: 200, body: done, warnings });
        }
    }
}

fn apply_patch(write: &Write<'_>, call: &Call, mut config: Value) -> Result<Answer, ApiError> {
    let served = write.served;
    let name = write.key.1.as_str();
    check_config(&mut config, served)?;
    if meta::text(&config, "name").is_empty() {
        meta::set(&mut config, "name", Some(json!(name)));
    }
    replace::check_name(&config, name, &write.key.0)?;
    let told_namespace = meta::text(&config, "namespace").to_owned();
    let force = call.query.flag("force");
    let who = write.identity(Operation::Apply);
    loop {
        let existing = write.api.store.get(&served.table, &write.key);
        let old = existing.as_ref().map(|e| view(served, e));
        if existing.is_none() {
            if !write.subresource.is_empty() {
                return Err(ApiError::not_found(served, name));
            }
            let uid = meta::text(&config, "uid");
            if !uid.is_empty() {
                return Err(ApiError::conflict(
                    served,
                    name,
                    &format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found"),
                ));
            }
            meta::set(&mut config, "resourceVersion", None);
        }
        let applied = apply::apply(old.as_deref(), &config, served, &who, force)
            .map_err(|e| conflict(e, served, &told_namespace, name))?;
        let mut new = applied.object;
        body::check_kind(&mut new, served)?;
        body::finish(served, &mut new, old.as_deref())?;
        create::place(&mut new, &write.key.0, served)?;
        let mut warnings = Vec::new();
        meta::deduplicate_owners(&mut new, &mut warnings);
        let done = match (&existing, &old) {
            (Some(existing), Some(old)) => write.update(existing, old, new)?,
            _ => {
                admission::namespace_exists(write.api, call, served, &new)?;
                admission::complete(write.api, served, &mut new)?;
                match write.create(new) {
                    Ok(done) => done,
                    // Somebody else created it meanwhile: merge with that.
                    Err(error) if error.reason == "AlreadyExists" => None,
                    Err(error) => return Err(error),
                }
            }
        };
        if let Some(body) = done {
            let code = if existing.is_some() { 200 } else { 201 };
            return Ok(Answer { code, body, warnings });
        }
    }
}

/// Refuse configurations that say who they are wrongly, or what no applier may say.
fn check_config(config: &mut Value, served: &Served) -> Result<(), ApiError> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let shown: String = config.to_string().chars().take(200).collect();
    for name in ["kind", "apiVersion"] {
        if text(name).is_empty() {
            let title = if name == "kind" { "Kind" } else { "apiVersion" };
            return Err(ApiError::bad_request(format!("Object '{title}' is missing in '{shown}'")));
        }
    }
    let managed = config.get("metadata").and_then(|m| m.get("managedFields"));
    if managed.and_then(Value::as_array).is_some_and(|m| !m.is_empty()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    if text("apiVersion") != served.api_version() {
        return Err(ApiError::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: {}",
            text("apiVersion"),
            served.api_version()
        )));
    }
    if text("kind") != served.kind {
        return Err(ApiError::bad_request(format!(
            "invalid object type: {}, Kind={}, expected Kind={}",
            text("apiVersion"),
            text("kind"),
            served.kind
        )));
    }
    body::check_kind(config, served)
}

pub(crate) fn conflict(error: ApplyError, served: &Served, namespace: &str, name: &str) -> ApiError {
    match error {
        ApplyError::Untyped(why) => ApiError::unclassified(format!(
            "failed to create typed patch object ({namespace}/{name}; {}, Kind={}): {why}",
            served.api_version(),
            served.kind
        )),
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts
                .iter()
                .map(|c| json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {}", c.manager), "field": c.field }))
                .collect();
            let message = match conflicts.as_slice() {
                [one] => format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.field),
                more => {
                    let mut managers: Vec<&str> = more.iter().map(|c| c.manager.as_str()).collect();
                    managers.sort_unstable();
                    managers.dedup();
                    let mut lines = Vec::new();
                    for manager in managers {
                        lines.push(format!("conflicts with {manager}:"));
                        lines.extend(more.iter().filter(|c| c.manager == manager).map(|c| format!("- {}", c.field)));
                    }
                    format!("Apply failed with {} conflicts: {}", more.len(), lines.join("\n"))
                }
            };
            ApiError::new(409, "Conflict", message).because(causes)
        }
    }
}
