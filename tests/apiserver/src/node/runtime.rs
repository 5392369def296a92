//! What a node needs of whatever runs its pods. In: pods to start and to stop. Out: reports of how they do.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Runs pods.
pub trait Runtime: Send + Sync + 'static {
    /// Has the pod run, listening on `address`. Called again when the pod's spec, labels or annotations changed, and
    /// after a restart of the node for pods that may run already; it must take both.
    fn start(&self, pod: Arc<Pod>, address: Ipv4Addr) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// Ends the pod and resolves when nothing of it runs any more, at the latest after `grace`. A pod that does not run
    /// is a success.
    fn stop(&self, pod: Arc<Pod>, grace: Duration) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// Ends all that runs, because the node does. The pods are not told: a node that starts later runs them again.
    fn close(&self) -> BoxFuture<'_, ()> {
        futures::FutureExt::boxed(futures::future::ready(()))
    }

    /// The stream of reports. The node takes it once, before it starts any pod.
    fn reports(&self) -> BoxStream<'static, PodReport>;
}

/// Why a runtime could not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The node ends.
    #[error("the node ends and starts no more pods")]
    Closed,
    /// The image is none that this runtime knows.
    #[error("image {image:?} of container {container:?} is not known to this node")]
    UnknownImage {
        /// The container's name.
        container: String,
        /// Its image.
        image: String,
    },
    /// A process could not be started or ended.
    #[error("failed to {action} container {container:?}")]
    Process {
        /// What was tried.
        action: &'static str,
        /// The container's name.
        container: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// How a pod does.
#[derive(Clone, Debug, PartialEq)]
pub struct PodReport {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's uid: a report about an earlier pod of the same name is ignored.
    pub uid: String,
    /// One entry per container of the spec, init containers left out.
    pub containers: Vec<ContainerReport>,
    /// One entry per init container; empty where the runtime does not tell them, then all have ended well.
    pub init: Vec<ContainerReport>,
    /// Set when the whole pod was ended by the node, whatever its restart policy: reason and message.
    pub evicted: Option<(String, String)>,
}

/// How a container does.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerReport {
    /// The container's name.
    pub name: String,
    /// Whether its startup probe, if it has one, succeeded since the container was started.
    pub started: bool,
    /// Whether its readiness probe, if it has one, succeeds.
    pub ready: bool,
    /// How often it was restarted.
    pub restarts: i32,
    /// What it does now.
    pub state: ContainerState,
    /// How it ended the last time, if it was restarted.
    pub last: Option<ContainerState>,
    /// The file that it writes to, if it is a process that writes.
    pub log: Option<PathBuf>,
}

impl ContainerReport {
    /// A container that waits to be made.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            started: false,
            ready: false,
            restarts: 0,
            state: ContainerState::Waiting { reason: "ContainerCreating".to_owned(), message: String::new() },
            last: None,
            log: None,
        }
    }
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub enum ContainerState {
    /// It does not run yet, or not again yet.
    Waiting {
        /// A word in CamelCase, like `CrashLoopBackOff`.
        reason: String,
        /// For people.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Time,
    },
    /// It ended.
    Ended {
        /// The exit code; 128 and the signal's number when a signal ended it.
        code: i32,
        /// When it was started.
        started: Time,
        /// When it ended.
        finished: Time,
        /// What it said of its end.
        message: Option<String>,
    },
}
