//! Report: what a pass came to in, and what users and operators see of it out: the status of the resource, Kubernetes
//! events, and one line in the log. Written only where it differs from what is there already.

pub mod events;
mod news;

pub use events::{News, Told};
pub use news::news_of;

use crate::{
    act::kubernetes::{Failure, Target, Writer},
    clock::rfc3339,
    context::{Context, Memory},
    watch::Object,
};
use events::Telling;
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
    /// Write the status only onto this version of the resource; none: onto any.
    pub version: Option<String>,
    /// Why the teardown goes on, or soon will, without the plugin: reason and message.
    pub teardown: Option<(String, String)>,
    /// What happened.
    pub news: Vec<News>,
}

impl<'a> Report<'a> {
    /// A report of a pass in which the plugin gave no decision.
    pub fn undecided(resource: &'a Object, outcome: Option<Outcome>, news: Vec<News>) -> Self {
        Report { resource, decision: None, outcome, version: None, teardown: None, news }
    }
}

/// Writes status and events. Returns whether the status was written.
///
/// # Errors
/// When the status could not be written. Events are told as well as possible: a lost one is no reason for another pass.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn report(context: &Context, memory: &mut Memory, report: Report<'_>) -> Result<bool, Failure> {
    let Report { resource, decision, outcome, version, teardown, news } = report;
    let now = context.clock.now();
    tell(context, memory, resource, news, now).await;
    let Some(outcome) = outcome else { return Ok(false) };
    tracing::debug!(resource = %resource.key, reason = outcome.reason(), "pass ended: {}", outcome.message());
    let document = resource.value();
    let teardown = teardown.as_ref().map(|(reason, message)| (reason.as_str(), message.as_str()));
    let said = Said { decision, outcome: &outcome, teardown, generation: resource.generation };
    let before = document.get("status").unwrap_or(&Value::Null);
    let Some(status) = status::merge(before, said, &rfc3339(now), memory.status.as_ref()) else { return Ok(false) };
    let answer = write(context, resource, version.as_deref(), &status).await?;
    memory.status = Some(StatusWrite::new(&status, answer.get("status").unwrap_or(&Value::Null)));
    Ok(true)
}

async fn tell(context: &Context, memory: &mut Memory, resource: &Object, news: Vec<News>, now: Instant) {
    for event in memory.told.admit(&resource.uid, news, now) {
        let namespace = resource.key.namespace.clone().unwrap_or_else(|| "default".into());
        let events = events::served_as();
        let key =
            ObjectKey { kind: events.kind.clone(), namespace: Some(namespace), name: event.name(&resource.key.name) };
        let target = Target { key: &key, resource: &events };
        match store(&context.actor.writer, target, &event, resource, now).await {
            Ok(times) => memory.told.stored(&event, times),
            Err(failure) => tracing::debug!(resource = %resource.key, %failure, "an event was not stored"),
        }
    }
}

/// Stores an event, and returns how often it was told by now.
async fn store(
    writer: &Writer,
    target: Target<'_>,
    event: &Telling,
    resource: &Object,
    now: Instant,
) -> Result<u64, Failure> {
    let body = event.body(target.key, resource, now);
    if event.counted() {
        // The server forgets events after a while (an hour, mostly): the next one is the first again.
        return match writer.change_event(target, &event.once_more(event.before(), now)).await {
            Err(Failure::NotFound) => writer.create_event(target, &body).await.map(|()| 1),
            other => other.map(|_| event.before() + 1),
        };
    }
    match writer.create_event(target, &body).await {
        Err(Failure::AlreadyExists) if event.counts() => {
            // An earlier process told it. Its count comes with the answer to a change of the time, so that the host
            // needs no permission to read events.
            let stored = writer.change_event(target, &json!({ "lastTimestamp": rfc3339(now) })).await?;
            let before = stored.get("count").and_then(Value::as_u64).unwrap_or(1);
            writer.change_event(target, &event.once_more(before, now)).await.map(|_| before + 1)
        }
        // A state that an earlier process told already.
        Err(Failure::AlreadyExists) => Ok(1),
        other => other.map(|()| 1),
    }
}

async fn write(context: &Context, resource: &Object, version: Option<&str>, status: &Status) -> Result<Value, Failure> {
    let ObjectKey { kind, namespace, name } = &resource.key;
    let mut body = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": { "name": name, "namespace": namespace }, "status": status.value,
    });
    if let Some(version) = version {
        body["metadata"]["resourceVersion"] = version.into();
    }
    let served = context.actor.served_as(&resource.key).await?;
    let target = Target { key: &resource.key, resource: &served };
    let answer = context.actor.writer.apply_status(target, &resource.uid, &body).await?;
    let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    context.ledger.wrote(&resource.key, &resource.key, version);
    Ok(answer)
}
