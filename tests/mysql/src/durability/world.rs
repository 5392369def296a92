//! A whole cluster in this process, with real servers: API server, controllers, a local node that runs `mysqld`, and
//! hosts that come and go. In: a `MySQL`. Out: a cluster that clients write to and faults happen to.

use super::network::Network;
use super::process::Mysqld;
use super::reign::Chronicle;
use super::session::{ADMIN_PORT, Account, Session};
use super::surroundings::{Pod, Surroundings};
use anyhow::{Context, Result, bail};
use apiserver::controllers::Controllers;
use apiserver::faults::{Phase, Verdict};
use apiserver::node::Node;
use apiserver::node::processes::Access;
use apiserver::{Options, Server};
use fixtures::host::{self, Host};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Namespace of everything.
pub const NAMESPACE: &str = "default";
/// Name of the `MySQL`.
pub const NAME: &str = "db";
/// How long a statement of the suite itself may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at something that is awaited.
const AGAIN: Duration = Duration::from_millis(100);

/// The cluster. Dropping it ends everything in it.
pub struct RealWorld {
    /// The API server.
    pub server: Server,
    /// What clients know.
    pub around: Arc<Surroundings>,
    /// Who was the primary when.
    pub chronicle: Arc<Chronicle>,
    /// The network between servers and hosts.
    pub network: Network,
    /// The processes of the node.
    pub processes: Access,
    host: Mutex<Option<Host>>,
    hosts: AtomicU64,
    controllers: Controllers,
    node: Node,
    // Last, so that its files go after the processes that use them.
    _folder: tempfile::TempDir,
}

impl RealWorld {
    /// A cluster with a host and no `MySQL`. `windlass`: what pods of our own image run.
    async fn start(windlass: Option<&Path>) -> Result<RealWorld> {
        super::log::listen();
        let folder = tempfile::tempdir().context("could not make a temporary folder")?;
        let server = Server::start(Options::default()).await?;
        let client = host::connect(kube::Config::new(server.url().parse().context("the server has no address")?))?;
        let controllers = Controllers::start(client.clone(), Default::default());
        let options = fixtures::servers::node(&client, folder.path(), windlass)?;
        let node = Node::start(client.clone(), options);
        let chronicle = Chronicle::of(&server, NAMESPACE, NAME);
        let network = Network::set_up().await?;
        network.heal().await?;
        let world = RealWorld {
            around: Arc::new(Surroundings::new(client, NAMESPACE, NAME)),
            chronicle,
            network,
            processes: Access::to(folder.path()),
            host: Mutex::default(),
            hosts: AtomicU64::new(0),
            controllers,
            node,
            server,
            _folder: folder,
        };
        world.start_host().await?;
        Ok(world)
    }

    /// A cluster with a `MySQL` that is in order, and clients' table and account in it.
    pub async fn with(spec: Value) -> Result<RealWorld> {
        RealWorld::start(None).await?.set_up(spec).await
    }

    /// The same, where pods of our own image run this program.
    pub async fn with_command(spec: Value, windlass: &str) -> Result<RealWorld> {
        RealWorld::start(Some(Path::new(windlass))).await?.set_up(spec).await
    }

    async fn set_up(self, spec: Value) -> Result<RealWorld> {
        let world = self;
        world.apply(spec).await?;
        world.until_in_order(Duration::from_secs(120)).await?;
        world.admit_clients().await?;
        Ok(world)
    }

    /// The `MySQL` resources.
    pub fn mysqls(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("database.example.com", "v1", "MySQL");
        let resource = ApiResource::from_gvk_with_plural(&kind, "mysqls");
        Api::namespaced_with(self.around.client.clone(), NAMESPACE, &resource)
    }

