//! A last look at the server itself before something is destroyed or taken over: what a cache says may be old (B5).

use super::{Actor, Failure, kubernetes::Target};
use model::names::{ANNOTATION_AZURE, ANNOTATION_INVENTORY};
use model::{Checked, Plan, facts::ResourceFacts, plan::Live};
use serde_json::Value;

/// The live object, if it is still the one and the version that the plan saw; none if it is gone.
pub(super) async fn confirm(actor: &Actor, target: Target<'_>, live: &Live) -> Result<Option<Value>, Failure> {
    let Some(stored) = actor.reader.get(target).await? else { return Ok(None) };
    let text = |field| stored.pointer(field).and_then(Value::as_str).unwrap_or_default();
    if text("/metadata/uid") != live.uid || text("/metadata/resourceVersion") != live.resource_version {
        return Err(Failure::Changed("it is not what was observed any more".into()));
    }
    Ok(Some(stored))
}

/// Before a plan destroys anything: the resource itself must still be the one that was decided for, and want the same
/// (B1, B2). A plan without such steps asks nothing.
pub(super) async fn confirm_resource(
    actor: &Actor,
    plan: &Plan<Checked>,
    resource: &ResourceFacts,
) -> Result<(), Failure> {
    if !plan.steps().iter().any(|step| step.action.destructive()) {
        return Ok(());
    }
    let served = actor.served_as(&resource.key).await?;
    let stored = actor.reader.get(Target { key: &resource.key, resource: &served }).await?;
    let unchanged = stored.as_ref().and_then(ResourceFacts::from_object).is_some_and(|now| same_wish(resource, &now));
    if unchanged { Ok(()) } else { Err(Failure::Changed("the resource is not what was decided for any more".into())) }
}

/// Everything that a user can say with a resource is as it was. Status and labels say nothing about what may be deleted,
/// and the inventory is ours.
fn same_wish(seen: &ResourceFacts, now: &ResourceFacts) -> bool {
    let users = |facts: &ResourceFacts| {
        let mut annotations = facts.annotations.clone();
        annotations.retain(|name, _| {
            name.starts_with("windlass.dev/") && ![ANNOTATION_INVENTORY, ANNOTATION_AZURE].contains(&name.as_str())
        });
        annotations
    };
    seen.uid == now.uid
        && seen.deleting == now.deleting
        && users(seen) == users(now)
        // A kind without generations has nothing but its version to tell that its spec moved.
        && if now.generation == 0 { seen.resource_version == now.resource_version } else { seen.generation == now.generation }
}
