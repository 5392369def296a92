//! Report: what a pass came to in, and what users and operators see of it out: the status of the resource, Kubernetes
//! events, and one line in the log. Written only where it differs from what is there already.

pub mod events;
mod outcome;
pub mod status;

pub use events::{News, Told};
pub use outcome::{Verdict, news_of, verdict_of};

use crate::{
    act::kubernetes::{Failure, Target},
    context::{Context, Memory},
    watch::Object,
};
use model::{Decision, ObjectKey};
use serde_json::{Value, json};

/// What a pass has to tell about one resource.
pub struct Report<'a> {
    /// The resource as it was observed.
    pub resource: &'a Object,
    /// What the plugin said, where it said something.
    pub decision: Option<&'a Decision>,
    /// What the host has to say. None: the status stays as it is, because another pass will say more at once.
    pub verdict: Option<Verdict>,
    /// What happened.
    pub news: Vec<News>,
}

/// Writes status and events. Returns whether the status was written.
///
/// # Errors
/// When the status could not be written. Events are told as well as possible: a lost one is no reason for another pass.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn report(context: &Context, memory: &mut Memory, report: Report<'_>) -> Result<bool, Failure> {
    let Report { resource, decision, verdict, news } = report;
    let now = context.clock.now();
    if let Some(verdict) = &verdict {
        tracing::debug!(resource = %resource.key, reason = verdict.reason, "pass ended: {}", verdict.message);
    }
    for event in memory.told.admit(&resource.uid, news, now) {
        let namespace = resource.key.namespace.clone().unwrap_or_else(|| "default".into());
        let events = events::served_as();
        let key =
            ObjectKey { kind: events.kind.clone(), namespace: Some(namespace), name: event.name(&resource.key.name) };
        let body = event.body(&key, resource, now);
        let target = Target { key: &key, resource: &events };
        let told = context.actor.writer.event(target, &body, event.counted()).await;
        if let Err(failure) = told
            && failure != Failure::AlreadyExists
        {
            tracing::debug!(resource = %resource.key, %failure, "an event was not stored");
        }
    }
    let Some(verdict) = verdict else { return Ok(false) };
    let document = resource.value();
    let before = document.get("status").cloned().unwrap_or_default();
    let after = status::compose(&before, decision, &verdict.condition(), resource.generation, now);
    if after == before {
        return Ok(false);
    }
    write(context, resource, after).await.map(|()| true)
}

async fn write(context: &Context, resource: &Object, status: Value) -> Result<(), Failure> {
    let ObjectKey { kind, namespace, name } = &resource.key;
    let body = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": { "name": name, "namespace": namespace }, "status": status,
    });
    let served = context.actor.served_as(&resource.key).await?;
    let target = Target { key: &resource.key, resource: &served };
    let answer = context.actor.writer.apply_status(target, &resource.uid, &body).await?;
    let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    context.ledger.wrote(&resource.key, &resource.key, version);
    Ok(())
}
