//! The Deployment controller. In: Deployments and their ReplicaSets. Out: a ReplicaSet per template, resized step by
//! step, the old ones trimmed, status, events. The arithmetic is in `deployment/rollout.rs`.

mod rollout;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet, ReplicaSetSpec};
use kube::api::DeleteParams;
use kube::core::metadata::ObjectMeta;

use super::context::{Context, follow};
use super::ownership::{claim, controller_key, controller_reference};
use super::pods;
use super::statefulset::revision::short_hash;
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::Kind;
use crate::machinery::selector;
use crate::machinery::workers::Pass;
use rollout::{HASH_LABEL, current, recreates, resize, size};

const COMPONENT: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.deployments, &queue);
    let q = queue.clone();
    ctx.replicasets.on_change(move |old, new| {
        for set in [old, new].into_iter().flatten() {
            if let Some(key) = controller_key(&set.metadata, "Deployment") {
                q.add(key);
            }
        }
    });
    // A Deployment that recreates waits for the old pods themselves.
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        if let (Some(gone), None) = (old, new)
            && let Some(key) = controller_key(&gone.metadata, "ReplicaSet")
            && let Some(set) = held.replicasets.get(&key)
            && let Some(key) = controller_key(&set.metadata, "Deployment")
        {
            q.add(key);
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, ctx.workers, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { pass(&ctx, &key).await }
    });
}

async fn pass(ctx: &Context, key: &Key) -> Pass {
    let Some(deployment) = ctx.deployments.get(key) else { return Ok(None) };
    let spec = deployment.spec.clone().unwrap_or_default();
    if selector::is_empty(&spec.selector) {
        return Ok(None);
    }
    let sets = claim(&ctx.deployments, &ctx.replicasets, &*deployment, |set: &ReplicaSet| {
        selector::matches(&spec.selector, set.metadata.labels.as_ref())
    });
    let sets = sets.await?;
    let new = current(&spec, &sets).cloned();
    let old: Vec<_> =
        sets.iter().filter(|s| new.as_ref().is_none_or(|n| n.metadata.uid != s.metadata.uid)).cloned().collect();
    if deployment.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let new = match new {
        None if spec.paused == Some(true) => None,
        new => Some(prepare(ctx, &deployment, &spec, new, &old).await?),
    };
    if let Some(new) = &new {
        let old_pods = old.iter().any(|s| {
            let uid = s.metadata.uid.as_deref().unwrap_or_default();
            ctx.pods.owned_by(uid).iter().any(|p| !pods::is_finished(p))
        });
        for (name, next) in resize(&spec, new, &old, old_pods) {
            let set = std::iter::once(new).chain(&old).find(|s| s.metadata.name.as_ref() == Some(&name));
            if let Some(set) = set {
                scale(ctx, &deployment, set, next).await?;
            }
        }
    }
    // The sizes just written are in the store already.
    let fresh = |set: &Arc<ReplicaSet>| ctx.replicasets.get(&Key::of(&**set)).unwrap_or_else(|| set.clone());
    let (new, old) = (new.as_ref().map(fresh), old.iter().map(fresh).collect::<Vec<_>>());
    let status = rollout::status(&deployment, new.as_deref(), &old, &ctx.clock.time());
    let progressing = status.conditions.iter().flatten().any(|c| {
        c.type_ == "Progressing" && c.status == "True" && c.reason.as_deref() != Some("NewReplicaSetAvailable")
    });
    // A changed time alone is no news.
    if words(deployment.status.as_ref()) != words(Some(&status)) {
        ctx.deployments.replace_status(&deployment, &status).await?;
    }
    if !progressing {
        trim(ctx, &spec, &old).await?;
    }
    let deadline = u64::try_from(spec.progress_deadline_seconds.unwrap_or(600)).unwrap_or(600);
    Ok(progressing.then(|| Duration::from_secs(deadline + 1)))
}

/// A status without the times at which its conditions were last written.
fn words(
    status: Option<&k8s_openapi::api::apps::v1::DeploymentStatus>,
) -> Option<k8s_openapi::api::apps::v1::DeploymentStatus> {
    let mut status = status?.clone();
    for condition in status.conditions.iter_mut().flatten() {
        condition.last_update_time = None;
    }
    Some(status)
}

fn revision(set: &ReplicaSet) -> i64 {
    let text = set.metadata.annotations.as_ref().and_then(|a| a.get(REVISION));
    text.and_then(|t| t.parse().ok()).unwrap_or(0)
}

