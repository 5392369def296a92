//! The runtime that runs what it has as real processes of this machine: MySQL, and our own program. In: pods. Out:
//! reports. Containers of other images are simulated.
//!
//! There are no containers of the kind that a kernel makes: each pod has an address of its own on the loopback, and the
//! paths that its containers know are replaced by folders of this machine wherever they are named. Users, capabilities,
//! limits and read-only file systems of the spec are left out. Everything comes from the Kubernetes API, so it works on
//! any cluster. No process outlives the node; claims' data does.

mod access;
mod action;
mod backoff;
mod claims;
mod container;
mod content;
mod entry;
mod environment;
mod image;
mod installation;
mod launch;
mod layout;
mod place;
mod pod;
mod probe;
mod rewrite;
mod slot;
mod sources;
mod sql;
mod termination;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::runtime::{PodReport, Runtime, RuntimeError};
use super::simulated::Simulated;
use crate::machinery::clock::Clock;
use crate::machinery::workers::Tasks;
pub use access::{Access, Process};
pub use backoff::Backoff;
use image::{Image, recognise};
pub use installation::{Installation, InstallationError};
use launch::Launcher;
use layout::Layout;
pub use layout::StateError;
use pod::PodContext;
use sources::FromCluster;

/// How processes are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that the node keeps its state in. It belongs to one cluster: data of claims that the cluster does not
    /// have is removed.
    pub state: PathBuf,
    /// Installations of MySQL; the one that fits an image's tag best is taken. None: its images are simulated.
    pub mysql: Vec<Installation>,
    /// Our own program. Empty: its images are simulated.
    pub windlass: PathBuf,
    /// Folders for the data of claims, by `namespace/name`; others have a folder of their own below the node's. Emptied
    /// when the claim goes.
    pub places: BTreeMap<String, PathBuf>,
    /// How long containers that ended wait for their next start.
    pub backoff: Backoff,
    /// Probes ask at least so often; the time until a verdict stays what the pod says. None: as often as the pod says.
    pub longest_probe_period: Option<Duration>,
    /// How long processes may take to end when the node does.
    pub farewell: Duration,
    /// Where the node reads the time.
    pub clock: Clock,
}

impl Options {
    /// Real servers of these installations, with the state in this folder; waits and probes are a kubelet's.
    pub fn new(state: impl Into<PathBuf>, mysql: Vec<Installation>) -> Self {
        Self {
            state: state.into(),
            mysql,
            windlass: PathBuf::new(),
            places: BTreeMap::new(),
            backoff: Backoff::default(),
            longest_probe_period: None,
            farewell: Duration::from_secs(10),
            clock: Clock::system(),
        }
    }
}

/// Runs pods as processes.
pub struct Processes {
    machine: Arc<Machine>,
    tasks: Tasks,
    simulated: Simulated,
    pods: Mutex<HashMap<String, Held>>,
    sender: mpsc::UnboundedSender<PodReport>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<PodReport>>>,
}

/// What all pods share.
struct Machine {
    options: Options,
    layout: Layout,
    launcher: Launcher,
    access: Access,
    sources: FromCluster,
    /// Tells that something changed that containers may wait for, or have mounted.
    changed: watch::Sender<()>,
}

/// A pod that was started.
struct Held {
    context: Arc<PodContext>,
    stop: watch::Sender<Option<Instant>>,
    over: CancellationToken,
}

impl Machine {
    /// Whether the programs of an image are here.
    fn has(&self, image: &Image) -> bool {
        match image {
            Image::Mysql(_) => !self.options.mysql.is_empty(),
            Image::Windlass => !self.options.windlass.as_os_str().is_empty(),
        }
    }

    fn runs(&self, pod: &Pod) -> bool {
        let spec = pod.spec.iter();
        let all = spec.flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()));
        let mut images = all.filter_map(|c| recognise(c.image.as_deref()?));
        images.any(|image| self.has(&image))
    }

    fn claim_uid(&self, namespace: &str, name: &str) -> Option<String> {
        self.sources.claim_uid(namespace, name)
    }
}

