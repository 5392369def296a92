//! The garbage collector. In: the metadata of every object of every served kind, custom ones included. Out: deletes of
//! objects whose owners are gone, and the finalizers of foreground and orphaning deletions taken off when due.
//!
//! `garbage/graph.rs` knows who depends on whom, `garbage/verdict.rs` decides, `garbage/monitors.rs` watches; this
//! file asks the API server where the graph cannot know, and acts. An owner that the graph has not seen is looked up
//! live before anything is deleted, and every write names the uid and version that it was decided on.

pub(crate) mod graph;
mod monitors;
mod verdict;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::metadata::ObjectMeta;
use tokio::sync::watch;

use super::context::{Context, MANAGER};
use super::discovery::{GroupKind, Kinds, Served};
use crate::machinery::error::Error;
use crate::machinery::informer::pinned;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::Kind;
use crate::machinery::workers::Pass;
use graph::{FOREGROUND, Graph, Known, Node, ORPHAN};
use verdict::{Verdict, verdict};

const COMPONENT: &str = "garbage-collector-controller";
/// Objects worked on at the same time, as in kube-controller-manager (`--concurrent-gc-syncs`).
const WORKERS: usize = 20;

/// What the monitors feed and the workers read.
pub(crate) struct Collector {
    ctx: Arc<Context>,
    graph: Mutex<Graph>,
    queue: Queue<String>,
    kinds: watch::Receiver<Kinds>,
}

/// Starts the collector on the kinds that `kinds` announces.
pub(crate) fn start(ctx: &Arc<Context>, kinds: watch::Receiver<Kinds>) {
    let collector =
        Arc::new(Collector { ctx: ctx.clone(), graph: Mutex::default(), queue: Queue::new(), kinds: kinds.clone() });
    let synced = monitors::start(collector.clone(), kinds);
    let queue = collector.queue.clone();
    ctx.tasks.work(COMPONENT, &queue, WORKERS, synced, move |uid| {
        let collector = collector.clone();
        async move { collector.pass(&uid).await }
    });
}

impl Collector {
    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object as a watch shows it.
    pub(crate) fn seen(&self, kind: &GroupKind, meta: &ObjectMeta) {
        let node = Node::new(kind.clone(), meta);
        let (look, misplaced) = {
            let mut graph = self.graph();
            let new = !node.owners.is_empty() && graph.get(&node.uid).is_none_or(|old| old.owners != node.owners);
            let misplaced = if new { graph.misplaced_owners(&node) } else { Vec::new() };
            (graph.upsert(node.clone()), misplaced)
        };
        for owner in misplaced {
            self.report_misplaced(&node, &owner);
        }
        look.into_iter().for_each(|uid| self.queue.add(uid));
    }

    /// Takes the news that objects are gone.
    pub(crate) fn gone(&self, uids: impl IntoIterator<Item = String>) {
        for uid in uids {
            let look = self.graph().remove(&uid);
            look.into_iter().for_each(|uid| self.queue.add(uid));
        }
    }

    fn report_misplaced(&self, node: &Node, owner: &OwnerReference) {
        let object = ObjectReference {
            kind: Some(node.kind.kind.clone()),
            api_version: self.served(&node.kind).map(|s| s.resource.api_version),
            namespace: Some(node.namespace.clone()),
            name: Some(node.name.clone()),
            uid: Some(node.uid.clone()),
            ..ObjectReference::default()
        };
        let message = format!(
            "ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace \"{}\"",
            owner.api_version, owner.kind, node.namespace, owner.name, owner.uid, node.namespace
        );
        self.ctx.events.about(COMPONENT, object, Kind::Warning, "OwnerRefInvalidNamespace", message);
    }

    fn served(&self, kind: &GroupKind) -> Option<Served> {
        self.kinds.borrow().get(kind).cloned()
    }

