//! One pod from its start to its end. In: the pod, its address, the wish that it ends. Out: its containers, run in the
//! order that Kubernetes has for them; reports of how they do.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, Volume};
use tokio::sync::mpsc;

use super::container::{Job, Policy, Stop, told};
use super::content::{self, Absent};
use super::environment::{Subject, expanded, variables};
use super::image::{Image, recognise};
use super::installation::Installation;
use super::layout::private;
use super::place::Place;
use super::rewrite::Paths;
use super::termination::DEFAULT_PATH;
use super::{Machine, entry};
use crate::machinery::clock::Clock;
use crate::node::runtime::{ContainerReport, ContainerState, PodReport};

/// What a container of a lost node is said to have ended with, as a kubelet says it.
const LOST: i32 = 255;

/// What holds a container back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    /// An object that it refers to.
    #[error("{0}")]
    Absent(#[from] Absent),
    /// A claim.
    #[error("persistentvolumeclaim {name:?} not found")]
    Claim { name: String },
    /// The system.
    #[error("failed to make {what} in {folder}: {source}")]
    Io { what: &'static str, folder: PathBuf, source: io::Error },
}

impl Obstacle {
    /// The reason in the container's status.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Absent(_) => "CreateContainerConfigError",
            Self::Claim { .. } | Self::Io { .. } => "ContainerCreating",
        }
    }
}

/// What all containers of a pod share.
pub(super) struct PodContext {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// Time to end, where nothing else says how long.
    pub(super) grace: Duration,
    pub(super) address: Ipv4Addr,
    pod: Mutex<Arc<Pod>>,
}

impl PodContext {
    pub(super) fn new(pod: Arc<Pod>, address: Ipv4Addr) -> Self {
        let grace = pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds).unwrap_or(30);
        let meta = &pod.metadata;
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            grace: Duration::from_secs(u64::try_from(grace).unwrap_or_default()),
            address,
            pod: Mutex::new(pod),
        }
    }

    /// The pod as it was last seen.
    pub(super) fn pod(&self) -> Arc<Pod> {
        self.pod.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a newer version.
    pub(super) fn update(&self, pod: Arc<Pod>) {
        *self.pod.lock().unwrap_or_else(PoisonError::into_inner) = pod;
    }

    /// Makes, or brings up to date, the place where a container runs.
    pub(super) fn place(&self, machine: &Machine, container: &Container, image: &Image) -> Result<Place, Obstacle> {
        let pod = self.pod();
        let folder = machine.layout.pod(&self.uid);
        let own = folder.join("c").join(&container.name);
        let root = own.join("root");
        make("the folder of a container", &root)?;
        let mut paths = Paths::default();
        let built_in: &[&str] = match image {
            Image::Mysql(_) => &entry::FOLDERS,
            Image::Windlass => &["/tmp"],
        };
        for path in built_in {
            let host = root.join(path.trim_start_matches('/'));
            make("a folder of the image", &host)?;
            paths.add(path, host);
        }
        paths.add("/etc/my.cnf", root.join("etc/my.cnf"));
        let termination = own.join("termination-log");
        paths.add(container.termination_message_path.as_deref().unwrap_or(DEFAULT_PATH), termination.clone());
        // Mounts may be named by variables that need no path themselves.
        let subject = Subject { pod: &pod, container, address: self.address };
        let names = variables(&subject, &machine.sources, &Paths::default())?;
        let mut volumes = BTreeMap::new();
        let mut made = Vec::new();
        for mount in container.volume_mounts.iter().flatten() {
            let all = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
            let Some(volume) = all.clone().find(|v| v.name == mount.name) else {
                return Err(Absent::Volume { volume: mount.name.clone() }.into());
            };
            let files = content::files(&pod, volume, self.address, &machine.sources)?;
            let base = match &files {
                Some(_) => own.join("m").join(&volume.name),
                None => self.volume(machine, volume)?,
            };
            make("a volume", &base)?;
            let below = match (&mount.sub_path, &mount.sub_path_expr) {
                (Some(path), _) => path.clone(),
                (None, Some(path)) => expanded(path, &names),
                (None, None) => String::new(),
            };
            let host = if below.is_empty() { base.clone() } else { base.join(&below) };
            if files.is_none() {
                make("a folder of a volume", &host)?;
            }
            link(&root, &mount.mount_path, &host);
            paths.add(&mount.mount_path, host);
            if let Some(files) = files {
                made.push((base.clone(), files));
            }
            volumes.insert(volume.name.clone(), base);
        }
        for (folder, files) in made {
            let written = content::write(&folder, &files, |text| paths.text(text));
            written.map_err(|source| Obstacle::Io { what: "mounted files", folder, source })?;
        }
        let tag = match image {
            Image::Mysql(tag) => tag,
            Image::Windlass => "",
        };
        Ok(Place {
            address: self.address,
            variables: variables(&subject, &machine.sources, &paths)?,
            paths,
            root,
            mysql: Installation::best(&machine.options.mysql, tag).map(|installation| installation.bin.clone()),
            windlass: machine.options.windlass.clone(),
            termination,
            log: machine.layout.log(&self.namespace, &self.name, &self.uid, &container.name),
            volumes,
        })
    }

    /// The folder of a volume that is not made from objects.
    fn volume(&self, machine: &Machine, volume: &Volume) -> Result<PathBuf, Obstacle> {
        if let Some(claim) = &volume.persistent_volume_claim {
            return self.claim(machine, &claim.claim_name);
        }
        if let Some(path) = &volume.host_path {
            return Ok(PathBuf::from(&path.path));
        }
        if volume.ephemeral.is_some() {
            // Its claim is named so by the API.
            return self.claim(machine, &format!("{}-{}", self.name, volume.name));
        }
        match volume.empty_dir {
            Some(_) => Ok(machine.layout.pod(&self.uid).join("v").join(&volume.name)),
            None => Err(Absent::Kind { volume: volume.name.clone() }.into()),
        }
    }

    fn claim(&self, machine: &Machine, name: &str) -> Result<PathBuf, Obstacle> {
        let missing = || Obstacle::Claim { name: name.to_owned() };
        let uid = machine.claim_uid(&self.namespace, name).ok_or_else(missing)?;
        let folder = machine.layout.claim(&self.namespace, name, &uid);
        if let Some(place) = machine.options.places.get(&format!("{}/{name}", self.namespace))
            && std::fs::symlink_metadata(&folder).is_err()
        {
            make("the place of a claim", place)?;
            let linked = std::os::unix::fs::symlink(place, &folder);
            linked.map_err(|source| Obstacle::Io { what: "a link", folder: folder.clone(), source })?;
        }
        Ok(folder)
    }
}

