//! CustomResourceDefinitions in action: when one is written, its versions are served and its status says so; when one is
//! deleted, its objects go first.

use crate::api::Api;
use crate::clock::rfc3339;
use crate::registry::Served;
use crate::rest::{DeleteOptions, delete_object};
use crate::schema::crd;
use crate::storage::{Stored, TableKey};
use serde_json::{Value, json};
use std::sync::Arc;

/// Holds a CustomResourceDefinition until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

fn definitions() -> TableKey {
    TableKey::new("apiextensions.k8s.io", "customresourcedefinitions")
}

fn is_definition(served: &Served) -> bool {
    served.table == definitions()
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or("")
}

fn table_of(definition: &Value) -> TableKey {
    TableKey::new(text(definition, "/spec/group"), text(definition, "/spec/names/plural"))
}

/// Follow up on a write: none as `new` is a removal. Answers the state after the follow-up where that is what a client
/// should see.
pub(crate) fn after_write(
    api: &Api,
    served: &Served,
    old: Option<&Stored>,
    new: Option<&Arc<Stored>>,
) -> Option<Arc<Stored>> {
    if is_definition(served) {
        match new {
            None => {
                if let Some(old) = old {
                    api.registry.set_custom(&table_of(&old.value), Vec::new(), true);
                }
            }
            Some(new) => serve(api, old, new),
        }
    } else if served.custom && new.is_none() {
        finish(api, &served.table);
    }
    None
}

/// Serve what a definition says, and write its status.
fn serve(api: &Api, old: Option<&Stored>, new: &Arc<Stored>) {
    let deleting = !text(&new.value, "/metadata/deletionTimestamp").is_empty();
    let changed = old.is_none_or(|o| o.value.get("spec") != new.value.get("spec"))
        || old.is_some_and(|o| text(&o.value, "/metadata/deletionTimestamp").is_empty() == deleting);
    if changed {
        let resources = crd::compile(&new.value).unwrap_or_default();
        api.registry.set_custom(&table_of(&new.value), resources, deleting);
    }
    if deleting {
        clean_up(api, new);
        return;
    }
    let mut value = (*new.value).clone();
    establish(&mut value, &rfc3339(api.clock.now()));
    if value != *new.value {
        let key = (String::new(), text(&value, "/metadata/name").to_owned());
        // Another writer's state is newer than ours; its own follow-up sets the status.
        let _ = api.store.replace(&definitions(), key, new.version, value, new.epoch);
    }
}

/// Names accepted, established, versions stored.
fn establish(definition: &mut Value, now: &str) {
    let names = definition.pointer("/spec/names").cloned().unwrap_or_else(|| json!({}));
    let stored: Vec<String> = definition
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|v| v.get("storage").and_then(Value::as_bool) == Some(true))
        .filter_map(|v| v.get("name").and_then(Value::as_str).map(str::to_owned))
        .collect();
    let mut status = definition.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    status["acceptedNames"] = names;
    let mut versions: Vec<Value> = status.get("storedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    for version in stored {
        if !versions.contains(&json!(version)) {
            versions.push(json!(version));
        }
    }
    status["storedVersions"] = Value::Array(versions);
    set_condition(&mut status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
    set_condition(
        &mut status,
        "Established",
        "True",
        "InitialNamesAccepted",
        "the initial names have been accepted",
        now,
    );
    definition["status"] = status;
}

fn set_condition(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str, now: &str) {
    if !status.get("conditions").is_some_and(Value::is_array) {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) else {
        return;
    };
    match conditions.iter_mut().find(|c| text(c, "/type") == kind) {
        Some(known) if text(known, "/status") == value => {}
        Some(known) => {
            *known = json!({ "type": kind, "status": value, "lastTransitionTime": now, "reason": reason, "message": message });
        }
        None => conditions.push(
            json!({ "type": kind, "status": value, "lastTransitionTime": now, "reason": reason, "message": message }),
        ),
    }
}

/// Prepare a definition for its deletion: it waits for its objects.
pub(crate) fn mark_terminating(definition: &mut Value, now: &str) {
    if !text(definition, "/metadata/deletionTimestamp").is_empty() {
        return;
    }
    if let Some(metadata) = definition.get_mut("metadata").and_then(Value::as_object_mut) {
        let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(list) = finalizers.as_array_mut()
            && !list.contains(&json!(CLEANUP))
        {
            list.push(json!(CLEANUP));
        }
    }
    let mut status = definition.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let message = "CustomResource deletion is in progress";
    set_condition(&mut status, "Terminating", "True", "InstanceDeletionInProgress", message, now);
    definition["status"] = status;
}

/// Delete all objects of a definition that is going.
fn clean_up(api: &Api, definition: &Stored) {
    let table = table_of(&definition.value);
    let catalog = api.registry.snapshot();
    if let Some(served) = catalog.all().iter().find(|s| s.custom && s.table == table) {
        let objects = api.store.list(&table, None, None, None).map(|page| page.items).unwrap_or_default();
        for object in objects {
            let key = (
                text(&object.value, "/metadata/namespace").to_owned(),
                text(&object.value, "/metadata/name").to_owned(),
            );
            // An object that is gone or held by a finalizer needs nothing more from here.
            let _ = delete_object(api, served, &key, &DeleteOptions::default());
        }
    }
    finish(api, &table);
}

/// Let a definition go whose objects are gone.
fn finish(api: &Api, table: &TableKey) {
    if !api.store.is_empty(table) {
        return;
    }
    let key = (String::new(), format!("{}.{}", table.plural, table.group));
    loop {
        let Some(definition) = api.store.get(&definitions(), &key) else {
            return;
        };
        if text(&definition.value, "/metadata/deletionTimestamp").is_empty() {
            return;
        }
        let mut value = (*definition.value).clone();
        let mut held = false;
        if let Some(finalizers) = value.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|f| f != CLEANUP);
            held = !finalizers.is_empty();
        }
        let done = if held {
            if value == *definition.value {
                return;
            }
            api.store.replace(&definitions(), key.clone(), definition.version, value, definition.epoch).is_ok()
        } else {
            api.store.delete(&definitions(), key.clone(), definition.version).is_ok()
        };
        if done {
            if !held {
                api.registry.set_custom(table, Vec::new(), true);
            }
            return;
        }
    }
}