    /// One look at one object.
    async fn pass(&self, uid: &str) -> Pass {
        let Some(node) = self.graph().get(uid).cloned() else { return Ok(None) };
        let key = Key::new(&node.namespace, &node.name);
        let Some(served) = self.served(&node.kind) else { return Ok(None) };
        if node.deleting && node.orphan {
            self.orphan_dependents(&node).await?;
            self.drop_finalizer(&served, &key, &node, ORPHAN).await?;
            return Ok(None);
        }
        if node.waits_for_dependents() {
            let (blocked, dependents) = {
                let graph = self.graph();
                (!graph.blocking(uid).is_empty(), graph.dependents_of(uid))
            };
            if !blocked {
                self.drop_finalizer(&served, &key, &node, FOREGROUND).await?;
                return Ok(None);
            }
            dependents.into_iter().for_each(|d| self.queue.add(d));
            // It may itself depend on an owner in a circle; the dependents get their look, that breaks it.
            return Ok(None);
        }
        if node.deleting || node.owners.is_empty() {
            return Ok(None);
        }
        self.judge(&served, &key, &node).await
    }

    /// Decides about an object that has owners and is not being deleted.
    async fn judge(&self, served: &Served, key: &Key, node: &Node) -> Pass {
        if self.owners(key, &node.owners, false).await?.iter().all(|(_, known)| *known == Known::Alive) {
            return Ok(None);
        }
        // The graph may lag; the live object decides.
        let api = served.api(&self.ctx.client, &node.namespace);
        let live = api.get_metadata_opt(&node.name).await.map_err(|e| Error::api("get", &node.kind.kind, key, e))?;
        let Some(live) = live.filter(|l| l.metadata.uid.as_deref() == Some(node.uid.as_str())) else {
            return Ok(None);
        };
        let live = Node::new(node.kind.clone(), &live.metadata);
        if live.deleting || live.owners.is_empty() {
            return Ok(None);
        }
        let owners = self.owners(key, &live.owners, true).await?;
        let verdict = {
            let graph = self.graph();
            let dependents = graph.dependents_of(&live.uid);
            let dependents: Vec<&Node> = dependents.iter().filter_map(|d| graph.get(d)).collect();
            verdict(&live, &owners, &dependents)
        };
        match verdict {
            Verdict::Keep => Ok(None),
            Verdict::Unreference(gone) => {
                let rest: Vec<_> = live.owners.iter().filter(|o| !gone.contains(o)).collect();
                self.write(served, key, &live, serde_json::json!({"metadata": {"ownerReferences": rest}})).await?;
                Ok(None)
            }
            Verdict::Delete { policy, unblock } => {
                let mut version = live.version.clone();
                if unblock {
                    let references: Vec<_> = live
                        .owners
                        .iter()
                        .map(|o| OwnerReference { block_owner_deletion: Some(false), ..o.clone() })
                        .collect();
                    let patch = serde_json::json!({"metadata": {"ownerReferences": references}});
                    version = self.write(served, key, &live, patch).await?.unwrap_or(version);
                }
                self.delete(served, key, &live, version, policy).await?;
                Ok(None)
            }
        }
    }

    /// What is known of each owner; with `ask`, the API server is asked about those that the graph does not know.
    async fn owners(
        &self,
        key: &Key,
        owners: &[OwnerReference],
        ask: bool,
    ) -> Result<Vec<(OwnerReference, Known)>, Error> {
        let mut known = Vec::with_capacity(owners.len());
        for owner in owners {
            let kind = GroupKind::of(&owner.api_version, &owner.kind);
            let Some(served) = self.served(&kind) else {
                // A kind that was served until a moment ago took its objects with it.
                if self.graph().known(owner, &key.namespace, true) == Known::Absent {
                    known.push((owner.clone(), Known::Absent));
                    continue;
                }
                return Err(Error::UnknownKind {
                    key: key.clone(),
                    api_version: owner.api_version.clone(),
                    kind: owner.kind.clone(),
                });
            };
            if served.namespaced && key.namespace.is_empty() {
                return Err(Error::NamespacedOwner { key: key.clone(), owner: owner.name.clone() });
            }
            let state = self.graph().known(owner, &key.namespace, served.namespaced);
            let state = match state {
                Known::Unknown if ask => self.look_up(&served, key, owner).await?,
                state => state,
            };
            known.push((owner.clone(), state));
        }
        Ok(known)
    }

    async fn look_up(&self, served: &Served, key: &Key, owner: &OwnerReference) -> Result<Known, Error> {
        let api = served.api(&self.ctx.client, &key.namespace);
        let live = api.get_metadata_opt(&owner.name).await;
        let live = live.map_err(|e| Error::api("get the owner of", &owner.kind, key, e))?;
        match live.filter(|l| l.metadata.uid.as_deref() == Some(owner.uid.as_str())) {
            Some(live) => {
                let node = Node::new(GroupKind::of(&owner.api_version, &owner.kind), &live.metadata);
                Ok(if node.waits_for_dependents() { Known::WaitsForDependents } else { Known::Alive })
            }
            None => {
                let namespace = if served.namespaced { key.namespace.clone() } else { String::new() };
                self.graph().remember_absent(namespace, owner.uid.clone());
                Ok(Known::Absent)
            }
        }
    }

