//! PUT of an object or of its status.

use super::commit::Write;
use super::{Answer, admission, body, create, key, meta, view};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::apply;
use crate::http::request::Call;
use crate::registry::Served;

/// PUT to an object.
pub(crate) fn replace(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    body::check_dry_run(call)?;
    create::check_manager(call, "UpdateOptions")?;
    let key = key(call, served);
    let write = Write::of(api, call, served);
    loop {
        let existing = api.store.get(&served.table, &key);
        let old = existing.as_ref().map(|e| view(served, e));
        let (mut new, mut warnings) = body::object(call, served, old.as_deref())?;
        check_name(&new, &key.1, &key.0)?;
        create::place(&mut new, &key.0, served)?;
        meta::deduplicate_owners(&mut new, &mut warnings);
        let (Some(existing), Some(old)) = (existing, old) else {
            if !served.strategy.allow_create_on_update() || !call.target.subresource.is_empty() {
                return Err(ApiError::not_found(served, &key.1));
            }
            admission::namespace_exists(api, call, served, &new)?;
            admission::complete(api, served, &mut new)?;
            apply::track_update(None, &mut new, served, &write.identity(apply::Operation::Update));
            match write.create(new)? {
                Some(done) => return Ok(Answer { code: 201, body: done, warnings }),
                None => continue,
            }
        };
        let said = meta::text(&new, "uid");
        if !said.is_empty() && said != meta::text(&old, "uid") {
            let path = if key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.0, key.1) };
            let prefix = if served.group.is_empty() || !served.custom {
                served.plural.clone()
            } else {
                format!("{}/{}", served.group, served.plural)
            };
            return Err(ApiError::conflict(
                served,
                &key.1,
                &format!(
                    "StorageError: invalid object, Code: 4, Key: /registry/{prefix}/{path}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {said}, UID in object meta: {}",
                    meta::text(&old, "uid")
                ),
            ));
        }
        if call.target.subresource == "finalize" {
            new = finalized(&new, &old);
        }
        apply::track_update(Some(&old), &mut new, served, &write.identity(apply::Operation::Update));
        if let Some(done) = write.update(&existing, &old, new)? {
            return Ok(Answer { code: 200, body: done, warnings });
        }
    }
}

/// `finalize` of a namespace changes its spec's finalizers and nothing else.
fn finalized(new: &serde_json::Value, old: &serde_json::Value) -> serde_json::Value {
    let mut out = old.clone();
    if let Some(object) = out.as_object_mut() {
        let spec = new.get("spec").cloned().unwrap_or_else(|| serde_json::json!({}));
        object.insert("spec".to_owned(), spec);
    }
    out
}

/// Refuse a body that names another object than the path.
pub(crate) fn check_name(object: &serde_json::Value, name: &str, namespace: &str) -> Result<(), ApiError> {
    match meta::text(object, "name") {
        "" => {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        said if said != name => {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({said}) does not match the name on the URL ({name})"
            )));
        }
        _ => {}
    }
    let said = meta::text(object, "namespace");
    if !namespace.is_empty() && !said.is_empty() && said != namespace {
        return Err(ApiError::bad_request(format!(
            "the namespace of the object ({said}) does not match the namespace on the request ({namespace})"
        )));
    }
    Ok(())
}