fn make(what: &'static str, folder: &Path) -> Result<(), Obstacle> {
    // A mount of a single file, or a link to a folder, is there already.
    if folder.exists() {
        return Ok(());
    }
    private(folder).map_err(|source| Obstacle::Io { what, folder: folder.to_path_buf(), source })
}

/// Shows a mount below what stands for `/`, for what is found by walking and not by name.
fn link(root: &Path, mount: &str, host: &Path) {
    let shown = root.join(mount.trim_matches('/'));
    let parent = shown.parent().map(private);
    if let Some(Err(error)) = parent {
        return tracing::debug!(mount, %error, "failed to show a mount");
    }
    // An empty folder of the image's gives way; a link that is there is replaced.
    let _ = std::fs::remove_dir(&shown);
    if std::fs::read_link(&shown).is_ok_and(|held| held == host) {
        return;
    }
    let _ = std::fs::remove_file(&shown);
    if let Err(error) = std::os::unix::fs::symlink(host, &shown) {
        tracing::debug!(mount, %error, "failed to show a mount");
    }
}

/// The report of a pod, kept up to date from all sides.
struct Shared {
    report: Mutex<PodReport>,
    sender: mpsc::UnboundedSender<PodReport>,
    clock: Clock,
}

/// Where one container reports.
#[derive(Clone)]
pub(super) struct Reporter {
    shared: Arc<Shared>,
    init: bool,
    index: usize,
}

impl Reporter {
    fn change(&self, f: impl FnOnce(&mut ContainerReport, &Clock)) {
        let mut report: MutexGuard<'_, PodReport> = self.shared.report.lock().unwrap_or_else(PoisonError::into_inner);
        let before = report.clone();
        let all = if self.init { &mut report.init } else { &mut report.containers };
        if let Some(container) = all.get_mut(self.index) {
            f(container, &self.shared.clock);
        }
        if *report != before {
            // An error means that the node is gone, and with it whoever wanted to know.
            let _ = self.shared.sender.send(report.clone());
        }
    }

    /// It does not run, and why.
    pub(super) fn waiting(&self, reason: &str, message: String) {
        self.change(|container, _| {
            if let ContainerState::Ended { .. } = container.state {
                container.last = Some(container.state.clone());
            }
            container.ready = false;
            container.state = ContainerState::Waiting { reason: reason.to_owned(), message };
        });
    }

    /// It will run again.
    pub(super) fn restarting(&self) {
        self.change(|container, _| {
            if let ContainerState::Ended { .. } = container.state {
                container.last = Some(container.state.clone());
            }
            container.restarts += 1;
        });
    }

    /// It runs and writes to this file.
    pub(super) fn running(&self, log: Option<PathBuf>) {
        self.change(|container, clock| {
            container.state = ContainerState::Running { since: clock.time() };
            (container.ready, container.started, container.log) = (false, false, log);
        });
    }

    /// Its startup probe succeeded, if it has one.
    pub(super) fn started(&self) {
        self.change(|container, _| container.started = true);
    }

