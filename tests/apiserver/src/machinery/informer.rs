//! One watch per kind, shared by every controller that needs it. In: a client. Out: an indexed store, change
//! notifications, and writes whose answers go straight into the store, so that no pass acts on a view older than its
//! own writes.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::serde::{Serialize, de::DeserializeOwned};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::metadata::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::watch;

use super::error::Error;
use super::key::Key;
use super::store::{Change, Store};
use super::workers::Tasks;

/// Seconds that one watch request lasts; real API servers close longer ones at a time of their own choosing.
const WATCH_SECONDS: u32 = 230;

/// What the informers require of a kind.
pub(crate) trait Kind:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}
impl<K> Kind for K where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

type Handler<K> = Box<dyn Fn(Option<&Arc<K>>, Option<&Arc<K>>) + Send + Sync>;
type ApiIn<K> = Box<dyn Fn(&str) -> Api<K> + Send + Sync>;

/// The shared view of one kind.
pub(crate) struct Informer<K: Kind> {
    all: Api<K>,
    api: ApiIn<K>,
    store: Store<K>,
    handlers: Mutex<Vec<Handler<K>>>,
    synced: watch::Sender<bool>,
    manager: &'static str,
}

impl<K: Kind> std::ops::Deref for Informer<K> {
    type Target = Store<K>;
    fn deref(&self) -> &Store<K> {
        &self.store
    }
}

impl<K: Kind> Informer<K> {
    fn new(client: &Client, api: ApiIn<K>, manager: &'static str) -> Arc<Self> {
        Arc::new(Self {
            all: Api::all(client.clone()),
            api,
            store: Store::new(),
            handlers: Mutex::default(),
            synced: watch::channel(false).0,
            manager,
        })
    }

