//! One metadata watch per served kind. In: the served kinds, as they come and go. Out: a fed graph, and the signal
//! that every kind served at the start has been listed once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt};
use kube::Api;
use kube::api::DynamicObject;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Collector;
use crate::controllers::discovery::{GroupKind, Kinds, Served};

/// Seconds that one watch request lasts.
const WATCH_SECONDS: u32 = 230;
/// How long the collector waits for the first lists; a kind that cannot be listed must not stop it for ever, since
/// every owner that it has not seen is looked up live anyway.
const FIRST_LISTS: Duration = Duration::from_secs(5);

/// Starts the watches and keeps them in line with the served kinds.
pub(super) fn start(collector: Arc<Collector>, mut kinds: watch::Receiver<Kinds>) -> Shared<BoxFuture<'static, ()>> {
    let (first, synced) = oneshot::channel();
    let tasks = collector.ctx.tasks.clone();
    let spawner = tasks.clone();
    tasks.spawn(async move {
        let mut running: BTreeMap<GroupKind, (Served, DropGuard)> = BTreeMap::new();
        let mut first = Some(first);
        loop {
            let served = kinds.borrow_and_update().clone();
            if !served.is_empty() {
                let mut listed = Vec::new();
                let ended: Vec<GroupKind> = running.keys().filter(|k| !served.contains_key(*k)).cloned().collect();
                for kind in ended {
                    running.remove(&kind);
                    let uids = collector.graph().of_kind(&kind);
                    collector.gone(uids);
                }
                for (kind, served) in served.iter().filter(|(kind, _)| watched(kind)) {
                    if running.get(kind).is_some_and(|(held, _)| held.resource == served.resource) {
                        continue;
                    }
                    let token = CancellationToken::new();
                    let (done, wait) = oneshot::channel();
                    listed.push(wait);
                    let monitor = Monitor {
                        collector: collector.clone(),
                        kind: kind.clone(),
                        api: Api::all_with(collector.ctx.client.clone(), &served.resource),
                        done: Some(done),
                    };
                    let ended = token.clone();
                    spawner.spawn(async move {
                        tokio::select! {
                            () = ended.cancelled() => {}
                            () = monitor.run() => {}
                        }
                    });
                    running.insert(kind.clone(), (served.clone(), token.drop_guard()));
                }
                if let Some(first) = first.take() {
                    let _ = tokio::time::timeout(FIRST_LISTS, futures::future::join_all(listed)).await;
                    let _ = first.send(());
                }
            }
            if kinds.changed().await.is_err() {
                return;
            }
        }
    });
    synced.map(drop).boxed().shared()
}

/// Events have no owners and change all the time; kube-controller-manager leaves them out as well.
fn watched(kind: &GroupKind) -> bool {
    kind.kind != "Event"
}

struct Monitor {
    collector: Arc<Collector>,
    kind: GroupKind,
    api: Api<PartialObjectMeta<DynamicObject>>,
    done: Option<oneshot::Sender<()>>,
}

impl Monitor {
    async fn run(mut self) {
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        let events = watcher(self.api.clone(), config).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut listed: HashSet<String> = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    listed.extend(object.metadata.uid.clone());
                    self.collector.seen(&self.kind, &object.metadata);
                }
                Ok(watcher::Event::InitDone) => {
                    let held = self.collector.graph().of_kind(&self.kind);
                    self.collector.gone(held.into_iter().filter(|uid| !listed.contains(uid)));
                    if let Some(done) = self.done.take() {
                        let _ = done.send(());
                    }
                }
                Ok(watcher::Event::Apply(object)) => self.collector.seen(&self.kind, &object.metadata),
                Ok(watcher::Event::Delete(object)) => self.collector.gone(object.metadata.uid),
                Err(error) => tracing::debug!(kind = self.kind.kind, %error, "watch failed, will retry"),
            }
        }
    }
}
