//! Loaded plugins come in; their kinds are installed, watched and served, each as soon as it can be.

use super::health::Progress;
use super::{Host, Loaded, orphans, resources};
use crate::install::definition::Definition;
use crate::install::{self, Installed};
use crate::plugins::claims::Seniority;
use crate::watch::Cause;
use crate::watch::page::chain;
use model::Kind;
use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

/// One kind to serve.
struct Task {
    plugin: Loaded,
    definition: Definition,
    kind: Kind,
}

/// Installs and serves all kinds of all plugins, then waits for ever. No kind waits for another. `resources`: there may be
/// `Plugin` resources besides.
pub(super) async fn serve(host: &Host, loaded: Vec<Loaded>, progress: &Progress, resources: bool) -> Infallible {
    let tasks = tasks(loaded);
    progress.installing(tasks.iter().map(|task| task.definition.name().to_owned()));
    for task in &tasks {
        // What it writes and reads is listed meanwhile.
        let description = task.plugin.served.decider.description();
        let kinds = description.writes.iter().chain(description.reads.iter().map(|query| &query.kind));
        kinds.for_each(|kind| host.watches.ensure(kind));
    }
    for task in &tasks {
        host.claims.add(&Seniority::of_folder(&task.plugin.name), task.definition.name());
    }
    let serving = futures::future::join_all(tasks.iter().map(|task| one(host, task, progress)));
    let orphaned = async {
        // Who claims what is not known before.
        while resources && !resources::listed(host) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        orphans::watch(host).await
    };
    futures::future::join(serving, orphaned).await.1
}

/// The kinds of all plugins. Of two plugins that serve one kind, the first by name has it.
fn tasks(mut loaded: Vec<Loaded>) -> Vec<Task> {
    loaded.sort_by(|a, b| a.name.cmp(&b.name));
    let mut taken: HashMap<String, String> = HashMap::new();
    let mut tasks = Vec::new();
    for plugin in loaded {
        for given in &plugin.served.decider.description().serves {
            let definition = match Definition::new(given) {
                Ok(definition) => definition.acting_as(plugin.served.grants.service_account.as_ref()),
                Err(error) => {
                    tracing::error!(plugin = plugin.name, "a kind is not served: {}", chain(&error));
                    continue;
                }
            };
            if let Some(other) = taken.get(definition.name()) {
                let name = definition.name();
                tracing::error!(plugin = plugin.name, "{name} is not served by this plugin: {other} serves it already");
                continue;
            }
            let Some(kind) = definition.watched().cloned() else { continue };
            taken.insert(definition.name().to_owned(), plugin.name.clone());
            tasks.push(Task { plugin: plugin.clone(), definition, kind });
        }
    }
    tasks
}

async fn one(host: &Host, task: &Task, progress: &Progress) {
    let Task { plugin, definition, kind } = task;
    let mut pause = Duration::from_millis(500);
    loop {
        match install::install(&host.client, definition).await {
            Ok(installed) => {
                let done = match installed {
                    Installed::Unchanged => "unchanged",
                    Installed::Created => "created",
                    Installed::Updated => "updated",
                };
                tracing::info!(
                    plugin = plugin.name,
                    definition = definition.name(),
                    "definition {done}, serving {kind}"
                );
                break;
            }
            Err(error) if error.may_pass() => {
                tracing::warn!(plugin = plugin.name, "a kind is not served yet: {}", chain(&error));
                tokio::time::sleep(host.entropy.jitter(pause, 0.3)).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
            Err(error) => {
                tracing::error!(plugin = plugin.name, "a kind is not served: {}", chain(&error));
                progress.settled(definition.name());
                host.claims.give_up(&Seniority::of_folder(&plugin.name), definition.name());
                host.watches.look_again(&kind.group);
                return;
            }
        }
    }
    host.plugins.serve(kind.clone(), plugin.served.clone());
    for key in host.trigger.serve(kind, &host.cache) {
        host.queue.push(&key, Cause::Change);
    }
    host.watches.look_again(&kind.group);
    host.watches.ensure(kind);
    progress.settled(definition.name());
}
