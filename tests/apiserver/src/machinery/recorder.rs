//! Events. In: what happened to which object. Out: `v1` Events as the built-in controllers write them: repeated ones
//! counted up instead of written again, and at most a few per object and minute, off the path of the controllers.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::metadata::ObjectMeta;
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::clock::Clock;
use super::workers::Tasks;

/// Events waiting to be written; more than that are dropped, as an event is never worth stopping for.
const WAITING: usize = 4096;
/// Events that one object may have in a row, and seconds until it may have one more: the spam filter of client-go.
const BURST: f64 = 25.0;
const SECONDS_PER_EVENT: f64 = 300.0;
/// Remembered events; beyond that the memory starts afresh and a repeated event is written as a new one.
const REMEMBERED: usize = 8192;

/// How an event is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Warning,
}

struct Note {
    object: ObjectReference,
    component: &'static str,
    kind: Kind,
    reason: String,
    message: String,
}

/// Where controllers hand in their events. Clones share one writer.
#[derive(Clone)]
pub(crate) struct Recorder {
    sender: mpsc::Sender<Note>,
}

/// A reference to an object as events carry it.
pub(crate) fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    let ObjectMeta { name, namespace, uid, resource_version, .. } = object.meta().clone();
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name,
        namespace,
        uid,
        resource_version,
        field_path: None,
    }
}

impl Recorder {
    /// Starts the writer.
    pub(crate) fn start(client: Client, clock: Clock, tasks: &Tasks) -> Self {
        let (sender, mut notes) = mpsc::channel::<Note>(WAITING);
        let mut writer = Writer { client, clock, seen: HashMap::new(), budgets: HashMap::new(), counter: 0 };
        tasks.spawn(async move {
            while let Some(note) = notes.recv().await {
                writer.write(note).await;
            }
        });
        Self { sender }
    }

    /// Records an event about `object`.
    pub(crate) fn event<K: Resource<DynamicType = ()>>(
        &self,
        component: &'static str,
        object: &K,
        kind: Kind,
        reason: &str,
        message: String,
    ) {
        self.about(component, reference(object), kind, reason, message);
    }

    /// Records an event about an object known by reference.
    pub(crate) fn about(
        &self,
        component: &'static str,
        object: ObjectReference,
        kind: Kind,
        reason: &str,
        message: String,
    ) {
        let note = Note { object, component, kind, reason: reason.to_owned(), message };
        if self.sender.try_send(note).is_err() {
            tracing::debug!(reason, "too many events wait, one is dropped");
        }
    }
}

struct Writer {
    client: Client,
    clock: Clock,
    seen: HashMap<(String, String, String), Seen>,
    budgets: HashMap<String, Budget>,
    counter: u32,
}

struct Seen {
    event: String,
    count: i32,
}

struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    /// Takes one token from a bucket that refills with time.
    fn take(&mut self, now: Instant) -> bool {
        let refill = now.duration_since(self.at).as_secs_f64() / SECONDS_PER_EVENT;
        self.left = (self.left + refill).min(BURST);
        self.at = now;
        let allowed = self.left >= 1.0;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }
}

impl Writer {
    async fn write(&mut self, note: Note) {
        if self.seen.len() > REMEMBERED {
            self.seen.clear();
        }
        if self.budgets.len() > REMEMBERED {
            self.budgets.clear();
        }
        let object = note.object.uid.clone().unwrap_or_default();
        let now = Instant::now();
        let budget =
            self.budgets.entry(format!("{object} {}", note.component)).or_insert(Budget { left: BURST, at: now });
        if !budget.take(now) {
            return;
        }
        let namespace = note.object.namespace.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let key = (object, note.reason.clone(), note.message.clone());
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.count += 1;
            let patch = serde_json::json!({"count": seen.count, "lastTimestamp": self.clock.time()});
            match api.patch(&seen.event, &PatchParams::default(), &Patch::Merge(patch)).await {
                Ok(_) => return,
                // It has expired or its namespace is gone: below it is written as a first one.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return tracing::debug!(%error, "failed to count up an event"),
            }
        }
        let event = self.event(note, namespace);
        let name = event.metadata.name.clone().unwrap_or_default();
        match api.create(&PostParams::default(), &event).await {
            Ok(_) => drop(self.seen.insert(key, Seen { event: name, count: 1 })),
            Err(error) => tracing::debug!(%error, "failed to write an event"),
        }
    }

    fn event(&mut self, note: Note, namespace: String) -> Event {
        self.counter = self.counter.wrapping_add(1);
        let nanos = self.clock.now().as_nanosecond() as u64;
        let stem = note.object.name.clone().unwrap_or_default();
        let time = self.clock.time();
        Event {
            metadata: ObjectMeta {
                // The form client-go gives them; the counter keeps two of one nanosecond apart.
                name: Some(format!("{stem}.{:x}", nanos.wrapping_add(u64::from(self.counter)))),
                namespace: Some(namespace),
                ..ObjectMeta::default()
            },
            involved_object: note.object,
            reason: Some(note.reason),
            message: Some(note.message),
            type_: Some(match note.kind {
                Kind::Normal => "Normal".to_owned(),
                Kind::Warning => "Warning".to_owned(),
            }),
            source: Some(EventSource { component: Some(note.component.to_owned()), host: None }),
            reporting_component: Some(note.component.to_owned()),
            reporting_instance: Some(String::new()),
            first_timestamp: Some(time.clone()),
            last_timestamp: Some(time),
            count: Some(1),
            ..Event::default()
        }
    }
}