impl Processes {
    /// Takes the folder over and ends what an earlier node may have left running. Must be called within a Tokio runtime.
    pub fn start(client: Client, options: Options) -> Result<Self, StateError> {
        let fail = |action| {
            let folder = options.state.clone();
            move |source| StateError::Io { folder, action, source }
        };
        let layout = Layout::open(&options.state)?;
        let access = Access::to(layout.root());
        let ended = access.end_leftovers().map_err(fail("end what an earlier node left running"))?;
        if ended > 0 {
            tracing::info!(processes = ended, "ended what an earlier node left running");
        }
        let launcher = Launcher::start().map_err(fail("start the thread that starts processes"))?;
        let tasks = Tasks::new();
        let changed = watch::channel(()).0;
        let sources = FromCluster::start(&client, &changed, &tasks);
        let clock = options.clock.clone();
        let machine = Arc::new(Machine { options, layout, launcher, access, sources, changed });
        claims::start(client, &machine, &tasks);
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Mutex::new(Some(receiver));
        Ok(Self { machine, tasks, simulated: Simulated::new(clock), pods: Mutex::default(), sender, receiver })
    }

    /// What looks at the processes from outside.
    pub fn access(&self) -> Access {
        self.machine.access.clone()
    }

    fn pods(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, pod: Arc<Pod>, address: Ipv4Addr) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let mut pods = self.pods();
        if let Some(held) = pods.get(&uid) {
            held.context.update(pod);
            // Labels and annotations may be mounted.
            self.machine.changed.send_replace(());
            return;
        }
        let context = Arc::new(PodContext::new(pod, address));
        let (stop, stopped) = watch::channel(None);
        let over = CancellationToken::new();
        let guard = over.clone().drop_guard();
        let clock = self.machine.options.clock.clone();
        let running = pod::run(self.machine.clone(), context.clone(), self.sender.clone(), clock, stopped);
        self.tasks.spawn(async move {
            // Dropped with the future, even where it is cancelled.
            let _guard = guard;
            running.await;
        });
        pods.insert(uid, Held { context, stop, over });
    }

    /// Tells a pod to end within this time, or an even shorter one if it was told before. What to wait for.
    fn tell(held: &Held, grace: Duration) -> CancellationToken {
        let at = Instant::now() + grace;
        held.stop.send_modify(|told| *told = Some(told.map_or(at, |told| told.min(at))));
        held.over.clone()
    }
}

impl Runtime for Processes {
    fn start(&self, pod: Arc<Pod>, address: Ipv4Addr) -> BoxFuture<'_, Result<(), RuntimeError>> {
        if self.tasks.token.is_cancelled() {
            return futures::future::ready(Err(RuntimeError::Closed)).boxed();
        }
        if !self.machine.runs(&pod) {
            return self.simulated.start(pod, address);
        }
        self.run(pod, address);
        futures::future::ready(Ok(())).boxed()
    }

    fn stop(&self, pod: Arc<Pod>, grace: Duration) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async move {
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            let told = self.pods().get(uid).map(|held| Self::tell(held, grace));
            if let Some(over) = told {
                over.cancelled().await;
                self.pods().remove(uid);
            }
            claims::remove(&self.machine.layout.pod(uid)).await;
            self.simulated.stop(pod, grace).await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            let farewell = self.machine.options.farewell;
            let all: Vec<_> = self.pods().values().map(|held| Self::tell(held, farewell)).collect();
            join_all(all.iter().map(CancellationToken::cancelled)).await;
            self.tasks.stop().await;
        }
        .boxed()
    }

    fn reports(&self) -> BoxStream<'static, PodReport> {
        let own = match self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(mut receiver) => futures::stream::poll_fn(move |cx| receiver.poll_recv(cx)).boxed(),
            None => futures::stream::empty().boxed(),
        };
        futures::stream::select(own, self.simulated.reports()).boxed()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.tasks.token.cancel();
        self.machine.sources.forget();
    }
}
