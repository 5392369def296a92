//! The last steps of every write: metadata that clients may not change, generation, validation, the check whether
//! anything changed at all, and the store. Old and new object in, the stored state out.

use super::{Answered, meta};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::apply;
use crate::clock::rfc3339;
use crate::crds;
use crate::http::request::Call;
use crate::registry::Served;
use crate::storage::{ObjectKey, Stored, WriteError};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a write is about.
pub(crate) struct Write<'a> {
    pub(crate) api: &'a Api,
    pub(crate) served: &'a Served,
    pub(crate) key: ObjectKey,
    pub(crate) subresource: &'a str,
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
}

/// Bytes of one object that the storage of a real server takes (etcd's default limit on a request).
const LARGEST: usize = 1_572_864;

impl<'a> Write<'a> {
    /// A write to the object that a request names.
    pub(crate) fn of(api: &'a Api, call: &'a Call, served: &'a Served) -> Write<'a> {
        Write {
            api,
            served,
            key: super::key(call, served),
            subresource: &call.target.subresource,
            manager: call.manager(),
            dry_run: call.dry_run(),
        }
    }
}

impl Write<'_> {
    /// Who writes, for the tracking of field ownership.
    pub(crate) fn identity(&self, operation: apply::Operation) -> apply::Identity {
        apply::Identity {
            manager: self.manager.clone(),
            operation,
            api_version: self.served.api_version(),
            subresource: self.subresource.to_owned(),
            time: rfc3339(self.api.clock.now()),
        }
    }

    /// The object at the version at which it is stored.
    fn to_stored_version(&self, mut value: Value) -> Value {
        if self.served.group == "events.k8s.io" {
            value = crate::builtin::events::to_core(&value);
        } else if let Some(object) = value.as_object_mut() {
            object.insert("apiVersion".to_owned(), json!(self.served.stored_as));
        }
        value
    }

    fn check_size(&self, value: &Value) -> Result<(), ApiError> {
        if serde_json::to_vec(value).map_or(0, |v| v.len()) > LARGEST {
            return Err(ApiError::unclassified("etcdserver: request is too large"));
        }
        Ok(())
    }

