//! The ReplicaSet controller. In: ReplicaSets and their pods. Out: as many pods as wanted, status, events.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::DeleteParams;

use super::context::{Context, follow};
use super::ownership::{claim, controller_key, controller_of, controller_reference};
use super::pods;
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::Kind;
use crate::machinery::selector;
use crate::machinery::workers::Pass;

const COMPONENT: &str = "replicaset-controller";
/// Pods made or deleted in one pass, as in kube-controller-manager, and how many of them at the same time.
const BURST: usize = 500;
const AT_ONCE: usize = 8;

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.replicasets, &queue);
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        for pod in [old, new].into_iter().flatten() {
            if let Some(key) = controller_key(&pod.metadata, "ReplicaSet") {
                q.add(key);
            } else if controller_of(&pod.metadata).is_none() {
                for set in held.replicasets.in_namespace(pod.metadata.namespace.as_deref().unwrap_or_default()) {
                    let selector = set.spec.as_ref().map(|s| &s.selector);
                    if selector.is_some_and(|s| selector::matches(s, pod.metadata.labels.as_ref())) {
                        q.add(Key::of(&*set));
                    }
                }
            }
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, ctx.workers, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    let Some(set) = ctx.replicasets.get(key) else { return Ok(None) };
    let spec = set.spec.clone().unwrap_or_default();
    if selector::is_empty(&spec.selector) {
        return Ok(None);
    }
    let picks = |pod: &Pod| selector::matches(&spec.selector, pod.metadata.labels.as_ref());
    let members = claim(&ctx.replicasets, &ctx.pods, &*set, picks).await?;
    let mut changed = Ok(());
    if set.metadata.deletion_timestamp.is_none() {
        changed = scale(ctx, &set, &members).await;
    }
    let members = ctx.pods.owned_by(set.metadata.uid.as_deref().unwrap_or_default());
    let members: Vec<_> = members.into_iter().filter(|p| picks(p)).collect();
    let (status, wake) = status(&set, &members, ctx.clock.now());
    if set.status.as_ref() != Some(&status) {
        ctx.replicasets.replace_status(&set, &status).await?;
    }
    changed.map(|()| wake)
}

async fn scale(ctx: &Context, set: &ReplicaSet, members: &[Arc<Pod>]) -> Result<(), Error> {
    let spec = set.spec.clone().unwrap_or_default();
    let active: Vec<_> = members.iter().filter(|p| pods::is_active(p)).cloned().collect();
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    if active.len() < wanted {
        let template = spec.template.unwrap_or_default();
        let (name, namespace) = (&set.metadata.name, set.metadata.namespace.as_deref().unwrap_or_default());
        let prefix = name.as_deref().unwrap_or_default();
        let pod = pods::from_template(&template, controller_reference(set), namespace, prefix);
        let count = (wanted - active.len()).min(BURST);
        let work = futures::stream::iter((0..count).map(|_| create(ctx, set, &pod)));
        let results: Vec<_> = work.buffer_unordered(AT_ONCE).collect().await;
        return results.into_iter().collect();
    }
    let mut surplus = active;
    surplus.sort_by_key(|p| preference(p));
    let count = (surplus.len() - wanted).min(BURST);
    surplus.truncate(count);
    let work = futures::stream::iter(surplus.into_iter().map(|pod| async move {
        ctx.pods.delete(&pod, DeleteParams::default()).await?;
        let message = format!("Deleted pod: {}", pod.metadata.name.as_deref().unwrap_or_default());
        ctx.events.event(COMPONENT, set, Kind::Normal, "SuccessfulDelete", message);
        Ok(())
    }));
    let results: Vec<Result<(), Error>> = work.buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

async fn create(ctx: &Context, set: &ReplicaSet, pod: &Pod) -> Result<(), Error> {
    match ctx.pods.create(pod).await {
        Ok(made) => {
            let message = format!("Created pod: {}", made.metadata.name.as_deref().unwrap_or_default());
            ctx.events.event(COMPONENT, set, Kind::Normal, "SuccessfulCreate", message);
            Ok(())
        }
        Err(error) if error.is_namespace_terminating() => Ok(()),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            ctx.events.event(COMPONENT, set, Kind::Warning, "FailedCreate", format!("Error creating: {cause}"));
            Err(error)
        }
    }
}

/// Which pods go first: the ones that matter least, and of equals the youngest.
fn preference(pod: &Pod) -> (bool, bool, bool, std::cmp::Reverse<Timestamp>) {
    let spec = pod.spec.as_ref();
    let bound = spec.and_then(|s| s.node_name.as_deref()).is_some_and(|n| !n.is_empty());
    let created = pod.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    (bound, pods::phase(pod) == "Running", pods::has_ready_condition(pod), std::cmp::Reverse(created))
}

/// The counts, and when a pod becomes available without an event.
fn status(set: &ReplicaSet, members: &[Arc<Pod>], now: Timestamp) -> (ReplicaSetStatus, Option<Duration>) {
    let spec = set.spec.clone().unwrap_or_default();
    let template = spec.template.unwrap_or_default().metadata.and_then(|m| m.labels).unwrap_or_default();
    let active: Vec<_> = members.iter().filter(|p| pods::is_active(p)).collect();
    let labelled = active.iter().filter(|p| selector::contains(&template, p.metadata.labels.as_ref())).count();
    let ready = active.iter().filter(|p| pods::has_ready_condition(p)).count();
    let waits: Vec<_> =
        active.iter().filter_map(|p| pods::until_available(p, spec.min_ready_seconds.unwrap_or(0), now)).collect();
    let available = waits.iter().filter(|w| w.is_zero()).count();
    let terminating = members.iter().filter(|p| pods::is_terminating(p) && !pods::is_finished(p)).count();
    let some = |count: usize| (count > 0).then_some(count as i32);
    let status = ReplicaSetStatus {
        available_replicas: some(available),
        conditions: None,
        fully_labeled_replicas: some(labelled),
        observed_generation: set.metadata.generation,
        ready_replicas: some(ready),
        replicas: active.len() as i32,
        terminating_replicas: Some(terminating as i32),
    };
    (status, waits.into_iter().filter(|w| !w.is_zero()).min())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pod(phase: &str, ready: bool, node: &str) -> Pod {
        serde_json::from_value(
            serde_json::json!({"spec": {"containers": [], "nodeName": node}, "status": {"phase": phase,
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}}),
        )
        .unwrap()
    }

    #[test]
    fn pods_that_serve_go_last() {
        let mut pods = [pod("Running", true, "n"), pod("Pending", false, ""), pod("Running", false, "n")];
        pods.sort_by_key(preference);
        assert_eq!(pods.iter().map(pods::phase).collect::<Vec<_>>(), ["Pending", "Running", "Running"]);
        assert!(pods::has_ready_condition(&pods[2]));
    }
}
