//! The MySQL plugin twice: as a component in the sandbox and as native code, and one snapshot for both.

use anyhow::{Context, Result};
use model::snapshot::RelatedAnswer;
use model::{Observation, ObservedItem, Snapshot};
use mysql::MysqlPlugin;
use serde_json::json;
use std::{path::Path, process::ExitCode};
use windlass::decide::{Compiler, Engine, EngineOptions, Limits, Plugin};
use windlass_sdk::{bindings::windlass::plugin::types, entry, testing::SnapshotOf};

/// The component, as `cargo xtask build-plugins` leaves it.
pub(crate) fn component() -> Result<Vec<u8>> {
    let path = fixtures::components::folder()?.join("mysql.wasm");
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// An engine laid out as in production, with its compiled plugins in `cache`.
pub(crate) fn engine(cache: Option<&Path>) -> Result<Engine> {
    let options = EngineOptions { cache_dir: cache.map(Into::into), ..EngineOptions::new(Compiler::child()?) };
    Ok(Engine::new(options)?)
}

/// The MySQL plugin in the sandbox, under the limits of production.
pub(crate) async fn sandboxed(engine: &Engine) -> Result<Plugin> {
    Ok(engine.load("mysql", component()?, Limits::default()).await?)
}

/// A cluster of three servers of which everything exists and is ready: the usual case.
pub(crate) fn snapshot() -> Result<types::Snapshot> {
    let resource = resource();
    // The plugin asks for its pods before it decides anything.
    let pods: Vec<_> = (0..3).map(pod).collect();
    let seen = || SnapshotOf::resource(&resource).related(mysql::observe::PODS, &pods);
    let first = decide_natively(seen().build())?;
    Ok(seen().as_desired(&first.items, true).build())
}

/// A pod of the cluster that runs, as far as the plugin looks at it.
fn pod(ordinal: u32) -> serde_json::Value {
    let ready = json!([{"type": "Ready", "status": "True"}]);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("prod-db-{ordinal}"), "namespace": "shop", "uid": format!("p{ordinal}")},
        "spec": {"containers": [{"name": "mysql", "image": "mysql:8.4"}]},
        "status": {"phase": "Running", "podIP": format!("10.0.0.{}", ordinal + 1), "conditions": ready},
    })
}

/// The same cluster before anything was looked at.
pub(crate) fn unseen() -> types::Snapshot {
    SnapshotOf::resource(&resource()).build()
}

fn resource() -> serde_json::Value {
    json!({
        "apiVersion": "database.example.com/v1alpha1", "kind": "MySQL",
        "metadata": {"name": "prod", "namespace": "shop", "uid": "3f6c", "generation": 1, "resourceVersion": "7"},
        "spec": {"version": "8.4", "replicas": 3, "config": {"max_connections": 500}},
    })
}

/// The same code without a sandbox.
pub(crate) fn decide_natively(snapshot: types::Snapshot) -> Result<types::Decision> {
    entry::decide::<MysqlPlugin>(snapshot).map_err(|fault| anyhow::anyhow!("the plugin gave no decision: {fault:?}"))
}

/// As the host has it.
pub(crate) fn of_model(snapshot: &types::Snapshot) -> Snapshot {
    let items = snapshot.items.iter().map(|item| ObservedItem {
        id: item.id.clone(),
        state: match &item.state {
            types::Observation::Kubernetes(object) => Observation::Kubernetes(object.as_str().into()),
            _ => Observation::Absent,
        },
        ready: item.ready,
        ready_since: item.ready_since,
        last_error: item.last_error.clone(),
        deleting: item.deleting,
    });
    Snapshot {
        resource: snapshot.resource.as_str().into(),
        deleting: snapshot.deleting,
        items: items.collect(),
        related: snapshot.related.iter().map(related).collect(),
        now: snapshot.now,
        settings: snapshot.settings.as_str().into(),
    }
}

fn related(answer: &types::RelatedAnswer) -> RelatedAnswer {
    let types::RelatedAnswer { name, complete, reason, objects } = answer;
    let objects = objects.iter().map(|object| object.as_str().into()).collect();
    RelatedAnswer { name: name.clone(), complete: *complete, reason: reason.clone(), objects }
}

/// Bytes of all texts of a snapshot.
pub(crate) fn bytes(snapshot: &types::Snapshot) -> usize {
    let observed = snapshot.items.iter().map(|item| match &item.state {
        types::Observation::Kubernetes(object) => object.len(),
        _ => 0,
    });
    let related = snapshot.related.iter().flat_map(|answer| &answer.objects).map(String::len);
    snapshot.resource.len() + snapshot.settings.len() + observed.sum::<usize>() + related.sum::<usize>()
}

/// This program as the compiling child, so that the compiler's memory is not counted as the host's.
pub(crate) fn compile_for_parent(arguments: &[String]) -> ExitCode {
    let number = |name: &str| {
        let position = arguments.iter().position(|argument| argument == name)?;
        arguments.get(position + 1)?.parse::<u64>().ok()
    };
    let (Some(memory), Some(cpu), Some(stack)) = (number("--memory"), number("--cpu-seconds"), number("--stack"))
    else {
        return ExitCode::from(64);
    };
    let stack = usize::try_from(stack).unwrap_or(usize::MAX);
    ExitCode::from(u8::try_from(windlass::decide::compile_for_parent(memory, cpu, stack)).unwrap_or(1))
}