    /// An informer of a namespaced kind, over all namespaces. Writes are made in the name of `manager`.
    pub(crate) fn namespaced(client: &Client, manager: &'static str) -> Arc<Self>
    where
        K: Resource<Scope = NamespaceResourceScope>,
    {
        let held = client.clone();
        Self::new(client, Box::new(move |namespace| Api::namespaced(held.clone(), namespace)), manager)
    }

    /// An informer of a cluster-scoped kind. Writes are made in the name of `manager`.
    pub(crate) fn cluster(client: &Client, manager: &'static str) -> Arc<Self>
    where
        K: Resource<Scope = ClusterResourceScope>,
    {
        let held = client.clone();
        Self::new(client, Box::new(move |_| Api::all(held.clone())), manager)
    }

    fn post(&self) -> PostParams {
        PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() }
    }

    /// Calls `handler` with the object before and after each change. Register before [`Informer::run`].
    pub(crate) fn on_change(&self, handler: impl Fn(Option<&Arc<K>>, Option<&Arc<K>>) + Send + Sync + 'static) {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(handler));
    }

    /// Forgets every handler. They hold what holds this informer, so without this nothing of both would be freed.
    pub(crate) fn forget_handlers(&self) {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The kind's name, for messages.
    pub(crate) fn kind(&self) -> String {
        K::kind(&()).into_owned()
    }

    /// The API of one namespace.
    pub(crate) fn api(&self, namespace: &str) -> Api<K> {
        (self.api)(namespace)
    }

    /// Starts the watch.
    pub(crate) fn run(self: &Arc<Self>, tasks: &Tasks) {
        let informer = self.clone();
        tasks.spawn(async move { informer.watch().await });
    }

    /// Resolves once the first complete list is in the store.
    pub(crate) async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        // An error means that the informer is gone, and with it everybody who waits.
        let _ = synced.wait_for(|done| *done).await;
    }

    async fn watch(&self) {
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        let events = watcher(self.all.clone(), config).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut list = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => list.clear(),
                Ok(watcher::Event::InitApply(object)) => list.push(trimmed(object)),
                Ok(watcher::Event::InitDone) => {
                    for change in self.store.replaced(std::mem::take(&mut list)) {
                        self.tell(&change);
                    }
                    self.synced.send_replace(true);
                }
                Ok(watcher::Event::Apply(object)) => {
                    if let Some(change) = self.store.applied(trimmed(object)) {
                        self.tell(&change);
                    }
                }
                Ok(watcher::Event::Delete(object)) => self.tell(&self.store.deleted(trimmed(object))),
                Err(error) => tracing::debug!(kind = self.kind(), %error, "watch failed, will retry"),
            }
        }
    }

    fn tell(&self, change: &Change<K>) {
        for handler in self.handlers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            handler(change.old.as_ref(), change.new.as_ref());
        }
    }

    /// Creates an object.
    pub(crate) async fn create(&self, object: &K) -> Result<Arc<K>, Error> {
        let key = Key::of(object);
        let made = self.api(&key.namespace).create(&self.post(), object).await;
        Ok(self.keep(made.map_err(|e| Error::api("create", &self.kind(), &key, e))?))
    }

    /// Merges `patch` into an object as long as it is still the one, and the version, that was read.
    pub(crate) async fn patch(&self, read: &K, patch: serde_json::Value) -> Result<Arc<K>, Error> {
        let key = Key::of(read);
        let body = Patch::Merge(pinned(read.meta(), patch));
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let answer = self.api(&key.namespace).patch(&key.name, &params, &body).await;
        Ok(self.keep(answer.map_err(|e| Error::api("patch", &self.kind(), &key, e))?))
    }

    /// The same through the status subresource, which leaves the generation alone.
    pub(crate) async fn patch_status(&self, read: &K, patch: serde_json::Value) -> Result<Arc<K>, Error> {
        let key = Key::of(read);
        let body = Patch::Merge(pinned(read.meta(), patch));
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let answer = self.api(&key.namespace).patch_status(&key.name, &params, &body).await;
        Ok(self.keep(answer.map_err(|e| Error::api("patch the status of", &self.kind(), &key, e))?))
    }

    /// Replaces the status of an object as long as it is still the one, and the version, that was read.
    pub(crate) async fn replace_status<S: Serialize>(&self, read: &K, status: &S) -> Result<Arc<K>, Error> {
        let key = Key::of(read);
        let serialise = |source| Error::Serialise { kind: self.kind(), key: key.clone(), source };
        let mut whole = serde_json::to_value(read).map_err(serialise)?;
        whole["status"] = serde_json::to_value(status).map_err(serialise)?;
        let whole: K = serde_json::from_value(whole).map_err(serialise)?;
        let answer = self.api(&key.namespace).replace_status(&key.name, &self.post(), &whole).await;
        Ok(self.keep(answer.map_err(|e| Error::api("update the status of", &self.kind(), &key, e))?))
    }

    /// Deletes exactly the object that was read (uid precondition). One that is gone already is a success.
    pub(crate) async fn delete(&self, read: &K, params: DeleteParams) -> Result<(), Error> {
        let key = Key::of(read);
        let uid = read.meta().uid.clone().unwrap_or_default();
        let params = params.preconditions(Preconditions { uid: Some(uid.clone()), resource_version: None });
        match self.api(&key.namespace).delete(&key.name, &params).await {
            Ok(either) => {
                either.map_left(|object| match still_there(object.meta()) {
                    true => drop(self.keep(object)),
                    false => self.store.removed(&key, &uid),
                });
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                self.store.removed(&key, &uid);
                Ok(())
            }
            Err(error) => Err(Error::api("delete", &self.kind(), &key, error)),
        }
    }

    fn keep(&self, object: K) -> Arc<K> {
        let object = trimmed(object);
        self.store.wrote(object.clone());
        object
    }
}

/// Whether the answer to a delete shows an object that waits (for finalizers or its grace period) or the last state of
/// one that is gone. A pod that goes at once also comes back with a deletion time, but with no grace period left.
fn still_there(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
        && (meta.finalizers.iter().flatten().next().is_some() || meta.deletion_grace_period_seconds.unwrap_or(0) > 0)
}

/// Adds the uid and resource version that were read, so that the API server refuses the patch on any other object.
pub(crate) fn pinned(read: &ObjectMeta, mut patch: serde_json::Value) -> serde_json::Value {
    patch["metadata"]["uid"] = read.uid.clone().into();
    patch["metadata"]["resourceVersion"] = read.resource_version.clone().into();
    patch
}

/// Drops what no controller reads and what often is the larger part of an object.
fn trimmed<K: Resource>(mut object: K) -> Arc<K> {
    object.meta_mut().managed_fields = None;
    Arc::new(object)
}
