//! The StatefulSet controller. In: StatefulSets, their pods, claims and revisions. Out: pods, claims, revisions,
//! status, events. The decisions are in `statefulset/plan.rs`; this file reads, runs the steps and writes the status.

mod identity;
mod plan;
pub(crate) mod revision;
mod status;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;

use super::context::{Context, follow};
use super::ownership::{claim, controller_key, controller_of};
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::Kind;
use crate::machinery::selector;
use crate::machinery::workers::Pass;
use plan::{Observed, Reason, Step};

const COMPONENT: &str = "statefulset-controller";
/// Steps of one pass that run at the same time where the set allows more than one (parallel pod management).
const STEPS_AT_ONCE: usize = 8;

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.statefulsets, &queue);
    let (q, held) = (queue.clone(), ctx.clone());
    ctx.pods.on_change(move |old, new| {
        for pod in [old, new].into_iter().flatten() {
            match controller_key(&pod.metadata, "StatefulSet") {
                Some(key) => q.add(key),
                None if controller_of(&pod.metadata).is_none() => {
                    for set in held.statefulsets.in_namespace(pod.metadata.namespace.as_deref().unwrap_or_default()) {
                        if identity::ordinal(&set, pod).is_some() {
                            q.add(Key::of(&*set));
                        }
                    }
                }
                None => {}
            }
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, ctx.workers, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { Statefulset { ctx: &ctx }.pass(&key).await }
    });
}

struct Statefulset<'a> {
    ctx: &'a Context,
}

