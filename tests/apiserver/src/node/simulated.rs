//! The runtime that runs nothing: every pod is up and ready at once, the pods of Jobs end well a moment later. In: pods.
//! Out: reports. An annotation makes a pod misbehave, for tests; it means something on this runtime only.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::mpsc;

use super::runtime::{ContainerReport, ContainerState, PodReport, Runtime, RuntimeError};
use crate::machinery::clock::Clock;

/// Annotation on a pod: `unready` (runs, never ready), `failed` (ended for good, exit code 1) or `crash` (waits in
/// CrashLoopBackOff). It may be set, changed and taken off while the pod runs. Known to the simulated runtime alone.
pub const SIMULATE: &str = "windlass.dev/simulate";
/// How long the pod of a Job runs.
const JOB_RUNS: Duration = Duration::from_millis(100);

/// Pretends to run pods.
pub struct Simulated {
    clock: Clock,
    job_runs: Duration,
    sender: mpsc::UnboundedSender<PodReport>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<PodReport>>>,
    started: Arc<Mutex<HashMap<String, Time>>>,
}

/// How a pod is to behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Ready,
    Unready,
    Failed,
    Crash,
}

impl Simulated {
    /// A runtime whose Job pods run for a tenth of a second.
    pub fn new(clock: Clock) -> Self {
        Self::with_jobs_of(clock, JOB_RUNS)
    }

    /// A runtime whose Job pods run for `job_runs`.
    pub fn with_jobs_of(clock: Clock, job_runs: Duration) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { clock, job_runs, sender, receiver: Mutex::new(Some(receiver)), started: Arc::default() }
    }

    fn started(&self) -> MutexGuard<'_, HashMap<String, Time>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn behaviour(pod: &Pod) -> Behaviour {
    let word = pod.metadata.annotations.as_ref().and_then(|a| a.get(SIMULATE)).map(String::as_str);
    match word {
        Some("unready") => Behaviour::Unready,
        Some("failed") => Behaviour::Failed,
        Some("crash") => Behaviour::Crash,
        _ => Behaviour::Ready,
    }
}

/// Whether the pod is one that ends: its containers are not to be started again after success.
fn ends(pod: &Pod) -> bool {
    let policy = pod.spec.as_ref().and_then(|s| s.restart_policy.as_deref());
    matches!(policy, Some("Never" | "OnFailure"))
}

/// The report of a pod that behaves like this; `ended` says when it ended well.
fn report(pod: &Pod, behaviour: Behaviour, started: &Time, now: &Time, ended: bool) -> PodReport {
    let over = |code| ContainerState::Ended { code, started: started.clone(), finished: now.clone(), message: None };
    let crash = || ContainerState::Waiting {
        reason: "CrashLoopBackOff".to_owned(),
        message: "back-off restarting failed container".to_owned(),
    };
    let containers = pod.spec.iter().flat_map(|s| &s.containers).map(|container| {
        let (ready, restarts, state, last) = match behaviour {
            Behaviour::Ready if ended => (false, 0, over(0), None),
            Behaviour::Ready => (true, 0, ContainerState::Running { since: started.clone() }, None),
            Behaviour::Unready => (false, 0, ContainerState::Running { since: started.clone() }, None),
            Behaviour::Failed => (false, 0, over(1), None),
            Behaviour::Crash => (false, 1, crash(), Some(over(1))),
        };
        let started = matches!(state, ContainerState::Running { .. });
        ContainerReport { started, ready, restarts, state, last, ..ContainerReport::new(&container.name) }
    });
    let evicted = (behaviour == Behaviour::Failed && !ends(pod))
        .then(|| ("Evicted".to_owned(), format!("The pod carries the annotation {SIMULATE}: failed")));
    PodReport {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        name: pod.metadata.name.clone().unwrap_or_default(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        containers: containers.collect(),
        init: Vec::new(),
        evicted,
    }
}

impl Runtime for Simulated {
    fn start(&self, pod: Arc<Pod>, _address: Ipv4Addr) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async move {
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            // A pod that ran before this runtime did keeps the time it was started.
            let held = pod.status.as_ref().and_then(|s| s.start_time.clone());
            let since =
                self.started().entry(uid.clone()).or_insert_with(|| held.unwrap_or_else(|| self.clock.time())).clone();
            let how = behaviour(&pod);
            // An error means that the node is gone, and with it whoever wanted to know.
            let _ = self.sender.send(report(&pod, how, &since, &self.clock.time(), false));
            if ends(&pod) && how == Behaviour::Ready {
                let (sender, clock, started) = (self.sender.clone(), self.clock.clone(), self.started.clone());
                let runs = self.job_runs;
                tokio::spawn(async move {
                    tokio::time::sleep(runs).await;
                    if started.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&uid) {
                        let _ = sender.send(report(&pod, how, &since, &clock.time(), true));
                    }
                });
            }
            Ok(())
        }
        .boxed()
    }

    fn stop(&self, pod: Arc<Pod>, _grace: Duration) -> BoxFuture<'_, Result<(), RuntimeError>> {
        self.started().remove(pod.metadata.uid.as_deref().unwrap_or_default());
        futures::future::ready(Ok(())).boxed()
    }

    fn reports(&self) -> BoxStream<'static, PodReport> {
        match self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(mut receiver) => futures::stream::poll_fn(move |cx| receiver.poll_recv(cx)).boxed(),
            None => futures::stream::empty().boxed(),
        }
    }
}
