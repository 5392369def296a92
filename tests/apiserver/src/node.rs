//! The local node: scheduler and kubelet in one. In: pods that nobody bound, and pods bound to it. Out: bindings, pod
//! status, deletions confirmed, a Node object with its Lease.
//!
//! What "running" means is the business of a [`Runtime`]; this module speaks Kubernetes for it. It works against any
//! API server without kubelets of its own, may stop and start again at any time, and two of them do no harm: every
//! write names the version it was decided on, and what an earlier one reported (addresses, start times) is kept.

mod address;
mod placement;
pub mod processes;
mod register;
mod runtime;
mod simulated;
mod status;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, Node as NodeObject, ObjectReference, Pod};
use kube::Client;
use kube::api::{DeleteParams, PostParams};
use kube::core::metadata::ObjectMeta;

pub use crate::machinery::clock::Clock;
use crate::machinery::error::Error;
use crate::machinery::informer::Informer;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::{Kind, Recorder};
use crate::machinery::workers::{Pass, Tasks};
pub use runtime::{ContainerReport, ContainerState, PodReport, Runtime, RuntimeError};
pub use simulated::{SIMULATE, Simulated};

/// The name of the Node object unless another is chosen.
pub const NODE_NAME: &str = "windlass-local";
/// The grace period of a pod that names none, in seconds; the API's default.
const GRACE_SECONDS: i64 = 30;
const SCHEDULER: &str = "default-scheduler";
const KUBELET: &str = "kubelet";

/// How the node runs.
#[derive(Clone)]
pub struct Options {
    /// The name of the Node object.
    pub name: String,
    /// Whether pods that no scheduler bound are taken. Off where a scheduler runs.
    pub bind: bool,
    /// Where the node reads the time.
    pub clock: Clock,
    /// Pods worked on at the same time.
    pub workers: usize,
    /// What runs the pods.
    pub runtime: Arc<dyn Runtime>,
}

impl Default for Options {
    fn default() -> Self {
        let clock = Clock::system();
        let runtime = Arc::new(Simulated::new(clock.clone()));
        Self { name: NODE_NAME.to_owned(), bind: true, clock, workers: 16, runtime }
    }
}

/// The running node. Dropping it ends it as well, without waiting.
pub struct Node {
    tasks: Tasks,
    pods: Arc<Informer<Pod>>,
    nodes: Arc<Informer<NodeObject>>,
    runtime: Arc<dyn Runtime>,
}

impl Node {
    /// Starts the node. Must be called within a Tokio runtime. Returns at once and keeps trying while the API server
    /// cannot be reached.
    pub fn start(client: Client, options: Options) -> Self {
        let tasks = Tasks::new();
        let events = Recorder::start(client.clone(), options.clock.clone(), &tasks);
        let pods = Informer::<Pod>::namespaced(&client, KUBELET);
        let queue: Queue<Key> = Queue::new();
        let q = queue.clone();
        pods.on_change(move |old, new| q.add(new.or(old).map(|p| Key::of(&**p)).unwrap_or_default()));
        let nodes = Informer::<NodeObject>::cluster(&client, KUBELET);
        let (q, waiting, own) = (queue.clone(), pods.clone(), options.name.clone());
        nodes.on_change(move |_, new| {
            // Whoever had no place may have one now.
            let unbound =
                |p: &Arc<Pod>| p.spec.as_ref().is_some_and(|s| s.node_name.as_deref().unwrap_or("").is_empty());
            if new.is_some_and(|n| n.metadata.name.as_ref() == Some(&own)) {
                waiting.all().iter().filter(|p| unbound(p)).for_each(|p| q.add(Key::of(&**p)));
            }
        });
        let workers = options.workers.max(1);
        let runtime = options.runtime.clone();
        let kubelet = Arc::new(Kubelet {
            options,
            pods: pods.clone(),
            nodes: nodes.clone(),
            events,
            state: Mutex::default(),
            addresses: Mutex::default(),
        });
        listen(&kubelet, &queue, &tasks);
        register::start(client, kubelet.options.name.clone(), kubelet.options.clock.clone(), &tasks);
        let (held, known) = (pods.clone(), nodes.clone());
        let synced = async move {
            held.synced().await;
            known.synced().await;
        };
        let ready = futures::FutureExt::shared(futures::FutureExt::boxed(synced));
        tasks.work(KUBELET, &queue, workers, ready, move |key| {
            let kubelet = kubelet.clone();
            async move { kubelet.pass(&key).await }
        });
        pods.run(&tasks);
        nodes.run(&tasks);
        Self { tasks, pods, nodes, runtime }
    }

