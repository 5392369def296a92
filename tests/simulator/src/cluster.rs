//! The Kubernetes side of one cluster: the resource with its status, what the host applied, the StatefulSet's pods. In:
//! what the host writes, and the passing of time. Out: objects as the host observes them, servers that start and stop.

mod pods;

pub use pods::Pod;

use crate::server::Time;
use model::decision::GeneratedSecret;
use model::ready;
use model::snapshot::{Json, SecretFacts};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Namespace of the resource.
pub const NAMESPACE: &str = "default";
/// Name of the resource.
pub const NAME: &str = "db";
/// How long it is remembered how the resource was, in milliseconds.
pub const KEPT: Time = 30_000;
/// Item of the StatefulSet.
const STATEFUL_SET: &str = "statefulset";

/// An object that the host applied.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What was applied.
    pub applied: Value,
    /// As the API server hands it out.
    pub json: Json,
    /// The host's judgement.
    pub ready: bool,
}

/// The API server's view of one cluster.
pub struct Cluster {
    /// What the user wrote.
    pub spec: Value,
    /// Annotations of the resource.
    pub annotations: BTreeMap<String, String>,
    /// Raised with the spec.
    pub generation: i64,
    /// What the host wrote last, conditions included.
    pub status: Value,
    /// Raised with every write of the resource.
    pub version: u64,
    /// Applied objects by the id of their item.
    pub objects: BTreeMap<String, Stored>,
    /// Secrets by the id of their item.
    pub secrets: BTreeMap<String, SecretFacts>,
    /// Pods by their ordinal.
    pub pods: BTreeMap<usize, Pod>,
    /// Pods whose node is gone: they are not made again.
    pub missing: std::collections::BTreeSet<usize>,
    wanted: pods::Wanted,
    revision: u64,
    current_revision: u64,
    revisions: u64,
    next_ip: u32,
    next_uid: u32,
    resource: Option<(u64, Json)>,
    /// The resource as it was: since when, its version, and the document.
    history: Vec<(Time, u64, Json)>,
}

impl Cluster {
    /// A resource that was just applied.
    pub fn new(spec: Value) -> Self {
        Cluster {
            spec,
            annotations: BTreeMap::new(),
            generation: 1,
            status: json!({}),
            version: 1,
            objects: BTreeMap::new(),
            secrets: BTreeMap::new(),
            pods: BTreeMap::new(),
            missing: Default::default(),
            wanted: Default::default(),
            revision: 0,
            current_revision: 0,
            revisions: 0,
            next_ip: 0,
            next_uid: 0,
            resource: None,
            history: Vec::new(),
        }
    }

    /// The resource as the API server hands it out.
    pub fn resource(&mut self) -> Json {
        if let Some((version, json)) = &self.resource
            && *version == self.version
        {
            return json.clone();
        }
        let document = json!({
            "apiVersion": "database.example.com/v1",
            "kind": "MySQL",
            "metadata": {
                "name": NAME, "namespace": NAMESPACE, "uid": "5f1c0c3e-0000-4000-8000-000000000001",
                "generation": self.generation, "resourceVersion": self.version.to_string(),
                "annotations": self.annotations, "creationTimestamp": "2026-01-01T00:00:00Z",
                "finalizers": ["windlass.dev/teardown"],
            },
            "spec": self.spec,
            "status": self.status,
        });
        let json: Json = document.to_string().into();
        self.resource = Some((self.version, json.clone()));
        json
    }

    /// The resource as it was at a time, at most [`KEPT`] milliseconds ago, with its version.
    pub fn as_of(&mut self, time: Time) -> (u64, Json) {
        let then = self.history.iter().rev().find(|(since, ..)| *since <= time).or(self.history.first());
        match then {
            Some((_, version, json)) => (*version, json.clone()),
            None => (self.version, self.resource()),
        }
    }

    /// The user changes the spec.
    pub fn change(&mut self, key: &str, value: Value) {
        if self.spec.get(key) != Some(&value)
            && let Some(spec) = self.spec.as_object_mut()
        {
            spec.insert(key.into(), value);
            self.generation += 1;
            self.version += 1;
        }
    }