    /// Takes the references to `owner` off all its dependents, so that they outlive it.
    async fn orphan_dependents(&self, owner: &Node) -> Result<(), Error> {
        let dependents: Vec<Node> = {
            let graph = self.graph();
            graph.dependents_of(&owner.uid).iter().filter_map(|d| graph.get(d).cloned()).collect()
        };
        let work = dependents.into_iter().map(|dependent| async move {
            let Some(served) = self.served(&dependent.kind) else { return Ok(()) };
            let key = Key::new(&dependent.namespace, &dependent.name);
            let rest: Vec<_> = dependent.owners.iter().filter(|o| o.uid != owner.uid).collect();
            let patch = serde_json::json!({"metadata": {"ownerReferences": rest}});
            match self.write(&served, &key, &dependent, patch).await {
                Err(Error::Conflict { .. }) => self.orphan_live(&served, &key, &dependent, owner).await,
                other => other.map(drop),
            }
        });
        futures::future::join_all(work).await.into_iter().collect()
    }

    /// The same with the object as it is now, when the graph's copy was out of date.
    async fn orphan_live(&self, served: &Served, key: &Key, dependent: &Node, owner: &Node) -> Result<(), Error> {
        let api = served.api(&self.ctx.client, &dependent.namespace);
        let live = api.get_metadata_opt(&dependent.name).await;
        let live = live.map_err(|e| Error::api("get", &dependent.kind.kind, key, e))?;
        let Some(live) = live.filter(|l| l.metadata.uid.as_deref() == Some(dependent.uid.as_str())) else {
            return Ok(());
        };
        let live = Node::new(dependent.kind.clone(), &live.metadata);
        let rest: Vec<_> = live.owners.iter().filter(|o| o.uid != owner.uid).collect();
        self.write(served, key, &live, serde_json::json!({"metadata": {"ownerReferences": rest}})).await.map(drop)
    }

    async fn drop_finalizer(&self, served: &Served, key: &Key, node: &Node, finalizer: &str) -> Result<(), Error> {
        let api = served.api(&self.ctx.client, &node.namespace);
        let live = api.get_metadata_opt(&node.name).await.map_err(|e| Error::api("get", &node.kind.kind, key, e))?;
        let Some(live) = live.filter(|l| l.metadata.uid.as_deref() == Some(node.uid.as_str())) else {
            return Ok(());
        };
        let held = live.metadata.finalizers.clone().unwrap_or_default();
        if !held.iter().any(|f| f == finalizer) {
            return Ok(());
        }
        let rest: Vec<_> = held.into_iter().filter(|f| f != finalizer).collect();
        let live = Node::new(node.kind.clone(), &live.metadata);
        self.write(served, key, &live, serde_json::json!({"metadata": {"finalizers": rest}})).await.map(drop)
    }

    /// Patches exactly the object and version that was read; one that is gone is a success. Returns the new version.
    async fn write(
        &self,
        served: &Served,
        key: &Key,
        read: &Node,
        patch: serde_json::Value,
    ) -> Result<Option<String>, Error> {
        let meta = ObjectMeta {
            uid: Some(read.uid.clone()),
            resource_version: Some(read.version.clone()),
            ..ObjectMeta::default()
        };
        let api = served.api(&self.ctx.client, &read.namespace);
        let patch = Patch::Merge(pinned(&meta, patch));
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch_metadata(&read.name, &params, &patch).await {
            Ok(answer) => Ok(answer.metadata.resource_version),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(Error::api("patch", &read.kind.kind, key, error)),
        }
    }

    async fn delete(
        &self,
        served: &Served,
        key: &Key,
        node: &Node,
        version: String,
        policy: PropagationPolicy,
    ) -> Result<(), Error> {
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions { uid: Some(node.uid.clone()), resource_version: Some(version) }),
            ..DeleteParams::default()
        };
        match served.api(&self.ctx.client, &node.namespace).delete(&node.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(Error::api("delete", &node.kind.kind, key, error)),
        }
    }
}