    /// Ends the node, and with it what it runs, and waits until it did. Pods stay as they are; a node started later
    /// takes them over.
    pub async fn stop(self) {
        self.tasks.stop().await;
        self.runtime.close().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.token.cancel();
        self.pods.forget_handlers();
        self.nodes.forget_handlers();
    }
}

/// A pod that the runtime was told about.
struct Held {
    uid: String,
    pod: Arc<Pod>,
    report: Option<PodReport>,
}

struct Kubelet {
    options: Options,
    pods: Arc<Informer<Pod>>,
    nodes: Arc<Informer<NodeObject>>,
    events: Recorder,
    state: Mutex<HashMap<Key, Held>>,
    addresses: Mutex<address::Pool>,
}

/// Takes the runtime's reports in and has the pods looked at.
fn listen(kubelet: &Arc<Kubelet>, queue: &Queue<Key>, tasks: &Tasks) {
    let mut reports = kubelet.options.runtime.reports();
    let (kubelet, queue) = (kubelet.clone(), queue.clone());
    tasks.spawn(async move {
        while let Some(report) = reports.next().await {
            let key = Key::new(&report.namespace, &report.name);
            if let Some(held) = kubelet.state().get_mut(&key).filter(|h| h.uid == report.uid) {
                held.report = Some(report);
                queue.add(key);
            }
        }
    });
}

