//! Keeps the list of served kinds up to date. In: CustomResourceDefinitions as they come, go and become established.
//! Out: a channel with the kinds now served.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch;

use super::context::Context;
use super::discovery::{Kinds, discover};

/// Changes closer together than this are looked at once: a hundred CRDs applied at once are one discovery.
const TOGETHER: Duration = Duration::from_millis(20);
/// A real API server serves a CRD a moment after it says so; a second look catches that.
const SECOND_LOOK: Duration = Duration::from_millis(1500);
/// Without any event, for API groups that come by other ways than CRDs.
const PERIODIC: Duration = Duration::from_secs(30);

/// Starts the discovery.
pub(crate) fn start(ctx: &Arc<Context>) -> watch::Receiver<Kinds> {
    let (sender, receiver) = watch::channel(Kinds::default());
    let client = ctx.client.clone();
    ctx.tasks.spawn(async move {
        let crds: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
        let events = watcher(crds, watcher::Config::default().timeout(230)).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut next = Duration::ZERO;
        loop {
            // Two waits: until something changed or it is time, then until it is quiet.
            tokio::select! {
                _ = events.next() => {
                    next = SECOND_LOOK;
                    while let Ok(Some(_)) = tokio::time::timeout(TOGETHER, events.next()).await {}
                }
                () = tokio::time::sleep(next) => {
                    next = PERIODIC;
                }
            }
            match discover(&client).await {
                Ok(kinds) => {
                    sender.send_if_modified(|held| {
                        let changed = **held != *kinds;
                        if changed {
                            *held = kinds;
                        }
                        changed
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "will retry");
                    next = SECOND_LOOK;
                }
            }
        }
    });
    receiver
}
