//! The pods of the StatefulSet: made, restarted, rolled and taken away as Kubernetes does it. In: the applied StatefulSet.
//! Out: pods, their addresses, and servers that start and stop with them.

use super::{Cluster, NAME, NAMESPACE, STATEFUL_SET};
use crate::fleet::Fleet;
use crate::server::{Process, Time};
use model::snapshot::Json;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One pod.
#[derive(Clone, Debug)]
pub struct Pod {
    ordinal: usize,
    uid: u32,
    /// Its address.
    pub ip: String,
    /// Its probe succeeds.
    pub ready: bool,
    /// Labels that the host laid over it.
    pub labels: BTreeMap<String, String>,
    deleting: Option<Time>,
    restart: Option<Time>,
    revision: u64,
    template: Value,
    image: String,
    shown: Option<Json>,
}

impl Pod {
    /// `db-0`
    pub fn name(&self) -> String {
        format!("{NAME}-{}", self.ordinal)
    }

    /// It has a deletion timestamp.
    pub fn is_deleting(&self) -> bool {
        self.deleting.is_some()
    }

    /// Image of the server.
    pub fn image(&self) -> &str {
        &self.image
    }

    pub(super) fn overlay(&mut self, labels: BTreeMap<String, String>) {
        if self.labels != labels {
            self.labels = labels;
            self.shown = None;
        }
    }

    pub(super) fn delete(&mut self, gone: Time) {
        self.deleting.get_or_insert(gone);
        self.shown = None;
    }

    /// As the API server hands it out.
    pub fn json(&mut self) -> Json {
        if let Some(json) = &self.shown {
            return json.clone();
        }
        let mut labels = self.template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.extend(self.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
            labels.insert("apps.kubernetes.io/pod-index".into(), json!(self.ordinal.to_string()));
            labels.insert("statefulset.kubernetes.io/pod-name".into(), json!(self.name()));
            labels.insert("controller-revision-hash".into(), json!(format!("{NAME}-{}", self.revision)));
        }
        let ready = if self.ready { "True" } else { "False" };
        let mut document = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": self.name(), "namespace": NAMESPACE, "uid": format!("pod-{}", self.uid),
                "resourceVersion": "1",
                "labels": labels,
                "annotations": self.template.pointer("/metadata/annotations"),
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME, "uid": "uid-statefulset",
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": { "containers": [{ "name": "mysql", "image": self.image() }], "nodeName": "node" },
            "status": {
                "phase": "Running", "podIP": self.ip, "podIPs": [{ "ip": self.ip }],
                "conditions": [{ "type": "Ready", "status": ready }],
                "containerStatuses": [{ "name": "mysql", "ready": self.ready, "image": self.image(), "restartCount": 0 }],
            },
        });
        if self.deleting.is_some()
            && let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.insert("deletionTimestamp".into(), json!("2026-01-01T00:00:00Z"));
        }
        let json: Json = document.to_string().into();
        self.shown = Some(json.clone());
        json
    }
}

/// What the status of the StatefulSet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pods: usize,
    ready: usize,
    current: usize,
    updated: usize,
    current_revision: u64,
    revision: u64,
}

impl Counts {
    /// As the API server has it.
    pub(super) fn status(self) -> Value {
        json!({
            "observedGeneration": 1,
            "replicas": self.pods,
            "readyReplicas": self.ready,
            "availableReplicas": self.ready,
            "currentReplicas": self.current,
            "updatedReplicas": self.updated,
            "currentRevision": format!("{NAME}-{}", self.current_revision),
            "updateRevision": format!("{NAME}-{}", self.revision),
        })
    }
}

impl Cluster {
    /// What the status of the StatefulSet counts.
    pub(super) fn counts(&self) -> Counts {
        let count = |which: &dyn Fn(&Pod) -> bool| self.pods.values().filter(|pod| which(pod)).count();
        Counts {
            pods: self.pods.len(),
            ready: count(&|pod| pod.ready && !pod.is_deleting()),
            current: count(&|pod| pod.revision == self.current_revision),
            updated: count(&|pod| pod.revision == self.revision && !pod.is_deleting()),
            current_revision: self.current_revision,
            revision: self.revision,
        }
    }
}