impl Kubelet {
    fn state(&self) -> MutexGuard<'_, HashMap<Key, Held>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self) -> MutexGuard<'_, address::Pool> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, key: &Key) -> Pass {
        let pod = self.pods.get(key);
        let uid = pod.as_ref().and_then(|p| p.metadata.uid.as_deref()).unwrap_or_default();
        // What ran under this name and is another pod, or none any more.
        let stale = {
            let state = self.state();
            state.get(key).filter(|h| h.uid != uid).map(|h| h.pod.clone())
        };
        if let Some(stale) = stale {
            self.end(&stale, Duration::ZERO).await;
            self.forget(key, &stale);
        }
        let Some(pod) = pod else { return Ok(None) };
        match pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty()) {
            None => self.bind(key, &pod).await,
            Some(node) if node != self.options.name => Ok(None),
            Some(_) if pod.metadata.deletion_timestamp.is_some() => self.terminate(key, &pod).await,
            Some(_) if status::is_finished(&pod) => {
                self.end(&pod, Duration::ZERO).await;
                Ok(None)
            }
            Some(_) => self.run(key, &pod).await,
        }
    }

    /// Binds a pod as a scheduler would.
    async fn bind(&self, key: &Key, pod: &Pod) -> Pass {
        let gated = pod.spec.iter().flat_map(|s| s.scheduling_gates.iter().flatten()).next().is_some();
        if !self.options.bind || gated || pod.metadata.deletion_timestamp.is_some() || status::is_finished(pod) {
            return Ok(None);
        }
        let node = self.nodes.get(&Key::new("", &self.options.name));
        if let Some(why) = node.and_then(|node| placement::obstacle(&node, pod)) {
            self.events.event(SCHEDULER, pod, Kind::Warning, "FailedScheduling", why);
            return Ok(None);
        }
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(key.name.clone()),
                namespace: Some(key.namespace.clone()),
                // The pod that was seen, and no other of its name.
                uid: pod.metadata.uid.clone(),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Node".to_owned()),
                name: Some(self.options.name.clone()),
                ..ObjectReference::default()
            },
        };
        let api = self.pods.api(&key.namespace);
        let answer: Result<kube::core::Status, _> =
            api.create_subresource("binding", &key.name, &PostParams::default(), &binding).await;
        match answer {
            Ok(_) => {
                let message = format!("Successfully assigned {key} to {}", self.options.name);
                self.events.event(SCHEDULER, pod, Kind::Normal, "Scheduled", message);
                Ok(None)
            }
            // Another node or scheduler was faster, or the pod is gone: its event says so.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(None),
            Err(error) => Err(Error::api("bind", "Pod", key, error)),
        }
    }

    /// Has the pod run and reports how it does.
    async fn run(&self, key: &Key, pod: &Arc<Pod>) -> Pass {
        let (known, report) = {
            let mut state = self.state();
            let known = state.get(key).is_some_and(|h| status::asks_the_same(&h.pod, pod));
            let held = state.entry(key.clone()).or_insert_with(|| Held {
                uid: pod.metadata.uid.clone().unwrap_or_default(),
                pod: pod.clone(),
                report: None,
            });
            held.pod = pod.clone();
            (known, held.report.clone())
        };
        let ip = self.address(pod);
        if !known && let Err(error) = self.options.runtime.start(pod.clone(), ip).await {
            let message = format!("Error: {error}");
            self.events.event(KUBELET, &**pod, Kind::Warning, "Failed", message);
            self.state().remove(key);
            return Ok(Some(Duration::from_secs(5)));
        }
        let Some(report) = report else { return Ok(None) };
        let wanted = status::status(pod, &report, &ip.to_string(), &self.options.clock.time());
        if pod.status.as_ref() == Some(&wanted) {
            return Ok(None);
        }
        let started = status::newly_started(pod, &wanted);
        match self.pods.replace_status(pod, &wanted).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        }
        for container in started {
            let log = report.containers.iter().find(|c| c.name == container).and_then(|c| c.log.as_ref());
            let place = log.map(|log| format!(", which writes to {}", log.display())).unwrap_or_default();
            let message = format!("Started container {container}{place}");
            self.events.event(KUBELET, &**pod, Kind::Normal, "Started", message);
        }
        Ok(None)
    }

    /// Stops a pod on its way out and confirms its deletion, as a kubelet does, with a grace period of zero.
    async fn terminate(&self, key: &Key, pod: &Arc<Pod>) -> Pass {
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(GRACE_SECONDS).max(0);
        self.end(pod, Duration::from_secs(grace as u64)).await;
        self.forget(key, pod);
        let waits = pod.metadata.finalizers.iter().flatten().next().is_some();
        let mut pod = pod.clone();
        if waits && !status::is_finished(&pod) {
            // Somebody waits for the pod's end: it is told that all containers ended, and how.
            let ended = status::killed(&pod, &self.options.clock.time());
            pod = match self.pods.replace_status(&pod, &ended).await {
                Ok(pod) => pod,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        if waits && pod.metadata.deletion_grace_period_seconds == Some(0) {
            return Ok(None);
        }
        self.pods.delete(&pod, DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await?;
        Ok(None)
    }

    async fn end(&self, pod: &Arc<Pod>, grace: Duration) {
        if let Err(error) = self.options.runtime.stop(pod.clone(), grace).await {
            tracing::warn!(pod = %Key::of(&**pod), %error, "failed to stop a pod");
        }
    }

    fn forget(&self, key: &Key, pod: &Pod) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let mut state = self.state();
        if state.get(key).is_some_and(|h| h.uid == uid) {
            state.remove(key);
        }
        drop(state);
        self.addresses().release(uid);
    }

    /// The pod's address: the one it has, or a new one of its own.
    fn address(&self, pod: &Pod) -> std::net::Ipv4Addr {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let held = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
        let mut addresses = self.addresses();
        if addresses.is_fresh() {
            // After a restart: what other pods report is taken.
            for other in self.pods.all() {
                let ip = other.status.as_ref().and_then(|s| s.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
                if let (Some(ip), Some(uid)) = (ip, other.metadata.uid.as_deref()) {
                    addresses.keep(uid, ip);
                }
            }
        }
        match held {
            Some(ip) => addresses.keep(uid, ip),
            None => addresses.take(uid),
        }
    }
}
