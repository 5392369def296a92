//! What the host writes on the resource itself besides its status: finalizer and inventory, in one merge patch under uid
//! and resourceVersion. A resource that changed meanwhile is a conflict, and a conflict means a new look, never a replay
//! of the old decision (D1).

use super::{
    Actor,
    kubernetes::{Failure, Target},
};
use model::{Checked, Plan, facts::ResourceFacts, names};
use serde_json::{Value, json};

/// Why the resource does not carry what it has to before anything is created. Nothing was done then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the finalizer and the inventory of {key} could not be recorded: {failure}")]
pub struct RecordError {
    /// The resource.
    pub key: model::ObjectKey,
    /// Why.
    pub failure: Failure,
}

/// Writes finalizer and inventory, if they differ from what is there, and returns the resource's new resourceVersion.
pub async fn record(
    actor: &Actor,
    plan: &Plan<Checked>,
    resource: &ResourceFacts,
) -> Result<Option<String>, RecordError> {
    // No finalizer may be added to what is being deleted; what it has already stays.
    let add_finalizer = !plan.inventory().entries.is_empty() && !resource.deleting && !resource.has_finalizer();
    if !add_finalizer && !plan.inventory_changed() {
        return Ok(None);
    }
    let mut metadata = json!({});
    if plan.inventory_changed() {
        let inventory = (!plan.inventory().entries.is_empty()).then(|| plan.inventory().write());
        metadata["annotations"] = json!({ names::ANNOTATION_INVENTORY: inventory });
    }
    if add_finalizer {
        let finalizers: Vec<&str> = resource.finalizers.iter().map(String::as_str).chain([names::FINALIZER]).collect();
        metadata["finalizers"] = json!(finalizers);
    }
    patch(actor, resource, &json!({ "metadata": metadata })).await.map(Some)
}

/// Takes the finalizer and the inventory off a resource of which nothing is left.
pub async fn let_go(actor: &Actor, resource: &ResourceFacts) -> Result<(), RecordError> {
    if !resource.has_finalizer() {
        return Ok(());
    }
    let others: Vec<&String> = resource.finalizers.iter().filter(|finalizer| *finalizer != names::FINALIZER).collect();
    let patch_body = json!({"metadata": { "finalizers": others, "annotations": { names::ANNOTATION_INVENTORY: null, names::ANNOTATION_AZURE: null } }});
    match patch(actor, resource, &patch_body).await {
        Ok(_) | Err(RecordError { failure: Failure::NotFound, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sets an annotation of the resource, under its uid and the version that is known of it. Returns the new version.
pub(super) async fn annotate(
    actor: &Actor,
    resource: &ResourceFacts,
    version: &str,
    name: &str,
    value: Option<&str>,
) -> Result<String, Failure> {
    let known = ResourceFacts { resource_version: version.to_owned(), ..resource.clone() };
    let body = json!({"metadata": { "annotations": { name: value } }});
    patch(actor, &known, &body).await.map_err(|error| error.failure)
}

async fn patch(actor: &Actor, resource: &ResourceFacts, body: &Value) -> Result<String, RecordError> {
    let error = |failure| RecordError { key: resource.key.clone(), failure };
    let served = actor.served_as(&resource.key).await.map_err(error)?;
    let target = Target { key: &resource.key, resource: &served };
    let answer = actor.writer.merge(target, &resource.uid, &resource.resource_version, body).await.map_err(error)?;
    let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    actor.ledger.wrote(&resource.key, &resource.key, &version);
    Ok(version)
}