    /// Store a new object. Its managed fields are set already. Answers nothing when a generated name is taken.
    pub(crate) fn create(&self, mut object: Value) -> Result<Option<Answered>, ApiError> {
        let served = self.served;
        let generated = meta::text(&object, "name").is_empty() && !meta::text(&object, "generateName").is_empty();
        if generated {
            let prefix: String = meta::text(&object, "generateName").chars().take(58).collect();
            meta::set(&mut object, "name", Some(json!(format!("{prefix}{}", crate::clock::name_suffix()))));
        }
        // Before the kind's own preparation: a Job is tied to its pods by its uid.
        let own = meta::text(&object, "name").to_owned();
        let (place, removals) = self.api.store.place(&served.table, &(self.key.0.clone(), own));
        meta::set(&mut object, "uid", Some(json!(self.api.uids.next(&place, removals))));
        meta::set(&mut object, "creationTimestamp", Some(json!(rfc3339(self.api.clock.now()))));
        served.strategy.prepare_create(&mut object);
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            meta::set(&mut object, field, None);
        }
        meta::set(&mut object, "generation", served.strategy.has_generation().then(|| json!(1)));
        if served.namespaced {
            meta::set(&mut object, "namespace", Some(json!(self.key.0)));
        }
        let name = meta::text(&object, "name").to_owned();
        let mut errors = meta::validate(&object, served);
        if served.custom && object.get("kind").and_then(Value::as_str) != Some(served.kind.as_str()) {
            let kind = object.get("kind").cloned().unwrap_or(Value::Null);
            errors.push(crate::field_error::FieldError::invalid("kind", &kind, format!("must be {}", served.kind)));
        }
        errors.extend(served.strategy.validate_create(&object));
        if !errors.is_empty() {
            return Err(ApiError::invalid(&served.group, &served.kind, &name, &errors));
        }
        self.check_size(&object)?;
        let key = (self.key.0.clone(), name.clone());
        if self.dry_run {
            if self.api.store.get(&served.table, &key).is_some() {
                return if generated { Ok(None) } else { Err(self.exists(&name)) };
            }
            meta::set(&mut object, "resourceVersion", None);
            return Ok(Some(Answered::Value(object)));
        }
        let stored = self.to_stored_version(object);
        match self.api.store.create(&served.table, key, stored, served.epoch) {
            Ok(stored) => {
                let stored = crds::after_write(self.api, served, None, Some(&stored)).unwrap_or(stored);
                Ok(Some(Answered::Stored(stored)))
            }
            Err(_) if generated => Ok(None),
            Err(_) => Err(self.exists(&name)),
        }
    }

    fn exists(&self, name: &str) -> ApiError {
        let mut error = ApiError::already_exists(self.served, name);
        let key = (self.key.0.clone(), name.to_owned());
        if self.api.store.get(&self.served.table, &key).is_some_and(|o| meta::is_deleting(&o.value)) {
            error.message = format!("object is being deleted: {}", error.message);
        }
        error
    }

    /// Store a changed object. `old` is `existing` at the version of the request. Answers nothing when another write
    /// came between: the caller computes the change again.
    pub(crate) fn update(&self, existing: &Stored, old: &Value, mut new: Value) -> Result<Option<Answered>, ApiError> {
        let served = self.served;
        let name = self.key.1.as_str();
        match meta::text(&new, "resourceVersion") {
            "" if served.strategy.allow_unconditional_update() => {}
            "" => {
                let error = crate::field_error::FieldError::invalid(
                    "metadata.resourceVersion",
                    &json!(0),
                    "must be specified for an update",
                );
                return Err(ApiError::invalid(&served.group, &served.plural, name, &[error]));
            }
            version if version != meta::text(old, "resourceVersion") => return Err(ApiError::modified(served, name)),
            _ => {}
        }
        carry_over(&mut new, old);
        match self.subresource {
            "" => served.strategy.prepare_update(&mut new, old),
            "status" => served.strategy.prepare_status_update(&mut new, old),
            _ => {}
        }
        if self.subresource != "status" && served.strategy.has_generation() && served.strategy.spec_changed(&new, old) {
            meta::set(&mut new, "generation", Some(json!(meta::number(old, "generation").unwrap_or(0) + 1)));
        }
        let mut errors = meta::validate_update(&new, old, served);
        let subresource = (!self.subresource.is_empty()).then_some(self.subresource);
        errors.extend(served.strategy.validate_update(&new, old, subresource));
        if !errors.is_empty() {
            return Err(ApiError::invalid(&served.group, &served.kind, name, &errors));
        }
        if apply::equal_but_for_times(&new, old) {
            if meta::is_deleting(old) && may_go(old, served) && !self.dry_run {
                return self.remove(existing, new);
            }
            return Ok(Some(match self.api.store.get(&served.table, &self.key) {
                Some(current) if current.version == existing.version => Answered::Stored(current),
                _ => Answered::Value(old.clone()),
            }));
        }
        self.check_size(&new)?;
        if self.dry_run {
            return Ok(Some(Answered::Value(new)));
        }
        if meta::is_deleting(old) && may_go(&new, served) {
            return self.remove(existing, new);
        }
        let stored = self.to_stored_version(new);
        match self.api.store.replace(&served.table, self.key.clone(), existing.version, stored, served.epoch) {
            Ok(stored) => {
                let stored = crds::after_write(self.api, served, Some(existing), Some(&stored)).unwrap_or(stored);
                Ok(Some(Answered::Stored(stored)))
            }
            Err(WriteError::Missing) => Err(ApiError::not_found(served, name)),
            Err(_) => Ok(None),
        }
    }

    fn remove(&self, existing: &Stored, shown: Value) -> Result<Option<Answered>, ApiError> {
        match remove_now(self.api, self.served, &self.key, existing) {
            // The client sees what it wrote; watchers see the last stored state.
            Ok(_) => Ok(Some(Answered::Value(shown))),
            Err(WriteError::Missing) => Err(ApiError::not_found(self.served, &self.key.1)),
            Err(_) => Ok(None),
        }
    }
}

/// Take an object out of the store, as its last write or because of a delete.
pub(crate) fn remove_now(
    api: &Api,
    served: &Served,
    key: &ObjectKey,
    existing: &Stored,
) -> Result<Arc<Stored>, WriteError> {
    let gone = api.store.delete(&served.table, key.clone(), existing.version)?;
    crds::after_write(api, served, Some(existing), None);
    Ok(gone)
}

/// Whether an object that is marked for deletion holds nothing back any more.
pub(crate) fn may_go(object: &Value, served: &Served) -> bool {
    let waits_for_content = served.group.is_empty()
        && served.plural == "namespaces"
        && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    meta::finalizers(object).is_empty()
        && meta::number(object, "deletionGracePeriodSeconds").unwrap_or(0) == 0
        && !waits_for_content
}

/// What no client may change: it stays as it was.
fn carry_over(new: &mut Value, old: &Value) {
    let kept = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "resourceVersion",
    ];
    for field in kept {
        if field == "uid" && !meta::text(new, "uid").is_empty() {
            continue;
        }
        meta::set(new, field, old.get("metadata").and_then(|m| m.get(field)).cloned());
    }
}
