//! The end of a `Plugin`, as its deletion policy says. Users' resources are never deleted unless the policy says so, and
//! then by ordinary deletes, so that each is torn down in its order.

use super::keeper::Keeper;
use super::tell::path;
use super::{kinds_named, kinds_of_status};
use crate::install::definition::ANNOTATION_DIGEST;
use crate::plugins::PluginSpec;
use crate::plugins::resource::condition::{Stage, Stopped};
use crate::plugins::resource::{DeletionPolicy, FINALIZER};
use crate::watch::Object;
use crate::watch::cache::Sync;
use crate::watch::page::chain;
use crate::watch::watches::definitions;
use http::Request;
use model::{Kind, ObjectKey};
use serde_json::{Value, json};
use std::time::Duration;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How soon it is looked whether resources are gone.
const AGAIN: Duration = Duration::from_millis(500);

impl Keeper<'_> {
    /// Puts the finalizer on a `Plugin` whose policy needs it, and takes it off one whose policy does not.
    pub async fn finalize(&self, plugin: &Object, spec: &PluginSpec) -> Result<(), Stopped> {
        let needed = spec.deletion_policy != DeletionPolicy::Retain;
        let has = plugin.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        if needed == has {
            return Ok(());
        }
        self.set_finalizer(plugin, needed).await.map_err(|error| Stopped {
            stage: Stage::Fetched,
            reason: "FinalizerNotSet".into(),
            message: format!("cannot set the finalizer that spec.deletionPolicy needs: {}", chain(&error)),
            may_pass: true,
        })
    }

    async fn set_finalizer(&self, plugin: &Object, needed: bool) -> kube::Result<()> {
        let mut finalizers: Vec<_> = plugin.finalizers.iter().filter(|other| *other != FINALIZER).cloned().collect();
        finalizers.extend(needed.then(|| FINALIZER.to_owned()));
        // With the uid: another Plugin of this name has finalizers of its own.
        let patch = json!({ "metadata": { "uid": plugin.uid, "finalizers": finalizers } });
        match self.patch(&path(&self.name), &patch).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One step towards the end; when to take the next.
    pub async fn remove(&mut self, plugin: &Object) -> Duration {
        if !plugin.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            // Somebody else's finalizer holds it. The host has nothing left to do.
            self.retire();
            return Duration::from_secs(3600);
        }
        let document = plugin.value();
        // A spec that cannot be read deletes nothing.
        let policy = PluginSpec::read(&document).map_or(DeletionPolicy::Retain, |spec| spec.deletion_policy);
        if policy == DeletionPolicy::Retain {
            self.retire();
            return self.finish(plugin).await;
        }
        let served = kinds_of_status(&document);
        let mut left = Vec::new();
        for kind in kinds_named(&served) {
            match self.resources(&kind) {
                Some(resources) => left.extend(resources),
                None => return AGAIN,
            }
        }
        if left.is_empty() {
            for kind in &served {
                if !self.delete_definition(&kind.definition).await {
                    return AGAIN;
                }
            }
            self.retire();
            return self.finish(plugin).await;
        }
        if policy == DeletionPolicy::DeleteResources {
            for key in &left {
                self.delete_resource(key).await;
            }
        }
        let message = format!("the Plugin is being deleted, and waits for {} resources: {}", left.len(), names(&left));
        self.last.stopped = Some(Stopped { stage: Stage::Serving, reason: "Deleting".into(), message, may_pass: true });
        self.tell(plugin).await;
        AGAIN
    }

    /// Resources of a kind; none while that is not known.
    fn resources(&self, kind: &Kind) -> Option<Vec<ObjectKey>> {
        let host = self.shared.host;
        match host.cache.sync(kind) {
            Sync::Unwatched => {
                host.watches.ensure(kind);
                None
            }
            Sync::Listing | Sync::Forbidden(_) => None,
            Sync::Missing => Some(Vec::new()),
            Sync::Synced => Some(host.cache.keys(kind)),
        }
    }

    async fn delete_resource(&self, key: &ObjectKey) {
        let host = self.shared.host;
        let Some(object) = host.cache.get(key).filter(|object| !object.is_deleting()) else { return };
        let Ok(Some(resource)) = host.watches.discovery().resolve(&key.kind).await else { return };
        let preconditions = json!({ "preconditions": { "uid": object.uid } });
        self.delete(&resource.path(key.namespace.as_deref(), Some(&key.name)), &preconditions).await;
    }

    /// Deletes a definition that the host installed and nobody else claims. False where it has to be tried again.
    async fn delete_definition(&self, name: &str) -> bool {
        let host = self.shared.host;
        let key = ObjectKey { kind: definitions(), namespace: None, name: name.to_owned() };
        let Some(definition) = host.cache.get(&key) else { return true };
        let ours = definition.annotations.contains_key(ANNOTATION_DIGEST);
        if !ours || !host.claims.rivals(&self.seniority, name).is_empty() || definition.is_deleting() {
            return true;
        }
        self.delete(&format!("{DEFINITIONS}/{name}"), &json!({ "preconditions": { "uid": definition.uid } })).await
    }

    async fn delete(&self, path: &str, options: &Value) -> bool {
        let request = Request::delete(path).header(http::header::CONTENT_TYPE, "application/json");
        let Ok(request) = request.body(options.to_string().into_bytes()) else { return false };
        match self.shared.host.client.request_text(request).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.code == 404 => true,
            Err(error) => {
                tracing::warn!(plugin = self.name, "{path} was not deleted: {}", chain(&error));
                false
            }
        }
    }

    async fn finish(&self, plugin: &Object) -> Duration {
        match self.set_finalizer(plugin, false).await {
            Ok(()) => Duration::from_secs(5),
            Err(error) => {
                tracing::warn!(plugin = self.name, "the finalizer was not taken off: {}", chain(&error));
                AGAIN
            }
        }
    }
}

fn names(keys: &[ObjectKey]) -> String {
    let mut names: Vec<_> = keys.iter().take(5).map(ToString::to_string).collect();
    names.extend((keys.len() > 5).then(|| "…".to_owned()));
    names.join(", ")
}
