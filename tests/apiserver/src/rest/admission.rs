//! What stands between a well-formed request and the store: the namespace must exist and live; a few kinds are completed
//! or written by special requests (bindings).

use super::commit::Write;
use super::{Answer, body, meta, read, view};
use crate::api::Api;
use crate::api_error::ApiError;
use crate::apply::{self, Operation};
use crate::http::request::Call;
use crate::registry::Served;
use crate::storage::TableKey;
use serde_json::{Value, json};

/// Refuse to create in a namespace that is missing or going.
pub(crate) fn namespace_exists(api: &Api, call: &Call, served: &Served, object: &Value) -> Result<(), ApiError> {
    if served.terminating {
        return Err(ApiError::new(
            405,
            "MethodNotAllowed",
            format!("create is not supported on resources of kind \"{}\"", served.qualified()),
        )
        .about(&served.group, &served.plural, ""));
    }
    if !served.namespaced {
        return Ok(());
    }
    let namespace = &call.target.namespace;
    let key = (String::new(), namespace.clone());
    let Some(found) = api.store.get(&TableKey::new("", "namespaces"), &key) else {
        return Err(ApiError::new(404, "NotFound", format!("namespaces \"{namespace}\" not found")).about(
            "",
            "namespaces",
            namespace,
        ));
    };
    if meta::is_deleting(&found.value) {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        return Err(ApiError::forbidden(&served.group, &served.plural, meta::text(object, "name"), &why).because(
            vec![json!({
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            })],
        ));
    }
    Ok(())
}

/// Fill in what depends on other objects: a Service's address.
pub(crate) fn complete(api: &Api, served: &Served, object: &mut Value) -> Result<(), ApiError> {
    if served.group.is_empty() && served.plural == "services" {
        allocate(api, object);
    }
    Ok(())
}

/// Give a Service that has none a free cluster address from 10.96.0.0/16.
fn allocate(api: &Api, service: &mut Value) {
    let kind = service.pointer("/spec/type").and_then(Value::as_str).unwrap_or("ClusterIP");
    let given = service.pointer("/spec/clusterIP").and_then(Value::as_str).unwrap_or("");
    if kind == "ExternalName" || given == "None" {
        return;
    }
    let mut address = given.to_owned();
    if address.is_empty() {
        let used: Vec<String> = api
            .store
            .list(&TableKey::new("", "services"), None, None, None)
            .map(|page| {
                page.items
                    .iter()
                    .filter_map(|s| s.value.pointer("/spec/clusterIP").and_then(Value::as_str).map(str::to_owned))
                    .collect()
            })
            .unwrap_or_default();
        address = (10_u32..65_000)
            .map(|n| format!("10.96.{}.{}", n / 256, n % 256))
            .find(|a| !used.contains(a))
            .unwrap_or_default();
    }
    if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("clusterIP".to_owned(), json!(address));
        spec.insert("clusterIPs".to_owned(), json!([address]));
    }
}

/// `pods/binding`: put a pod on a node.
pub(crate) fn bind(api: &Api, call: &Call, served: &Served) -> Result<Answer, ApiError> {
    let binding = body::document(call)?.value;
    let node = binding.pointer("/target/name").and_then(Value::as_str).unwrap_or("").to_owned();
    if node.is_empty() {
        let error = crate::field_error::FieldError::required("target.name", "");
        return Err(ApiError::invalid("", "Binding", &call.target.name, &[error]));
    }
    let write = Write {
        api,
        served,
        key: super::key(call, served),
        subresource: "binding",
        manager: call.manager(),
        dry_run: call.dry_run(),
    };
    loop {
        let existing = read::find(api, call, served)?;
        let old = view(served, &existing);
        let conflict = |why: &str| ApiError::conflict(served, &write.key.1, why);
        if meta::is_deleting(&old) {
            return Err(conflict(&format!("pod {} is being deleted, cannot be assigned to a host", write.key.1)));
        }
        let bound = old.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or("");
        if !bound.is_empty() {
            return Err(conflict(&format!("pod {} is already assigned to node \"{bound}\"", write.key.1)));
        }
        let mut new = (*old).clone();
        new["spec"]["nodeName"] = json!(node);
        let now = crate::clock::rfc3339(api.clock.now());
        let condition = json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": now });
        match new.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            Some(conditions) => {
                conditions.retain(|c| c.get("type") != Some(&json!("PodScheduled")));
                conditions.push(condition);
            }
            None => new["status"]["conditions"] = json!([condition]),
        }
        apply::track_update(Some(&old), &mut new, served, &write.identity(Operation::Update));
        if write.update(&existing, &old, new)?.is_some() {
            return Ok(Answer::value(
                201,
                json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
            ));
        }
    }
}