    /// What its readiness probe says.
    pub(super) fn ready(&self, ready: bool) {
        self.change(|container, _| container.ready = ready);
    }

    /// It ended.
    pub(super) fn ended(&self, code: i32, message: Option<String>) {
        self.change(|container, clock| {
            let started = match &container.state {
                ContainerState::Running { since } => since.clone(),
                _ => clock.time(),
            };
            container.state = ContainerState::Ended { code, started, finished: clock.time(), message };
            (container.ready, container.started) = (self.init && code == 0, false);
        });
    }
}

/// What a container was when an earlier node reported it, and whether it is to run.
fn before(name: &str, held: Option<&ContainerStatus>, policy: Policy, clock: &Clock) -> (ContainerReport, bool) {
    let fresh = ContainerState::Waiting { reason: "ContainerCreating".to_owned(), message: String::new() };
    let mut report = ContainerReport { state: fresh, ..ContainerReport::new(name) };
    let Some(held) = held else { return (report, true) };
    report.restarts = held.restart_count;
    let state = held.state.as_ref();
    let lost = state.and_then(|s| s.running.as_ref()).map(|running| ContainerState::Ended {
        code: LOST,
        started: running.started_at.clone().unwrap_or_else(|| clock.time()),
        finished: clock.time(),
        message: None,
    });
    let over = state.and_then(|s| s.terminated.as_ref()).map(|over| ContainerState::Ended {
        code: over.exit_code,
        started: over.started_at.clone().unwrap_or_else(|| clock.time()),
        finished: over.finished_at.clone().unwrap_or_else(|| clock.time()),
        message: over.message.clone(),
    });
    let Some(ended) = lost.or(over) else { return (report, true) };
    let ContainerState::Ended { code, .. } = ended else { return (report, true) };
    if !policy.again(code) {
        report.state = ended;
        return (report, false);
    }
    report.restarts += 1;
    report.last = Some(ended);
    (report, true)
}

/// Runs a pod. Resolves when nothing of it runs any more and it was told to end.
pub(super) async fn run(
    machine: Arc<Machine>,
    context: Arc<PodContext>,
    sender: mpsc::UnboundedSender<PodReport>,
    clock: Clock,
    mut stop: Stop,
) {
    let pod = context.pod();
    let spec = pod.spec.clone().unwrap_or_default();
    let policy = Policy::of(spec.restart_policy.as_deref());
    let held = pod.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
    let known = |name: &str| held.iter().find(|c| c.name == name);
    let (containers, run): (Vec<_>, Vec<_>) =
        spec.containers.iter().map(|c| before(&c.name, known(&c.name), policy, &clock)).unzip();
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let init = inits.iter().map(|c| before(&c.name, None, policy, &clock).0).collect();
    let report = PodReport {
        namespace: context.namespace.clone(),
        name: context.name.clone(),
        uid: context.uid.clone(),
        containers,
        init,
        evicted: None,
    };
    let shared = Arc::new(Shared { report: Mutex::new(report), sender, clock });
    let job = |container: &Container, init: bool, index: usize, policy: Policy| {
        let reporter = Reporter { shared: shared.clone(), init, index };
        let image = recognise(container.image.as_deref().unwrap_or_default()).filter(|image| machine.has(image));
        let (machine, pod, container) = (machine.clone(), context.clone(), container.clone());
        (reporter.clone(), image.map(|image| Job { machine, pod, container, image, policy, reporter }))
    };
    let mut beside = tokio::task::JoinSet::new();
    for (index, container) in inits.iter().enumerate() {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let policy = match (sidecar, policy) {
            (true, _) => Policy::Always,
            (false, Policy::Never) => Policy::Never,
            (false, _) => Policy::OnFailure,
        };
        match job(container, true, index, policy) {
            (_, Some(job)) if sidecar => {
                let stop = stop.clone();
                beside.spawn(async move { job.supervise(stop).await });
            }
            (_, Some(job)) => {
                if job.supervise(stop.clone()).await != Some(0) {
                    // Told to end, or failed for good.
                    return told(&mut stop).await;
                }
            }
            // Of an image that this node does not have: it counts as done.
            (reporter, None) => reporter.ended(0, None),
        }
    }
    let jobs = spec.containers.iter().enumerate().zip(run).filter(|(_, run)| *run).map(|((index, container), _)| {
        let (reporter, job) = job(container, false, index, policy);
        let stop = stop.clone();
        async move {
            match job {
                Some(job) => drop(job.supervise(stop).await),
                // It is said to run, as on a node that simulates all.
                None => {
                    reporter.running(None);
                    reporter.started();
                    reporter.ready(true);
                    if policy != Policy::Always {
                        reporter.ended(0, None);
                    }
                }
            }
        }
    });
    join_all(jobs).await;
    told(&mut stop).await;
    while beside.join_next().await.is_some() {}
}
