//! Report: what a pass came to in, and what users and operators see of it out: the status of the resource, Kubernetes
//! events, and one line in the log. Written only where it differs from what is there already.

pub mod events;
mod news;

pub use events::{News, Told};
pub use news::news_of;

use crate::{
    act::kubernetes::{Failure, Target},
    clock::rfc3339,
    context::{Context, Memory},
    watch::Object,
};
use model::{
    Decision, ObjectKey, Outcome,
    snapshot::Instant,
    status::{self, Said, Status, StatusWrite},
};
use serde_json::{Value, json};

/// What a pass has to tell about one resource.
pub struct Report<'a> {
    /// The resource as it was observed.
    pub resource: &'a Object,
    /// What the plugin said, where it said something.
    pub decision: Option<&'a Decision>,
    /// What the pass ended with. None: the status stays as it is, because another pass will say more at once.
    pub outcome: Option<Outcome>,
    /// Why the teardown goes on, or soon will, without the plugin: reason and message.
    pub teardown: Option<(String, String)>,
    /// What happened.
    pub news: Vec<News>,
}

impl<'a> Report<'a> {
    /// A report of a pass in which the plugin gave no decision.
    pub fn undecided(resource: &'a Object, outcome: Option<Outcome>, news: Vec<News>) -> Self {
        Report { resource, decision: None, outcome, teardown: None, news }
    }
}

/// Writes status and events. Returns whether the status was written.
///
/// # Errors
/// When the status could not be written. Events are told as well as possible: a lost one is no reason for another pass.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn report(context: &Context, memory: &mut Memory, report: Report<'_>) -> Result<bool, Failure> {
    let Report { resource, decision, outcome, teardown, news } = report;
    let now = context.clock.now();
    tell(context, memory, resource, news, now).await;
    let Some(outcome) = outcome else { return Ok(false) };
    tracing::debug!(resource = %resource.key, reason = outcome.reason(), "pass ended: {}", outcome.message());
    let document = resource.value();
    let teardown = teardown.as_ref().map(|(reason, message)| (reason.as_str(), message.as_str()));
    let said = Said { decision, outcome: &outcome, teardown, generation: resource.generation };
    let before = document.get("status").unwrap_or(&Value::Null);
    let Some(status) = status::merge(before, said, &rfc3339(now), memory.status.as_ref()) else { return Ok(false) };
    let answer = write(context, resource, &status).await?;
    memory.status = Some(StatusWrite::new(&status, answer.get("status").unwrap_or(&Value::Null)));
    Ok(true)
}

async fn tell(context: &Context, memory: &mut Memory, resource: &Object, news: Vec<News>, now: Instant) {
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
}

async fn write(context: &Context, resource: &Object, status: &Status) -> Result<Value, Failure> {
    let ObjectKey { kind, namespace, name } = &resource.key;
    let body = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": { "name": name, "namespace": namespace }, "status": status.value,
    });
    let served = context.actor.served_as(&resource.key).await?;
    let target = Target { key: &resource.key, resource: &served };
    let answer = context.actor.writer.apply_status(target, &resource.uid, &body).await?;
    let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    context.ledger.wrote(&resource.key, &resource.key, version);
    Ok(answer)
}