impl Statefulset<'_> {
    async fn pass(&self, key: &Key) -> Pass {
        let Some(set) = self.ctx.statefulsets.get(key) else { return Ok(None) };
        let spec = identity::spec(&set);
        if selector::is_empty(&spec.selector) {
            return Ok(None);
        }
        let owned = claim(&self.ctx.statefulsets, &self.ctx.pods, &*set, |pod: &Pod| {
            identity::ordinal(&set, pod).is_some() && selector::matches(&spec.selector, pod.metadata.labels.as_ref())
        });
        let members = owned.await?;
        let revisions = claim(&self.ctx.statefulsets, &self.ctx.revisions, &*set, |r: &ControllerRevision| {
            selector::matches(&spec.selector, r.metadata.labels.as_ref())
        });
        let revisions = revisions.await?;
        let leaving = set.metadata.deletion_timestamp.is_some();
        let (update, collisions) = match leaving {
            false => self.update_revision(&set, &revisions).await?,
            true => match revisions.iter().max_by_key(|r| r.revision) {
                Some(newest) => (newest.clone(), set.status.as_ref().and_then(|s| s.collision_count)),
                None => return Ok(None),
            },
        };
        let recorded = set.status.as_ref().and_then(|s| s.current_revision.as_deref());
        let current = revisions.iter().find(|r| Some(revision::name(r)) == recorded).unwrap_or(&update).clone();

        let by_ordinal = ordered(&set, members);
        let namespace = key.namespace.as_str();
        let steps = plan::plan(&Observed {
            set: &set,
            pods: &by_ordinal,
            update_revision: revision::name(&update),
            claim: &|name| self.ctx.claims.get(&Key::new(namespace, name)),
            now: self.ctx.clock.now(),
        });
        let failed = self.run(&set, steps, &current, &update).await;
        if leaving {
            return failed.map(|()| None);
        }
        let uid = set.metadata.uid.as_deref().unwrap_or_default();
        let members = self.ctx.pods.owned_by(uid);
        let wake = self.report(&set, ordered(&set, members.clone()), &current, &update, collisions).await?;
        self.truncate(&set, &revisions, &members, [&current, &update]).await?;
        failed.map(|()| wake)
    }

    /// The revision of the set's template, written if there is none.
    async fn update_revision(
        &self,
        set: &StatefulSet,
        revisions: &[Arc<ControllerRevision>],
    ) -> Result<(Arc<ControllerRevision>, Option<i32>), Error> {
        let key = Key::of(set);
        let mut collisions = set.status.as_ref().and_then(|s| s.collision_count);
        loop {
            let choice = revision::choose(set, revisions, collisions).map_err(|source| Error::Serialise {
                kind: "StatefulSet".into(),
                key: key.clone(),
                source,
            })?;
            let wanted = match choice {
                revision::Choice::Use(held) => return Ok((held, collisions)),
                revision::Choice::Renumber(held, number) => {
                    let patch = serde_json::json!({"revision": number});
                    return Ok((self.ctx.revisions.patch(&held, patch).await?, collisions));
                }
                revision::Choice::Create(wanted) => wanted,
            };
            match self.ctx.revisions.create(&wanted).await {
                Ok(made) => return Ok((made, collisions)),
                Err(error) if error.is_already_exists() => {
                    let api = self.ctx.revisions.api(&key.namespace);
                    let name = revision::name(&wanted);
                    let held = api.get(name).await.map_err(|e| Error::api("get", "ControllerRevision", &key, e))?;
                    if held.data == wanted.data && held.metadata.owner_references == wanted.metadata.owner_references {
                        return Ok((Arc::new(held), collisions));
                    }
                    collisions = Some(collisions.unwrap_or(0) + 1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn run(
        &self,
        set: &StatefulSet,
        steps: Vec<Step>,
        current: &ControllerRevision,
        update: &ControllerRevision,
    ) -> Result<(), Error> {
        let steps = futures::stream::iter(steps.into_iter().map(|step| self.step(set, step, current, update)));
        let results: Vec<_> = steps.buffer_unordered(STEPS_AT_ONCE).collect().await;
        results.into_iter().collect()
    }

    async fn step(
        &self,
        set: &StatefulSet,
        step: Step,
        current: &ControllerRevision,
        update: &ControllerRevision,
    ) -> Result<(), Error> {
        match step {
            Step::Create { ordinal, current: at_current } => {
                let revision = if at_current { current } else { update };
                self.create(set, ordinal, revision).await
            }
            Step::Claims { ordinal } => self.claims(set, ordinal).await,
            Step::Identify { pod, ordinal } => {
                self.ctx.pods.patch(&pod, identity::identity_patch(&pod, ordinal)).await.map(drop)
            }
            Step::Delete { pod, reason } => self.delete(set, &pod, reason).await,
            Step::Retain { claim, owners } => {
                let patch = serde_json::json!({"metadata": {"ownerReferences": owners}});
                self.ctx.claims.patch(&claim, patch).await.map(drop)
            }
        }
    }

    async fn create(&self, set: &StatefulSet, ordinal: i32, from: &ControllerRevision) -> Result<(), Error> {
        let template = revision::template(from).unwrap_or_else(|| identity::spec(set).template);
        let pod = identity::pod(set, &template, ordinal, revision::name(from));
        let name = pod.metadata.name.clone().unwrap_or_default();
        let set_name = identity::name(set);
        let made = async {
            self.claims(set, ordinal).await?;
            self.ctx.pods.create(&pod).await
        };
        match made.await {
            Ok(_) => {
                self.event(
                    set,
                    Kind::Normal,
                    "SuccessfulCreate",
                    format!("create Pod {name} in StatefulSet {set_name} successful"),
                );
                Ok(())
            }
            Err(error) if error.is_already_exists() || error.is_namespace_terminating() => {
                // Either the cache is behind, and the next event tells; or nothing can be made here any more.
                Ok(())
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                self.event(
                    set,
                    Kind::Warning,
                    "FailedCreate",
                    format!("create Pod {name} in StatefulSet {set_name} failed error: {cause}"),
                );
                Err(error)
            }
        }
    }

    /// Makes the claims of an ordinal that are not there.
    async fn claims(&self, set: &StatefulSet, ordinal: i32) -> Result<(), Error> {
        let retention = identity::Retention::of(&identity::spec(set));
        for mut claim in identity::claims(set, ordinal) {
            let key = Key::of(&claim);
            if let Some(held) = self.ctx.claims.get(&key) {
                if held.metadata.deletion_timestamp.is_some() {
                    return Err(Error::Conflict { kind: "PersistentVolumeClaim".into(), key });
                }
                continue;
            }
            let owners = retention.owners(set, None, false, &[]);
            claim.metadata.owner_references = (!owners.is_empty()).then_some(owners);
            let (set_name, pod) = (identity::name(set), format!("{}-{ordinal}", identity::name(set)));
            match self.ctx.claims.create(&claim).await {
                Ok(_) => self.event(
                    set,
                    Kind::Normal,
                    "SuccessfulCreate",
                    format!("create Claim {} Pod {pod} in StatefulSet {set_name} success", key.name),
                ),
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn delete(&self, set: &StatefulSet, pod: &Pod, reason: Reason) -> Result<(), Error> {
        let (set_name, name) = (identity::name(set), pod.metadata.name.as_deref().unwrap_or_default());
        let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
        match reason {
            Reason::Failed => self.event(
                set,
                Kind::Warning,
                "RecreatingFailedPod",
                format!("StatefulSet {namespace}/{set_name} is recreating failed Pod {name}"),
            ),
            Reason::Succeeded => self.event(
                set,
                Kind::Normal,
                "RecreatingTerminatedPod",
                format!("StatefulSet {namespace}/{set_name} is recreating terminated Pod {name}"),
            ),
            Reason::ScaledDown | Reason::Outdated => {}
        }
        self.ctx.pods.delete(pod, DeleteParams::default()).await?;
        self.event(
            set,
            Kind::Normal,
            "SuccessfulDelete",
            format!("delete Pod {name} in StatefulSet {set_name} successful"),
        );
        Ok(())
    }

    async fn report(
        &self,
        set: &StatefulSet,
        members: BTreeMap<i32, Arc<Pod>>,
        current: &ControllerRevision,
        update: &ControllerRevision,
        collisions: Option<i32>,
    ) -> Pass {
        let (current, update) = (revision::name(current), revision::name(update));
        let (status, wake) = status::status(set, &members, current, update, collisions, self.ctx.clock.now());
        if set.status.as_ref() != Some(&status) {
            self.ctx.statefulsets.replace_status(set, &status).await?;
        }
        Ok(wake)
    }

    /// Deletes revisions beyond the history limit.
    async fn truncate(
        &self,
        set: &StatefulSet,
        revisions: &[Arc<ControllerRevision>],
        members: &[Arc<Pod>],
        in_use: [&Arc<ControllerRevision>; 2],
    ) -> Result<(), Error> {
        let mut live: HashSet<String> = members.iter().map(|p| identity::revision(p).to_owned()).collect();
        live.extend(in_use.map(|r| revision::name(r).to_owned()));
        let limit = identity::spec(set).revision_history_limit.unwrap_or(10);
        for old in revision::outdated(revisions, &live, limit) {
            self.ctx.revisions.delete(&old, DeleteParams::default()).await?;
        }
        Ok(())
    }

    fn event(&self, set: &StatefulSet, kind: Kind, reason: &str, message: String) {
        self.ctx.events.event(COMPONENT, set, kind, reason, message);
    }
}

/// The set's pods by ordinal.
fn ordered(set: &StatefulSet, members: Vec<Arc<Pod>>) -> BTreeMap<i32, Arc<Pod>> {
    members.into_iter().filter_map(|pod| Some((identity::ordinal(set, &pod)?, pod))).collect()
}
