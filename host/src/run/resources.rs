//! `Plugin` resources come in; each gets a keeper that brings it into service and reports on it. One that is slow, broken
//! or hostile delays no other.

mod attempt;
mod keeper;
mod removal;
mod rollout;
mod shadow;
mod tell;

use super::Host;
use crate::clock::Clock;
use crate::decide::Engine;
use crate::install::definition::Definition;
use crate::install::{self, Installed};
use crate::plugins::claims::Seniority;
use crate::plugins::resource::{self, status::ServedKind};
use crate::plugins::source::Fetcher;
use crate::plugins::store::Store;
use crate::watch::cache::Sync;
use crate::watch::page::chain;
use crate::watch::{Cause, Object};
use futures::stream::{FuturesUnordered, StreamExt};
use keeper::Keeper;
use model::Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What keepers share.
pub(super) struct Shared<'a> {
    pub host: &'a Host,
    pub engine: &'a Engine,
    pub fetcher: Fetcher,
    pub store: Option<Store>,
    pub clock: Arc<dyn Clock>,
}

/// Serves all `Plugin` resources of the cluster.
pub(super) async fn serve(shared: Shared<'_>) -> Infallible {
    let host = shared.host;
    install_kind(host).await;
    host.watches.ensure(&resource::kind());
    let mut keepers: BTreeMap<String, watch::Sender<Option<Arc<Object>>>> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        let found = if listed(host) { plugins(host) } else { Vec::new() };
        keepers.retain(|name, sender| {
            let stays = found.iter().any(|object| object.key.name == *name);
            if !stays {
                // The keeper takes its kinds out of service, and ends.
                let _ = sender.send(None);
            }
            stays
        });
        for object in &found {
            match keepers.get(&object.key.name) {
                // Its own reports are no news.
                Some(sender) => drop(sender.send_if_modified(|known| {
                    let same = known.as_ref().is_some_and(|known| is_same(known, object));
                    *known = Some(object.clone());
                    !same
                })),
                None => {
                    claim_beforehand(host, object);
                    let (sender, receiver) = watch::channel(Some(object.clone()));
                    keepers.insert(object.key.name.clone(), sender);
                    running.push(Keeper::new(&shared, object).run(receiver));
                }
            }
        }
        tokio::select! {
            () = host.news.notified() => {}
            Some(()) = running.next() => {}
            // A list that came to its end is told to nobody when it is empty.
            () = tokio::time::sleep(Duration::from_millis(200)), if !listed(host) => {}
        }
    }
}

/// The view of `Plugin` resources can be relied on.
pub(super) fn listed(host: &Host) -> bool {
    host.cache.sync(&resource::kind()) == Sync::Synced
}

fn plugins(host: &Host) -> Vec<Arc<Object>> {
    let keys = host.cache.keys(&resource::kind());
    keys.iter().filter_map(|key| host.cache.get(key)).collect()
}

/// Nothing that people say has changed.
fn is_same(known: &Object, now: &Object) -> bool {
    (&known.uid, known.generation, known.content) == (&now.uid, now.generation, now.content)
        && known.is_deleting() == now.is_deleting()
}

/// How old a plugin is, in comparison with others that claim the same kind.
fn seniority(plugin: &Object) -> Seniority {
    let document = plugin.value();
    let created = document.pointer("/metadata/creationTimestamp").and_then(Value::as_str).unwrap_or_default();
    Seniority { created: created.into(), name: plugin.key.name.clone() }
}

/// What a plugin served before this process began stays claimed, so that nobody takes it over while it is loaded.
fn claim_beforehand(host: &Host, plugin: &Object) {
    let kinds = kinds_of_status(&plugin.value());
    host.claims.set(&seniority(plugin), kinds.into_iter().map(|kind| kind.definition));
}

fn kinds_of_status(plugin: &Value) -> Vec<ServedKind> {
    let kinds = plugin.pointer("/status/kinds").cloned().unwrap_or_default();
    serde_json::from_value(kinds).unwrap_or_default()
}

/// The kinds that a status names.
fn kinds_named(served: &[ServedKind]) -> Vec<Kind> {
    served.iter().map(|kind| Kind::from_manifest(&kind.api_version, &kind.kind)).collect()
}

/// From now on objects of this kind are resources, and each is looked at anew. The queue lets out only so many at a time,
/// and edits of users before them: a new version is no reason for all of them to be written at once (H8).
fn look_at_all(host: &Host, kind: &Kind) {
    for key in host.trigger.serve(kind, &host.cache) {
        host.queue.push(&key, Cause::Change);
    }
}

/// A resource that its plugin fails with.
struct Failing {
    reason: String,
    /// Since when, in milliseconds since the Unix epoch.
    since: Option<model::snapshot::Instant>,
}

/// Reasons for which a resource is not reconciled that say nothing about the version that decides: work under way, a
/// wrong resource, and what passes by itself.
const NOT_ITS_FAULT: [&str; 13] = [
    "Progressing",
    "Deleting",
    "Paused",
    "Invalid",
    "PluginRetries",
    "PluginMissing",
    "Changed",
    "NotFound",
    "OutcomeUnknown",
    "Throttled",
    "Unauthorized",
    "NamespaceTerminating",
    "QuotaExceeded",
];

/// Whether the last pass over a resource failed in a way that may be its plugin's fault.
fn failing(object: &Object) -> Option<Failing> {
    let document = object.value();
    let conditions = document.pointer("/status/conditions")?.as_array()?;
    let reconciled = conditions.iter().find(|condition| condition["type"] == model::status::RECONCILED)?;
    let reason = reconciled["reason"].as_str()?;
    if reconciled["status"] == "True" || NOT_ITS_FAULT.contains(&reason) {
        return None;
    }
    let since = reconciled["lastTransitionTime"].as_str();
    let since = since.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    let since = since.and_then(|at| u64::try_from(at.timestamp_millis()).ok());
    Some(Failing { reason: reason.into(), since })
}

/// Installs the definition of `Plugin` itself. Where the host may not, somebody else has to.
async fn install_kind(host: &Host) {
    let definition = serde_yaml::from_str::<Value>(resource::DEFINITION).ok();
    let Some(definition) = definition.and_then(|definition| Definition::new(&definition).ok()) else {
        // A test holds the file to this.
        return tracing::error!("the definition of the kind Plugin is wrong; this is a defect of the host");
    };
    host.claims.add(&Seniority::of_host(), definition.name());
    let mut pause = Duration::from_millis(500);
    loop {
        match install::install(&host.client, &definition).await {
            Ok(Installed::Unchanged) => return,
            Ok(Installed::Created | Installed::Updated) => {
                host.watches.look_again(resource::GROUP);
                return;
            }
            Err(error) if error.may_pass() => {
                tracing::warn!("Plugin resources are not served yet: {}", chain(&error));
                tokio::time::sleep(host.entropy.jitter(pause, 0.3)).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
            // Somebody else's definition of the kind may do as well.
            Err(error) => return tracing::error!("the kind Plugin is not as this host needs it: {}", chain(&error)),
        }
    }
}
