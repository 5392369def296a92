//! The namespace controller. In: namespaces being deleted. Out: everything in them deleted, custom resources
//! included, then the `kubernetes` finalizer taken off through `/finalize`; meanwhile conditions that say what remains.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition, NamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams, PropagationPolicy};

use super::context::{Context, follow};
use super::discovery::{Served, discover};
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::workers::Pass;

const COMPONENT: &str = "namespace-controller";
const FINALIZER: &str = "kubernetes";
/// Until what still has finalizers or a grace period is looked at again: first after this, then ever later.
const AGAIN: Duration = Duration::from_millis(100);

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.namespaces, &queue);
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, 4, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

/// What is left of one kind.
struct Left {
    kind: String,
    objects: usize,
    finalizers: Vec<String>,
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    let Some(namespace) = ctx.namespaces.get(key) else { return Ok(None) };
    let held = namespace.spec.as_ref().and_then(|s| s.finalizers.clone()).unwrap_or_default();
    if namespace.metadata.deletion_timestamp.is_none() || !held.iter().any(|f| f == FINALIZER) {
        return Ok(None);
    }
    // A list of kinds kept from earlier may be a moment old, and a kind missed here would be left behind for ever.
    let served = discover(&ctx.client).await?;
    let mut left = Vec::new();
    for kind in served.values().filter(|k| k.namespaced) {
        left.extend(empty(ctx, kind, &key.name).await?);
    }
    if left.is_empty() {
        finalize(ctx, &namespace, key).await?;
        return Ok(None);
    }
    report(ctx, &namespace, &left).await?;
    Ok(Some(AGAIN))
}

/// Deletes all objects of one kind; returns what remains.
async fn empty(ctx: &Context, kind: &Served, namespace: &str) -> Result<Option<Left>, Error> {
    let api = kind.api(&ctx.client, namespace);
    let key = Key::new(namespace, "");
    let name = kind.resource.kind.as_str();
    let fail = |verb, error| match error {
        // The kind is on its way out, or this one cannot be used in that way: nothing of it remains to be deleted.
        kube::Error::Api(status) if status.is_not_found() || status.code == 405 => Ok(()),
        error => Err(Error::api(verb, name, &key, error)),
    };
    let list = match api.list_metadata(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => return fail("list", error).map(|()| None),
    };
    if list.items.is_empty() {
        return Ok(None);
    }
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    if kind.collection_delete {
        if let Err(error) = api.delete_collection(&params, &ListParams::default()).await {
            fail("delete", error)?;
        }
    } else {
        for object in list.items.iter().filter(|o| o.metadata.deletion_timestamp.is_none()) {
            if let Err(error) = api.delete(object.metadata.name.as_deref().unwrap_or_default(), &params).await {
                fail("delete", error)?;
            }
        }
    }
    let list = match api.list_metadata(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => return fail("list", error).map(|()| None),
    };
    let finalizers = list.items.iter().flat_map(|o| o.metadata.finalizers.iter().flatten().cloned()).collect();
    let plural = match kind.resource.group.as_str() {
        "" => format!("{}.", kind.resource.plural),
        group => format!("{}.{group}", kind.resource.plural),
    };
    Ok((!list.items.is_empty()).then_some(Left { kind: plural, objects: list.items.len(), finalizers }))
}

async fn finalize(ctx: &Context, namespace: &Namespace, key: &Key) -> Result<(), Error> {
    let mut done = namespace.clone();
    if let Some(finalizers) = done.spec.as_mut().and_then(|s| s.finalizers.as_mut()) {
        finalizers.retain(|f| f != FINALIZER);
    }
    let api: Api<Namespace> = Api::all(ctx.client.clone());
    match api.replace_subresource("finalize", &key.name, &PostParams::default(), &done).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::api("finalize", "Namespace", key, error)),
    }
}

async fn report(ctx: &Context, namespace: &Namespace, left: &[Left]) -> Result<(), Error> {
    let conditions = conditions(namespace.status.as_ref(), left, &ctx.clock.time());
    let status = NamespaceStatus {
        conditions: Some(conditions),
        phase: namespace.status.as_ref().and_then(|s| s.phase.clone()),
    };
    if namespace.status.as_ref() != Some(&status) {
        ctx.namespaces.replace_status(namespace, &status).await?;
    }
    Ok(())
}

/// The conditions of a terminating namespace, in the words of kube-controller-manager.
fn conditions(held: Option<&NamespaceStatus>, left: &[Left], now: &Time) -> Vec<NamespaceCondition> {
    let mut remaining: Vec<String> =
        left.iter().map(|l| format!("{} has {} resource instances", l.kind, l.objects)).collect();
    remaining.sort();
    let mut finalizers: Vec<String> = left.iter().flat_map(|l| l.finalizers.clone()).collect();
    finalizers.sort();
    let mut counted: Vec<String> = Vec::new();
    for group in finalizers.chunk_by(|a, b| a == b) {
        counted.extend(group.first().map(|name| format!("{name} in {} resource instances", group.len())));
    }
    let content = (!remaining.is_empty())
        .then(|| ("SomeResourcesRemain", format!("Some resources are remaining: {}", remaining.join(", "))));
    let finalizing = (!counted.is_empty()).then(|| {
        (
            "SomeFinalizersRemain",
            format!("Some content in the namespace has finalizers remaining: {}", counted.join(", ")),
        )
    });
    let rows = [
        ("NamespaceDeletionDiscoveryFailure", None, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            None,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", content, "ContentRemoved", "All content successfully removed"),
        (
            "NamespaceFinalizersRemaining",
            finalizing,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ];
    rows.into_iter()
        .map(|(type_, problem, fine, fine_message)| {
            let status = if problem.is_some() { "True" } else { "False" };
            let (reason, message) = problem.unwrap_or((fine, fine_message.to_owned()));
            let before =
                held.and_then(|h| h.conditions.iter().flatten().find(|c| c.type_ == type_ && c.status == status));
            NamespaceCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_transition_time: before.and_then(|b| b.last_transition_time.clone()).or_else(|| Some(now.clone())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_remains_is_counted_by_kind_and_by_finalizer() {
        let left = [Left { kind: "configmaps.".into(), objects: 2, finalizers: vec!["a/b".into(), "a/b".into()] }];
        let now = Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        let conditions = conditions(None, &left, &now);
        let messages: Vec<_> =
            conditions.iter().filter(|c| c.status == "True").map(|c| c.message.clone().unwrap()).collect();
        assert_eq!(
            messages,
            [
                "Some resources are remaining: configmaps. has 2 resource instances",
                "Some content in the namespace has finalizers remaining: a/b in 2 resource instances",
            ]
        );
    }
}