/// What the controller of StatefulSets goes by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Pods.
    pub(super) replicas: usize,
    /// The first ordinal that a new template is for.
    pub(super) partition: usize,
}

impl Wanted {
    /// Of a StatefulSet.
    pub(super) fn of(set: &Value) -> Self {
        let number = |pointer: &str| {
            let number = set.pointer(pointer).and_then(Value::as_u64);
            number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
        };
        let partition = number("/spec/updateStrategy/rollingUpdate/partition");
        Wanted { replicas: number("/spec/replicas"), partition }
    }
}

/// Everything that happens by itself within a moment.
pub(super) fn pass(cluster: &mut Cluster, fleet: &mut Fleet) {
    let now = fleet.now;
    if !cluster.objects.contains_key(STATEFUL_SET) {
        return;
    }
    let Wanted { replicas: wanted, partition } = cluster.wanted;
    restart(cluster, fleet);
    remove(cluster, fleet);
    for ordinal in 0..wanted {
        if !cluster.pods.contains_key(&ordinal) && !cluster.missing.contains(&ordinal) && fleet.chance(60) {
            create(cluster, fleet, ordinal, partition);
        }
    }
    let grace = now + 500 + fleet.below(3_000) as Time;
    let surplus: Vec<usize> = cluster.pods.keys().copied().filter(|ordinal| *ordinal >= wanted).collect();
    surplus.into_iter().for_each(|ordinal| cluster.delete_pod(ordinal, grace));
    for ordinal in (partition..wanted).rev() {
        let Some(pod) = cluster.pods.get(&ordinal) else { break };
        if pod.revision != cluster.revision && !pod.is_deleting() {
            cluster.delete_pod(ordinal, grace);
            break;
        }
        if !pod.ready || pod.is_deleting() {
            break;
        }
    }
    if cluster.pods.values().all(|pod| pod.revision == cluster.revision) && cluster.pods.len() == wanted {
        cluster.current_revision = cluster.revision;
    }
}

/// Probes, and containers that are started again.
fn restart(cluster: &mut Cluster, fleet: &mut Fleet) {
    let now = fleet.now;
    for (ordinal, pod) in &mut cluster.pods {
        let delay = 500 + fleet.below(2_500) as Time;
        let Some(server) = fleet.servers.get_mut(*ordinal) else { continue };
        let ready = server.is_up();
        if pod.ready != ready {
            pod.ready = ready;
            pod.shown = None;
        }
        if server.process == Process::Down && pod.deleting.is_none() {
            let at = *pod.restart.get_or_insert(now + delay);
            if at <= now {
                server.start(now + delay);
                pod.restart = None;
            }
        }
    }
}

/// Pods whose time has come.
fn remove(cluster: &mut Cluster, fleet: &mut Fleet) {
    let now = fleet.now;
    let gone: Vec<usize> = cluster
        .pods
        .iter()
        .filter(|(_, pod)| pod.deleting.is_some_and(|at| at <= now))
        .map(|(ordinal, _)| *ordinal)
        .collect();
    for ordinal in gone {
        cluster.pods.remove(&ordinal);
        if let Some(server) = fleet.servers.get_mut(ordinal) {
            server.stop();
        }
        fleet.place(ordinal, None);
    }
}

fn create(cluster: &mut Cluster, fleet: &mut Fleet, ordinal: usize, partition: usize) {
    let template =
        cluster.objects.get(STATEFUL_SET).and_then(|stored| stored.applied.pointer("/spec/template")).cloned();
    let Some(template) = template else { return };
    cluster.next_ip += 1;
    cluster.next_uid += 1;
    let ip = format!("10.0.{}.{}", cluster.next_ip / 250, cluster.next_ip % 250 + 1);
    let revision = if ordinal >= partition { cluster.revision } else { cluster.current_revision };
    let at = fleet.now + 300 + fleet.below(2_000) as Time;
    let server = fleet.server(ordinal);
    server.start(at);
    fleet.place(ordinal, Some(ip.clone()));
    let image = template.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default().to_owned();
    let pod = Pod {
        ordinal,
        image,
        uid: cluster.next_uid,
        ip,
        ready: false,
        labels: BTreeMap::new(),
        deleting: None,
        restart: None,
        revision,
        template,
        shown: None,
    };
    cluster.pods.insert(ordinal, pod);
}
