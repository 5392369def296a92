//! Kinds that somebody needs come in; the cache is filled with them. Each kind is watched once, however many need it.
//!
//! A kind that the API server does not serve is parked alone and resumes when it appears (D8). One that we may not see
//! is named in the cache's [`Sync`] and in the log.

use super::cache::{Cache, Change, Feed, Sync};
use super::discovery::{Discovery, DiscoveryError, Resource};
use super::feed::{Ended, ListWatch, Shared, Sink};
use super::fingerprint::FingerprintKey;
use super::object::{DecodeError, Object};
use super::page;
use crate::client::DEADLINE;
use crate::entropy::Entropy;
use crate::serve::Metrics;
use model::{Kind, ObjectKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// How often it is asked whether a parked kind is served by now, at the least.
const PARKED: Duration = Duration::from_secs(30);

/// The kind of definitions: a change of one may change how kinds are served.
pub fn definitions() -> Kind {
    Kind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
}

/// Why a live read gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not known how the kind is served.
    #[error("cannot read {key}")]
    Discovery {
        /// The object.
        key: ObjectKey,
        /// Why.
        #[source]
        source: DiscoveryError,
    },
    /// No answer in time.
    #[error("no answer within 30 s about {0}")]
    Timeout(ObjectKey),
    /// The API server refused or could not be reached.
    #[error("cannot read {key}")]
    Failed {
        /// The object.
        key: ObjectKey,
        /// What the client said.
        #[source]
        source: kube::Error,
    },
    /// The answer is no such object.
    #[error("cannot read {key}")]
    Unreadable {
        /// The object.
        key: ObjectKey,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
}

/// What watches are made of.
pub struct Options {
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// How often everything is listed again, though no event was missed as far as we know.
    pub resync: Duration,
    /// Makes fingerprints of Secret values.
    pub key: FingerprintKey,
}

/// The watches of one host. Dropping it ends them.
pub struct Watches {
    shared: Shared,
    namespaces: Arc<[String]>,
    discovery: Arc<Discovery>,
    appeared: Arc<Notify>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    kinds: HashMap<Kind, AbortHandle>,
    tasks: JoinSet<()>,
}

impl Watches {
    /// Watches nothing yet. Each change goes to `sink`, after the cache has it.
    pub fn new(
        client: kube::Client,
        cache: Arc<Cache>,
        options: Options,
        entropy: Arc<Entropy>,
        metrics: Arc<Metrics>,
        sink: Sink,
    ) -> Self {
        let Options { namespaces, resync, key } = options;
        let discovery = Arc::new(Discovery::new(client.clone()));
        let appeared = Arc::new(Notify::new());
        let sink = with_definitions(sink, discovery.clone(), appeared.clone());
        let shared = Shared { client, cache, key, entropy, metrics, resync, sink };
        Watches { shared, namespaces: namespaces.into(), discovery, appeared, running: Mutex::default() }
    }

    /// How kinds are served.
    pub fn discovery(&self) -> &Arc<Discovery> {
        &self.discovery
    }

    /// Sees to it that a kind is watched. Whether its view is complete, [`Cache::sync`] tells.
    pub fn ensure(&self, kind: &Kind) {
        let mut running = self.lock();
        // What ended by itself is taken out, so that the set does not grow.
        while running.tasks.try_join_next().is_some() {}
        if running.kinds.get(kind).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let scoped = Feed { kind: kind.clone(), namespace: None };
        self.shared.cache.set_sync(&scoped, Sync::Listing);
        let watch = Watch {
            kind: kind.clone(),
            shared: self.shared.clone(),
            namespaces: self.namespaces.clone(),
            discovery: self.discovery.clone(),
            appeared: self.appeared.clone(),
        };
        let task = running.tasks.spawn(async move { watch.run().await });
        running.kinds.insert(kind.clone(), task);
    }

    /// Ends the watches of all kinds but those that are needed, and forgets their objects.
    pub fn retain(&self, needed: impl Fn(&Kind) -> bool) {
        let mut running = self.lock();
        let stopped: Vec<Kind> = running.kinds.keys().filter(|kind| !needed(kind)).cloned().collect();
        for kind in stopped {
            if let Some(task) = running.kinds.remove(&kind) {
                task.abort();
            }
            self.shared.cache.forget_kind(&kind);
        }
    }

    /// Ends all watches at once. What was seen stays in the cache.
    pub fn stop(&self) {
        self.lock().tasks.abort_all();
    }

    /// The kinds that are watched.
    pub fn kinds(&self) -> Vec<Kind> {
        self.lock().kinds.keys().cloned().collect()
    }

    /// Something was installed: parked kinds are asked for again now.
    pub fn look_again(&self, group: &str) {
        self.discovery.forget(group);
        self.appeared.notify_waiters();
    }

    /// A definition came, went or changed. The cache has it by then.
    pub fn definitions_changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.appeared.notified()
    }

    /// Reads one object from the API server itself and puts the answer into the cache. For what must not be stale:
    /// before something is destroyed, and when an event is overdue (B5).
    ///
    /// # Errors
    /// When there is no answer; the cache stays as it is.
    pub async fn refresh(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, ReadError> {
        let object = self.read(key).await?;
        if let Some(change) = self.shared.cache.reread(key, object.clone()) {
            (self.shared.sink)(&change);
        }
        Ok(object.map(Arc::new))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<Object>, ReadError> {
        let resolved = self.discovery.resolve(&key.kind).await;
        let resource = resolved.map_err(|source| ReadError::Discovery { key: key.clone(), source })?;
        let Some(resource) = resource else { return Ok(None) };
        let failed = |source| ReadError::Failed { key: key.clone(), source };
        let path = resource.path(key.namespace.as_deref(), Some(&key.name));
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| failed(kube::Error::HttpError(error)))?;
        match tokio::time::timeout(DEADLINE, self.shared.client.request_text(request)).await {
            Err(_) => Err(ReadError::Timeout(key.clone())),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(source)) => Err(failed(source)),
            Ok(Ok(text)) => Object::decode(&key.kind, &text, &self.shared.key)
                .map(Some)
                .map_err(|source| ReadError::Unreadable { key: key.clone(), source }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sink that hears of changed definitions as well.
fn with_definitions(sink: Sink, discovery: Arc<Discovery>, appeared: Arc<Notify>) -> Sink {
    let definitions = definitions();
    Arc::new(move |change: &Change| {
        if let Some(object) = change.object().filter(|object| object.key.kind == definitions) {
            // A definition is named `PLURAL.GROUP`.
            let group = object.key.name.split_once('.').map_or("", |(_, group)| group);
            discovery.forget(group);
            appeared.notify_waiters();
        }
        sink(change);
    })
}

/// The watch of one kind over its whole life.
struct Watch {
    kind: Kind,
    shared: Shared,
    namespaces: Arc<[String]>,
    discovery: Arc<Discovery>,
    appeared: Arc<Notify>,
}

impl Watch {
    async fn run(&self) {
        loop {
            let resource = self.resolve().await;
            let feeds = self.feeds(&resource);
            for feed in &feeds {
                self.shared.cache.set_sync(feed, Sync::Listing);
            }
            if feeds.iter().all(|feed| feed.namespace.is_some()) {
                self.shared.cache.forget(&Feed { kind: self.kind.clone(), namespace: None });
            }
            let watches: Vec<_> = feeds
                .into_iter()
                .map(|feed| ListWatch { shared: self.shared.clone(), feed, resource: resource.clone() })
                .collect();
            let running = watches.iter().map(|watch| Box::pin(watch.run()));
            let (Ended::NotServed, _, others) = futures::future::select_all(running).await;
            drop(others);
            self.discovery.forget(&self.kind.group);
            // A short pause, in case the server contradicts itself.
            tokio::time::sleep(self.shared.entropy.jitter(Duration::from_secs(1), 0.5)).await;
        }
    }

    /// Waits until the API server serves the kind.
    async fn resolve(&self) -> Resource {
        let mut failures = 0_u32;
        loop {
            let appeared = self.appeared.notified();
            match self.discovery.resolve(&self.kind).await {
                Ok(Some(resource)) => return resource,
                Ok(None) => {
                    if self.shared.cache.sync(&self.kind) != Sync::Missing {
                        tracing::info!(kind = %self.kind, "the API server does not serve this kind, waiting for it");
                    }
                    self.gone();
                    failures = 0;
                    let longest = self.shared.entropy.jitter(PARKED, 0.3);
                    let _ = tokio::time::timeout(longest, appeared).await;
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(kind = %self.kind, "{}", page::chain(&error));
                    let pause = Duration::from_millis(250).saturating_mul(1 << failures.min(7));
                    tokio::time::sleep(self.shared.entropy.jitter(pause, 0.5)).await;
                }
            }
        }
    }

    /// Discovery says that there is no such kind: there are no such objects either.
    fn gone(&self) {
        let everywhere = Feed { kind: self.kind.clone(), namespace: None };
        for change in self.shared.cache.replace(&everywhere, Vec::new(), &[], None) {
            (self.shared.sink)(&change);
        }
        self.shared.cache.forget_kind(&self.kind);
        self.shared.cache.set_sync(&everywhere, Sync::Missing);
    }

    fn feeds(&self, resource: &Resource) -> Vec<Feed> {
        let feed = |namespace: Option<&String>| Feed { kind: self.kind.clone(), namespace: namespace.cloned() };
        if resource.namespaced && !self.namespaces.is_empty() {
            self.namespaces.iter().map(|namespace| feed(Some(namespace))).collect()
        } else {
            vec![feed(None)]
        }
    }
}
