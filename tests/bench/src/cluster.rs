//! The cluster of a figure, in a process of its own, so that what the host uses is the host's alone. In: one command a
//! line on standard input. Out: one answer a line on standard output; the first is the API server's address.
//!
//! `apply KIND N` makes N resources, `ready KIND N` waits until as many are ready, `quiet` until nobody writes any more,
//! `usage` tells how many writes hosts made and the seconds of processor time of the cluster,
//! `listing` tells the writes of hosts.

use crate::{bundle, usage};
use anyhow::{Context, Result, bail};
use fixtures::World;
use fixtures::world::NAMESPACE;
use futures::{StreamExt, TryStreamExt, pin_mut, stream};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use std::{collections::HashSet, io::Write, process::ExitCode, time::Duration};
use tokio::sync::mpsc;

/// First argument of the process.
pub(crate) const SUBCOMMAND: &str = "cluster";
/// How long resources may take to become ready.
const PATIENCE: Duration = Duration::from_secs(900);

/// A kind of resource that figures make many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A database as most users would ask for it: one server, every default.
    Mysql,
    /// Six ConfigMaps.
    Bundle,
}

impl Kind {
    /// Its word in commands.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Mysql => "MySQL",
            Kind::Bundle => bundle::KIND,
        }
    }

    fn of(word: &str) -> Result<Kind> {
        [Kind::Mysql, Kind::Bundle].into_iter().find(|kind| kind.word() == word).context("there is no such kind")
    }

    fn group_version(self) -> (&'static str, &'static str) {
        match self {
            Kind::Mysql => (mysql::GROUP, "v1"),
            Kind::Bundle => (bundle::GROUP, bundle::VERSION),
        }
    }

    fn spec(self) -> Value {
        match self {
            Kind::Mysql => json!({"replicas": 1, "version": "8.4"}),
            Kind::Bundle => json!({"text": "hello"}),
        }
    }

    fn api(self, client: kube::Client) -> Api<DynamicObject> {
        let (group, version) = self.group_version();
        Api::namespaced_with(
            client,
            NAMESPACE,
            &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, self.word())),
        )
    }
}

/// The process: a cluster until standard input ends.
pub(crate) fn main() -> ExitCode {
    let served = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
    match served.and_then(|runtime| runtime.block_on(serve())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody listens when this fails.
            let _ = writeln!(std::io::stderr(), "cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<()> {
    let world = World::start().await?;
    let writes = world.count_host_writes();
    let mut lines = lines();
    answer(&world.server.url())?;
    while let Some(line) = lines.recv().await {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["apply", kind, count] => {
                apply(&world, Kind::of(kind)?, count.parse()?).await?;
                answer("done")?;
            }
            ["ready", kind, count] => {
                let ready = ready(&world, Kind::of(kind)?, count.parse()?);
                tokio::time::timeout(PATIENCE, ready).await.context("not all became ready in time")??;
                answer("done")?;
            }
            ["quiet"] => {
                world.until_quiet().await?;
                answer("done")?;
            }
            ["usage"] => answer(&format!("{} {}", writes.count(), usage::processor_seconds()))?,
            ["listing"] => answer(&writes.list().join("; "))?,
            _ => bail!("there is no command `{line}`"),
        }
    }
    world.stop().await;
    Ok(())
}

/// The lines of standard input, read by a thread that ends with it.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lines().map_while(Result::ok);
        while lines.next().is_some_and(|line| sender.blocking_send(line).is_ok()) {}
    });
    receiver
}

fn answer(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Makes resources as a user does, several at a time; waits until the kind is served.
async fn apply(world: &World, kind: Kind, count: usize) -> Result<()> {
    let api = kind.api(world.client.clone());
    let (group, version) = kind.group_version();
    let parameters = PatchParams::apply("user").force();
    let one = async |number: usize| {
        let manifest = json!({
            "apiVersion": format!("{group}/{version}"), "kind": kind.word(),
            "metadata": {"name": format!("r-{number:05}")}, "spec": kind.spec(),
        });
        api.patch(&format!("r-{number:05}"), &parameters, &Patch::Apply(&manifest)).await.map(drop)
    };
    world.until("the kind to be served", async || Ok(one(0).await.is_ok())).await?;
    stream::iter(1..count).map(one).buffer_unordered(8).try_collect::<()>().await?;
    Ok(())
}

/// Waits until that many resources are ready in the form that the user wrote last.
async fn ready(world: &World, kind: Kind, count: usize) -> Result<()> {
    let mut found = HashSet::new();
    let events = watcher(kind.api(world.client.clone()), watcher::Config::default());
    pin_mut!(events);
    while found.len() < count {
        match events.try_next().await?.context("the watch ended")? {
            Event::Apply(object) | Event::InitApply(object) => {
                let name = object.metadata.name.clone().unwrap_or_default();
                if is_ready(&object) {
                    found.insert(name);
                } else {
                    found.remove(&name);
                }
            }
            Event::Delete(_) | Event::Init | Event::InitDone => {}
        }
    }
    Ok(())
}

fn is_ready(object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    status["observedGeneration"].as_i64() == object.metadata.generation
        && conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
