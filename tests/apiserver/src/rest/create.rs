//! POST of an object.

use super::commit::Write;
use super::{Answer, admission, body, meta};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::apply;
use crate::field_error::FieldError;
use crate::http::request::Call;
use crate::registry::Served;
use serde_json::{Value, json};

/// How often a taken generated name is replaced by another.
const ATTEMPTS: usize = 8;

/// POST to a collection.
pub(crate) fn create(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    body::check_dry_run(call)?;
    check_manager(call, "CreateOptions")?;
    let (mut object, mut warnings) = body::object(call, served, None)?;
    if served.group == "authorization.k8s.io" || served.group == "authentication.k8s.io" {
        return crate::auth::review(api, call, served, object);
    }
    place(&mut object, &call.target.namespace, served)?;
    admission::namespace_exists(api, call, served, &object)?;
    meta::deduplicate_owners(&mut object, &mut warnings);
    admission::complete(api, served, &mut object)?;
    if !meta::text(&object, "resourceVersion").is_empty() {
        return Err(ApiError::unclassified("resourceVersion should not be set on objects to be created"));
    }
    let write = Write {
        api,
        served,
        key: (meta_namespace(call, served), meta::text(&object, "name").to_owned()),
        subresource: "",
        manager: call.manager(),
        dry_run: call.dry_run(),
    };
    apply::track_update(None, &mut object, served, &write.identity(apply::Operation::Update));
    for _ in 0..ATTEMPTS {
        if let Some(done) = write.create(object.clone())? {
            return Ok(Answer { code: 201, body: done, warnings });
        }
    }
    Err(ApiError::already_exists(served, meta::text(&object, "generateName")))
}

fn meta_namespace(call: &Call, served: &Served) -> String {
    if served.namespaced { call.target.namespace.clone() } else { String::new() }
}

/// Put the object into the namespace of the request, or refuse if it says another.
pub(crate) fn place(object: &mut Value, namespace: &str, served: &Served) -> Result<(), ApiError> {
    let said = meta::text(object, "namespace");
    if served.namespaced {
        if !said.is_empty() && said != namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        meta::set(object, "namespace", Some(json!(namespace)));
    } else if !said.is_empty() {
        meta::set(object, "namespace", None);
    }
    Ok(())
}

/// Refuse a field manager that is too long.
pub(crate) fn check_manager(call: &Call, options: &str) -> Result<(), ApiError> {
    match call.query.get("fieldManager") {
        Some(manager) if manager.len() > 128 => {
            let error = FieldError::too_long("fieldManager", 128);
            Err(ApiError::invalid("meta.k8s.io", options, "", &[error]))
        }
        Some(manager) if manager.chars().any(char::is_control) => {
            let error =
                FieldError::invalid("fieldManager", &json!(manager), "should only contain printable characters");
            Err(ApiError::invalid("meta.k8s.io", options, "", &[error]))
        }
        _ => Ok(()),
    }
}
