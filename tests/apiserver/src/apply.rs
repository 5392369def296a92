//! Server-side apply and the tracking of field ownership: objects, their schema and who writes come in; merged objects
//! with their `managedFields` come out, or the conflicts that stand in the way. Pure.

mod compare;
mod fields;
mod last_applied;
mod managers;
mod merge;
mod remove;
mod shape;
#[cfg(test)]
mod tests;
mod typed;

pub use managers::{Conflict, Identity, Operation};

use crate::registry::Served;
use crate::schema::Schema;
use fields::FieldSet;
use managers::Managers;
use serde_json::{Value, json};
use std::sync::Arc;

/// Why an apply did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The configuration does not fit the schema.
    #[error("{0}")]
    Untyped(String),
    /// Others manage fields that it would change.
    #[error("{} fields are managed by others", .0.len())]
    Conflicts(Vec<Conflict>),
}

/// Note who owns which fields after a create (`live` is none) or an update, in `new`'s managedFields.
pub(crate) fn track_update(live: Option<&Value>, new: &mut Value, served: &Served, who: &Identity) {
    let schema = shape::root(served);
    let provided = new.get("metadata").and_then(|m| m.get("managedFields")).cloned();
    let known = live.and_then(|l| l.get("metadata")).and_then(|m| m.get("managedFields"));
    let mut managers = if !who.subresource.is_empty() {
        Managers::decode(known)
    } else if managers::is_reset(provided.as_ref()) {
        Managers::default()
    } else {
        match Managers::decode(provided.as_ref()) {
            given if given.is_empty() => Managers::decode(known),
            given => given,
        }
    };
    strip(new);
    if live.is_some() && managers.is_empty() {
        // Nobody is tracked on this object: its history is unknown until somebody applies.
        return;
    }
    let empty = json!({});
    let mut before = live.cloned().unwrap_or(empty);
    strip(&mut before);
    update(&before, new, &schema, &mut managers, who, served);
    managers.store(new);
}

fn update(before: &Value, new: &Value, schema: &Schema, managers: &mut Managers, who: &Identity, served: &Served) {
    let mut changes = compare::compare(schema, before, new);
    changes.keep(|set| relevant(set, who, served));
    managers.lose(None, &changes);
    let taken = managers::without_metadata(&changes.modified.union(&changes.added));
    if !taken.is_empty() {
        managers.take(who, taken);
    }
    managers.cap();
}

/// What a write through this endpoint can own: all but the status, or the status alone.
fn relevant(set: &FieldSet, who: &Identity, served: &Served) -> FieldSet {
    match who.subresource.as_str() {
        "" if served.status => set.without_field("status"),
        "status" => {
            if served.custom {
                set.only_field("status").union(&set.only_field("metadata"))
            } else {
                set.without_field("spec").without_metadata_labels()
            }
        }
        _ => set.clone(),
    }
}

/// The result of an apply.
pub(crate) struct Applied {
    /// The merged object with its managedFields, not yet defaulted.
    pub(crate) object: Value,
}

/// Merge `config` into `live` (none: it creates). With `force`, conflicting fields change hands.
pub(crate) fn apply(
    live: Option<&Value>,
    config: &Value,
    served: &Served,
    who: &Identity,
    force: bool,
) -> Result<Applied, ApplyError> {
    let schema = shape::root(served);
    let mut config = config.clone();
    strip(&mut config);
    typed::check(&schema, &config).map_err(ApplyError::Untyped)?;
    let mut applied = match attempt(&schema, live, &config, served, who, force) {
        Err(ApplyError::Conflicts(conflicts)) => {
            last_applied::permit(&who.manager, &schema, live, conflicts).map_err(ApplyError::Conflicts)?;
            attempt(&schema, live, &config, served, who, true)?
        }
        other => other?,
    };
    last_applied::follow(&who.manager, &mut applied.object, &config);
    Ok(applied)
}

fn attempt(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    served: &Served,
    who: &Identity,
    force: bool,
) -> Result<Applied, ApplyError> {
    let mut managers = Managers::decode(live.and_then(|l| l.get("metadata")).and_then(|m| m.get("managedFields")));
    let mut before = live.cloned().unwrap_or_else(|| json!({}));
    strip(&mut before);
    if managers.is_empty() && live.is_some() {
        let first = Identity {
            manager: "before-first-apply".to_owned(),
            operation: Operation::Update,
            subresource: String::new(),
            ..who.clone()
        };
        update(&json!({}), &before, schema, &mut managers, &first, served);
    }
    managers.reconcile(schema, &before);
    let mut merged = merge::merge(schema, &before, config);
    let last = managers.set_of(who).cloned();
    let owned = relevant(&typed::field_set(schema, config), who, served);
    // The metadata that nobody owns still counts as applied here, else pruning a label takes the name with it.
    managers.replace(who, owned.clone());
    if let Some(last) = last.filter(|l| !l.is_empty()) {
        merged = prune(schema, &merged, &managers, &last);
    }
    managers.replace(who, managers::without_metadata(&owned));
    let mut changes = compare::compare(schema, &before, &merged);
    changes.keep(|set| relevant(set, who, served));
    let conflicts = managers.conflicts(who, &changes);
    if !conflicts.is_empty() && !force {
        return Err(ApplyError::Conflicts(conflicts));
    }
    managers.lose(Some(who), &changes);
    if merged != before {
        managers.stamp(who);
    }
    managers.drop_empty();
    managers.store(&mut merged);
    Ok(Applied { object: merged })
}

/// Remove what the manager applied last time, does not apply now, and nobody else claims.
fn prune(schema: &Schema, merged: &Value, managers: &Managers, last: &FieldSet) -> Value {
    let named = |set: &FieldSet| shape::with_named_fields(set, schema);
    let last = named(last);
    let pruned = remove::remove(schema, merged, &last);
    let all = named(&typed::field_set(schema, merged));
    let kept = named(&typed::field_set(schema, &pruned)).union(&named(&managers.all()));
    let pruned = remove::remove(schema, merged, &all.difference(&kept));
    let gone = all.difference(&named(&typed::field_set(schema, &pruned))).intersection(&last);
    remove::remove(schema, merged, &gone)
}

/// managedFields take no part in comparisons.
fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Whether two objects are the same but for the times in their managedFields.
pub(crate) fn equal_but_for_times(a: &Value, b: &Value) -> bool {
    fn timeless(object: &Value) -> Value {
        let mut object = object.clone();
        let entries = object.get_mut("metadata").and_then(|m| m.get_mut("managedFields")).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        // The order of entries follows their times.
        if let Some(entries) =
            object.get_mut("metadata").and_then(|m| m.get_mut("managedFields")).and_then(Value::as_array_mut)
        {
            entries.sort_by_key(Value::to_string);
        }
        object
    }
    if a.get("metadata").and_then(|m| m.get("managedFields")) == b.get("metadata").and_then(|m| m.get("managedFields"))
    {
        return a == b;
    }
    timeless(a) == timeless(b)
}

/// The schema of `metadata`, of which the lists and maps merge by these rules in every kind.
fn object_meta() -> Arc<Schema> {
    crate::builtin::object_meta()
}