    /// The user sets or removes an annotation.
    pub fn annotate(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.annotations.insert(key.into(), value.into()),
            None => self.annotations.remove(key),
        };
        self.version += 1;
    }

    /// The host writes the status. `expected`: the resourceVersion that it started from, where it cares. False: somebody
    /// else wrote meanwhile, and nothing was written.
    pub fn write_status(&mut self, status: Value, expected: Option<u64>) -> bool {
        if expected.is_some_and(|expected| expected != self.version) {
            return false;
        }
        if self.status != status {
            self.status = status;
            self.version += 1;
        }
        true
    }

    /// A text field of the status.
    pub fn status_text(&self, field: &str) -> Option<&str> {
        self.status.get(field).and_then(Value::as_str)
    }

    /// The host applies an object.
    pub fn apply(&mut self, item: &str, body: &Value) {
        if self.objects.get(item).is_some_and(|stored| stored.applied == *body) {
            return;
        }
        if item == STATEFUL_SET {
            self.wanted = pods::Wanted::of(body);
            let before = self.objects.get(item).map(|stored| stored.applied.pointer("/spec/template"));
            if before.is_none_or(|before| before != body.pointer("/spec/template")) {
                self.revisions += 1;
                self.revision = self.revisions;
                if self.current_revision == 0 {
                    self.current_revision = self.revision;
                }
            }
        }
        let stored = Stored { applied: body.clone(), json: "".into(), ready: true };
        self.objects.insert(item.into(), stored);
        self.show(item);
    }

    /// The host takes an object away.
    pub fn delete(&mut self, item: &str) {
        self.objects.remove(item);
        self.secrets.remove(item);
    }

    /// The host makes the values of a Secret.
    pub fn make_secret(&mut self, item: &str, secret: &GeneratedSecret) {
        let known = self.secrets.get(item).is_some_and(|facts| facts.generation == secret.generation);
        if known {
            return;
        }
        let plain = secret.plain.iter().map(|(key, value)| (key.clone(), format!("plain-{value}")));
        let random = secret
            .random
            .iter()
            .map(|value| (value.key.clone(), format!("{}-{}-{}", secret.name, value.key, secret.generation)));
        let keys = plain.chain(random).collect();
        self.secrets.insert(item.into(), SecretFacts { generation: secret.generation, keys });
    }

    /// The host lays labels over a pod. False: there is none of that name.
    pub fn overlay(&mut self, body: &Value) -> bool {
        let kind = body.get("kind").and_then(Value::as_str);
        let name = body.pointer("/metadata/name").and_then(Value::as_str);
        let (Some("Pod"), Some(name)) = (kind, name) else { return false };
        let Some(pod) = self.pods.values_mut().find(|pod| pod.name() == name) else { return false };
        let labels = body.pointer("/metadata/labels").and_then(Value::as_object);
        let labels: BTreeMap<String, String> = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        pod.overlay(labels);
        true
    }

    /// Makes the form in which an object is handed out.
    fn show(&mut self, item: &str) {
        let status = (item == STATEFUL_SET).then(|| self.counts().status());
        let Some(stored) = self.objects.get_mut(item) else { return };
        let mut live = stored.applied.clone();
        if let Some(metadata) = live.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".into(), json!(NAMESPACE));
            metadata.insert("uid".into(), json!(format!("uid-{item}")));
            metadata.insert("generation".into(), json!(1));
            metadata.insert("resourceVersion".into(), json!("1"));
        }
        if let (Some(status), Some(live)) = (status, live.as_object_mut()) {
            live.insert("status".into(), status);
        }
        stored.ready = ready::of(&live).ready;
        stored.json = live.to_string().into();
    }

    /// Time passes: the StatefulSet's controller and the node do their work.
    pub fn pass(&mut self, fleet: &mut crate::fleet::Fleet) {
        if self.history.last().is_none_or(|(_, version, _)| *version != self.version) {
            let (version, json) = (self.version, self.resource());
            self.history.push((fleet.now, version, json));
            let old = self.history.iter().take_while(|(since, ..)| since + KEPT < fleet.now).count();
            // The one that held when those that are kept began is one of them.
            self.history.drain(..old.saturating_sub(1));
        }
        let before = self.counts();
        pods::pass(self, fleet);
        if self.counts() != before {
            self.show(STATEFUL_SET);
        }
    }

    /// When the pod of an ordinal is deleted by somebody.
    pub fn delete_pod(&mut self, ordinal: usize, gone: Time) {
        if let Some(pod) = self.pods.get_mut(&ordinal) {
            pod.delete(gone);
        }
    }
}