/// The ReplicaSet of the template with its revision number, made if there is none.
async fn prepare(
    ctx: &Context,
    deployment: &Deployment,
    spec: &DeploymentSpec,
    new: Option<Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
) -> Result<Arc<ReplicaSet>, Error> {
    let latest = old.iter().map(|s| revision(s)).max().unwrap_or(0);
    let set = match new {
        Some(set) if revision(&set) > latest => set,
        Some(set) => {
            let patch = serde_json::json!({"metadata": {"annotations": {REVISION: (latest + 1).to_string()}}});
            ctx.replicasets.patch(&set, patch).await?
        }
        None => create(ctx, deployment, spec, old, latest + 1).await?,
    };
    let wanted = revision(&set).to_string();
    if deployment.metadata.annotations.as_ref().and_then(|a| a.get(REVISION)) != Some(&wanted) {
        let patch = serde_json::json!({"metadata": {"annotations": {REVISION: wanted}}});
        // Annotations of a Deployment count as changes of its generation, but not when they come with the status.
        ctx.deployments.patch_status(deployment, patch).await?;
        // The status below is written on the version just made, in the pass that its event starts.
        return Err(Error::Conflict { kind: "Deployment".into(), key: Key::of(deployment) });
    }
    Ok(set)
}

async fn create(
    ctx: &Context,
    deployment: &Deployment,
    spec: &DeploymentSpec,
    old: &[Arc<ReplicaSet>],
    number: i64,
) -> Result<Arc<ReplicaSet>, Error> {
    let key = Key::of(deployment);
    let serialise = |source| Error::Serialise { kind: "Deployment".into(), key: key.clone(), source };
    let bytes = serde_json::to_vec(&rollout::bare(&spec.template)).map_err(serialise)?;
    let name = |hash: &str| format!("{}-{hash}", key.name);
    let mut collisions = 0;
    loop {
        let hash = short_hash(&bytes, Some(collisions));
        let mut template = spec.template.clone();
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(HASH_LABEL.to_owned(), hash.clone());
        let labels = labels.clone();
        let mut selector = spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(HASH_LABEL.to_owned(), hash.clone());
        let (surge, _) = rollout::slack(spec);
        let wanted = spec.replicas.unwrap_or(1);
        let existing: i32 = old.iter().map(|s| size(s)).sum();
        let replicas = if recreates(spec) {
            if existing == 0 { wanted } else { 0 }
        } else {
            (wanted + surge - existing).clamp(0, wanted)
        };
        let mut annotations = deployment.metadata.annotations.clone().unwrap_or_default();
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        annotations.insert(REVISION.to_owned(), number.to_string());
        annotations.insert("deployment.kubernetes.io/desired-replicas".to_owned(), wanted.to_string());
        annotations.insert("deployment.kubernetes.io/max-replicas".to_owned(), (wanted + surge).to_string());
        let set = ReplicaSet {
            metadata: ObjectMeta {
                name: Some(name(&hash)),
                namespace: deployment.metadata.namespace.clone(),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: Some(vec![controller_reference(deployment)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                min_ready_seconds: spec.min_ready_seconds,
                replicas: Some(replicas),
                selector,
                template: Some(template),
            }),
            status: None,
        };
        match ctx.replicasets.create(&set).await {
            Ok(made) => {
                let message = format!("Scaled up replica set {} from 0 to {replicas}", name(&hash));
                ctx.events.event(COMPONENT, deployment, Kind::Normal, "ScalingReplicaSet", message);
                return Ok(made);
            }
            Err(error) if error.is_already_exists() => {
                let held = ctx.replicasets.get(&Key::of(&set));
                let ours = held.as_ref().is_none_or(|h| {
                    crate::machinery::store::controller_uid(&h.metadata) == deployment.metadata.uid.as_deref()
                });
                if ours {
                    // It is ours and the cache is behind.
                    return Err(Error::Conflict { kind: "ReplicaSet".into(), key: Key::of(&set) });
                }
                collisions += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn scale(ctx: &Context, deployment: &Deployment, set: &ReplicaSet, next: i32) -> Result<(), Error> {
    let before = size(set);
    ctx.replicasets.patch(set, serde_json::json!({"spec": {"replicas": next}})).await?;
    let way = if next > before { "up" } else { "down" };
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let message = format!("Scaled {way} replica set {name} from {before} to {next}");
    ctx.events.event(COMPONENT, deployment, Kind::Normal, "ScalingReplicaSet", message);
    Ok(())
}

/// Deletes empty ReplicaSets beyond the history limit, oldest revision first.
async fn trim(ctx: &Context, spec: &DeploymentSpec, old: &[Arc<ReplicaSet>]) -> Result<(), Error> {
    let mut empty: Vec<_> = old
        .iter()
        .filter(|s| size(s) == 0 && s.status.as_ref().is_none_or(|s| s.replicas == 0))
        .filter(|s| s.metadata.deletion_timestamp.is_none())
        .collect();
    empty.sort_by_key(|s| revision(s));
    let limit = usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    for set in &empty[..empty.len().saturating_sub(limit)] {
        ctx.replicasets.delete(set, DeleteParams::background()).await?;
    }
    Ok(())
}