    /// Objects of a kind.
    pub fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.around.client.clone(), NAMESPACE, &resource)
    }

    /// Applies the `MySQL` as a user would; waits until the kind is served.
    pub async fn apply(&self, spec: Value) -> Result<()> {
        let manifest = json!({
            "apiVersion": "database.example.com/v1", "kind": "MySQL", "metadata": {"name": NAME}, "spec": spec,
        });
        let parameters = PatchParams::apply("user").force();
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            match self.mysqls().patch(NAME, &parameters, &Patch::Apply(&manifest)).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > limit => return Err(error).context("the MySQL is not taken"),
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// Sets annotations of the `MySQL` as a user would; null removes one.
    pub async fn annotate(&self, annotations: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        self.mysqls().patch(NAME, &PatchParams::default(), &patch).await.context("not annotated").map(drop)
    }

    /// The `MySQL` as it is.
    pub async fn object(&self) -> Result<DynamicObject> {
        self.mysqls().get(NAME).await.context("the MySQL cannot be read")
    }

    /// Another host.
    pub async fn start_host(&self) -> Result<()> {
        let name = user_agent(self.hosts.fetch_add(1, Ordering::SeqCst) + 1);
        let host = Host::with(self.around.client.clone(), |config| {
            if let Ok(name) = name.parse() {
                config.user_agent = name;
            }
        })
        .await?;
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(host);
        Ok(())
    }

    /// Ends the host as SIGKILL does.
    pub async fn kill_host(&self) {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(host) = host {
            host.kill().await;
        }
    }

    /// Has the host die at its `k`-th write to Kubernetes from now on, before or after it was carried out.
    pub fn kill_host_at_write(&self, k: u64, phase: Phase) {
        let killer = self.host.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Host::killer);
        let Some(killer) = killer else { return };
        let name = user_agent(self.hosts.load(Ordering::SeqCst));
        let dead = std::sync::atomic::AtomicBool::new(false);
        self.server.faults().on_write(&name, move |write| {
            if write.k == k && write.phase == phase {
                dead.store(true, Ordering::SeqCst);
                killer.abort();
            }
            // The dead write nothing.
            let writes_after_death = dead.load(Ordering::SeqCst) && (write.phase == Phase::Before || write.k == k);
            if writes_after_death { Verdict::Cut } else { Verdict::Continue }
        });
    }

    /// Whether a host runs.
    pub fn host_runs(&self) -> bool {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        host.as_ref().is_some_and(|host| !host.killer().is_finished())
    }

    /// The pods.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        self.around.pods().await
    }

    /// The pod that the status names as primary.
    pub async fn primary(&self) -> Result<Pod> {
        let object = self.object().await?;
        let name = object.data["status"]["currentPrimary"].as_str().context("the status names no primary")?;
        let mut pods = self.pods().await?.into_iter();
        pods.find(|pod| pod.name == name).with_context(|| format!("there is no pod {name}"))
    }

    /// The pods that the status does not name as primary.
    pub async fn replicas(&self) -> Result<Vec<Pod>> {
        let primary = self.primary().await?;
        Ok(self.pods().await?.into_iter().filter(|pod| pod.name != primary.name).collect())
    }

    /// The process of a pod's server.
    pub fn process(&self, pod: &str) -> Result<Mysqld> {
        Mysqld::of(&self.processes, NAMESPACE, pod).with_context(|| format!("no server runs in {pod}"))
    }

    /// The account `root`.
    pub async fn root(&self) -> Result<Account> {
        self.account("root", "root").await
    }

    /// One of the accounts of the cluster itself: the suffix of its Secret, and its login name.
    pub async fn account(&self, secret: &str, user: &str) -> Result<Account> {
        let api: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(self.around.client.clone(), NAMESPACE);
        let held = api.get(&format!("{NAME}-{secret}")).await.with_context(|| format!("no Secret of {user}"))?;
        let password = held.data.and_then(|data| data.get("password").cloned()).context("there is no password")?;
        Ok(Account { user: user.into(), password: String::from_utf8(password.0).context("no text")? })
    }

    /// A session of root, at the port for administration.
    pub async fn session(&self, pod: &Pod) -> Result<Session> {
        let address = pod.address.with_context(|| format!("{} has no address", pod.name))?;
        let root = self.root().await?;
        Session::open(&self.around.doors, (address, ADMIN_PORT), &root, LIMIT)
            .await
            .with_context(|| format!("{} does not let root in", pod.name))
    }

    /// Makes the table that clients write to, and their account.
    pub async fn admit_clients(&self) -> Result<()> {
        let mut session = self.session(&self.primary().await?).await?;
        let account = Account { user: "app".into(), password: "of-the-suite-1".into() };
        for statement in [
            "CREATE DATABASE IF NOT EXISTS suite".to_owned(),
            "CREATE TABLE IF NOT EXISTS suite.written (id BIGINT PRIMARY KEY)".to_owned(),
            format!("CREATE USER IF NOT EXISTS '{}'@'%' IDENTIFIED BY '{}'", account.user, account.password),
            format!("GRANT SELECT, INSERT ON suite.* TO '{}'@'%'", account.user),
        ] {
            session.must(&statement).await.context("clients cannot be admitted")?;
        }
        self.around.log_in_as(account);
        Ok(())
    }

    /// Waits until the cluster is in order: see [`RealWorld::disorder`].
    pub async fn until_in_order(&self, patience: Duration) -> Result<()> {
        self.until("the cluster to be in order", patience, async || match self.disorder().await? {
            None => Ok(()),
            Some(why) => bail!(why),
        })
        .await
    }

    /// Waits until something succeeds; what it says last is in the error.
    pub async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        mut look: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let limit = Instant::now() + patience;
        loop {
            match look().await {
                Ok(found) => return Ok(found),
                Err(error) if Instant::now() > limit => {
                    return Err(error.context(format!("waited {} s for {what}", patience.as_secs())));
                }
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// What is not in order; none where the resource says that it is Ready, every wanted server runs and is asked, the
    /// primary alone takes writes and waits for enough acknowledgements, and every other server replicates from it.
    pub async fn disorder(&self) -> Result<Option<String>> {
        let object = self.object().await?;
        if let Some(why) = not_ready(&object) {
            return Ok(Some(why));
        }
        let wanted = object.data["spec"]["replicas"].as_u64().unwrap_or(1) as usize;
        let primary = self.primary().await?;
        let pods = self.pods().await?;
        if pods.len() != wanted {
            return Ok(Some(format!("{} pods of {wanted}", pods.len())));
        }
        for pod in &pods {
            if let Some(why) = self.misplaced(pod, &primary, wanted).await? {
                return Ok(Some(format!("{}: {why}", pod.name)));
            }
        }
        Ok(None)
    }

    /// What is wrong with one server.
    async fn misplaced(&self, pod: &Pod, primary: &Pod, wanted: usize) -> Result<Option<String>> {
        let leads = pod.name == primary.name;
        let role = if leads { "primary" } else { "replica" };
        if pod.role != role || !pod.ready {
            return Ok(Some(format!("ready {}, role {:?} instead of {role:?}", pod.ready, pod.role)));
        }
        let mut session = self.session(pod).await?;
        let read_only: Option<(bool, bool)> =
            session.row("SELECT @@global.read_only, @@global.super_read_only").await?;
        if read_only != Some((!leads, !leads)) {
            return Ok(Some(format!("read_only and super_read_only are {read_only:?}")));
        }
        if leads {
            if wanted > 1 {
                let semi_sync: Option<(bool, u64)> = session
                    .row("SELECT @@global.rpl_semi_sync_source_enabled, @@global.rpl_semi_sync_source_wait_for_replica_count")
                    .await?;
                let attached: Option<u64> = session
                    .row("SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Rpl_semi_sync_source_clients'")
                    .await?;
                let needed = (wanted / 2) as u64;
                if semi_sync != Some((true, needed)) || attached < Some(wanted as u64 - 1) {
                    return Ok(Some(format!("semi-synchronous {semi_sync:?} with {attached:?} replicas")));
                }
            }
            return Ok(None);
        }
        let source: Option<(String, String, String)> = session
            .row(
                "SELECT c.host, r.service_state, a.service_state \
                 FROM performance_schema.replication_connection_configuration c \
                 JOIN performance_schema.replication_connection_status r USING (channel_name) \
                 JOIN performance_schema.replication_applier_status a USING (channel_name) \
                 WHERE channel_name = ''",
            )
            .await?;
        let address = primary.address.unwrap_or(Ipv4Addr::UNSPECIFIED).to_string();
        let replicates = source
            .as_ref()
            .is_some_and(|(host, receives, applies)| *host == address && receives == "ON" && applies == "ON");
        Ok((!replicates).then(|| format!("replicates {source:?} instead of from {address}")))
    }

    /// Everything that helps to see why something did not happen.
    pub async fn account_of_failure(&self) -> String {
        let object = self.object().await.map(|object| object.data["status"].to_string()).unwrap_or_default();
        let mut text = format!("status: {object}\npods:\n");
        for pod in self.pods().await.unwrap_or_default() {
            text += &format!("  {pod:?}\n");
        }
        for pod in self.pods().await.unwrap_or_default() {
            let log = self.processes.find(NAMESPACE, &pod.name, "mysql").map(|process| process.log);
            let log = log.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            text += &format!("last lines of the server in {}:\n", pod.name);
            for line in lines.iter().skip(lines.len().saturating_sub(12)) {
                text += &format!("  {line}\n");
            }
        }
        text + "last lines of the host:\n" + &super::log::last(60)
    }

    /// Ends everything.
    pub async fn stop(self) {
        let _ = self.network.heal().await;
        self.kill_host().await;
        self.node.stop().await;
        self.controllers.stop().await;
        self.server.stop().await;
    }
}

/// A name of its own for each host, none of which is a part of another, so that a rule for one is none for the next.
fn user_agent(number: u64) -> String {
    format!("windlass/suite-{number}.")
}

/// Why the resource itself does not say that it is in order.
fn not_ready(object: &DynamicObject) -> Option<String> {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    let Some(ready) = ready else { return Some("there is no condition Ready".into()) };
    if ready["status"] != "True" {
        return Some(format!("Ready is {}: {} {}", ready["status"], ready["reason"], ready["message"]));
    }
    if status["observedGeneration"].as_i64() != object.metadata.generation {
        return Some("the status is of an older generation".into());
    }
    None
}
