//! Run: plugins and a way to the API server come in; a host runs until it is told to stop.
//!
//! Everything of a host lives in the future of [`run`]. Dropping it is as good as killing the process: no request leaves
//! after that. Several hosts may run in one process.

pub mod fingerprint_key;
mod health;
mod housekeeping;
mod load;
mod orphans;
pub mod preview;
mod resources;
mod serving;

use crate::azure::Azure;
use crate::client::{self, Gate, ShutOnDrop};
use crate::clock::{Clock, SystemClock};
use crate::context::{Context, Parts, Plugins};
use crate::decide::Compiler;
use crate::driver::{Deadlines, Driver, View};
use crate::entropy::Entropy;
use crate::mysql::{self, Servers};
use crate::plugins::claims::Claims;
use crate::plugins::resource;
use crate::plugins::source::{self, Fetcher};
use crate::plugins::store::Store;
use crate::serve::{self, Metrics};
use crate::watch::queue::Limits;
use crate::watch::watches::{self, Watches};
use crate::watch::{Cache, Change, FingerprintKey, Ledger, Queue, Trigger};
use fingerprint_key::KeyError;
use health::Progress;
use http::header::HeaderValue;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use load::Loaded;

/// How a host runs.
#[derive(Clone)]
pub struct RunConfig {
    /// Folder of plugins; none where all are in `loaded`.
    pub plugins: Option<PathBuf>,
    /// Plugins that are loaded already.
    pub loaded: Vec<Loaded>,
    /// How `Plugin` resources are served; none: they are not.
    pub resources: Option<source::Options>,
    /// Namespaces to serve; empty: all.
    pub namespaces: Vec<String>,
    /// How often everything is looked at though nothing changed.
    pub resync: Duration,
    /// Passes at a time.
    pub concurrency: usize,
    /// Requests to the API server, at most.
    pub requests_per_second: u32,
    /// Where metrics and health are served; nowhere where none.
    pub listen_metrics: Option<SocketAddr>,
    /// Talks to MySQL servers.
    pub mysql: Arc<dyn Servers>,
    /// Talks to Azure.
    pub azure: Arc<Azure>,
    /// Folder for compiled plugins; none: compiled at each start.
    pub cache_dir: Option<PathBuf>,
    /// Where plugins are compiled.
    pub compiler: Compiler,
    /// Namespace of what the host keeps for itself.
    pub system_namespace: String,
    /// Name of the host in the API server's log.
    pub user_agent: HeaderValue,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness; none: from the operating system.
    pub entropy: Option<Arc<Entropy>>,
    /// What is counted. Passed in so that a test can read it.
    pub metrics: Arc<Metrics>,
}

impl RunConfig {
    /// A host as `windlass run` starts it, with plugins compiled by `compiler`.
    pub fn new(compiler: Compiler) -> Self {
        RunConfig {
            plugins: None,
            loaded: Vec::new(),
            resources: None,
            namespaces: Vec::new(),
            resync: Duration::from_secs(600),
            concurrency: 16,
            requests_per_second: 1000,
            listen_metrics: None,
            mysql: Arc::new(mysql::SqlServers::new()),
            azure: Arc::new(Azure::public()),
            cache_dir: None,
            compiler,
            system_namespace: "windlass-system".into(),
            user_agent: HeaderValue::from_static(concat!("windlass/", env!("CARGO_PKG_VERSION"))),
            deadlines: Deadlines::default(),
            clock: Arc::new(SystemClock),
            entropy: None,
            metrics: Arc::new(Metrics::new()),
        }
    }
}

/// Why a host does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Metrics and health cannot be served.
    #[error("cannot listen on {address} for metrics and health; choose another address with --listen-metrics")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Metrics and health cannot be served any more.
    #[error("serving metrics and health failed")]
    Serve(#[source] std::io::Error),
    /// No randomness.
    #[error("the operating system gives no randomness")]
    Entropy(#[source] rand::rand_core::OsError),
    /// The key of fingerprints can be neither read nor made.
    #[error("no key for fingerprints of Secrets")]
    Key(#[source] KeyError),
    /// Plugins cannot be run at all.
    #[error("cannot start the engine that runs plugins")]
    Engine(#[source] crate::decide::EngineError),
}

/// Runs a host until `shutdown` is cancelled and the last pass has ended. While the API server cannot be reached it
/// keeps trying; a plugin that does not load is reported and the others run.
///
/// # Errors
/// When the host cannot begin, as [`RunError`] tells.
pub async fn run(config: RunConfig, client: kube::Client, shutdown: CancellationToken) -> Result<(), RunError> {
    let gate = Arc::new(Gate::new(config.requests_per_second));
    let _shut = ShutOnDrop(gate.clone());
    let client = client::guarded(client, gate, &config.user_agent);
    let progress = Arc::new(Progress::new());
    let listener = match config.listen_metrics {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let serving = serve_metrics(listener, config.metrics.clone(), progress.clone());
    let working = work(config, client, progress, shutdown);
    // Metrics and health are served from the first moment to the last (M2).
    tokio::select! {
        worked = working => worked,
        failed = serving => failed,
    }
}

async fn work(
    config: RunConfig,
    client: kube::Client,
    progress: Arc<Progress>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let entropy = match &config.entropy {
        Some(entropy) => entropy.clone(),
        None => Arc::new(Entropy::from_system().map_err(RunError::Entropy)?),
    };
    let key = tokio::select! {
        key = obtain_key(&client, &config.system_namespace, &entropy) => key?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let engine = load::engine(&config).map_err(RunError::Engine)?;
    let loaded = tokio::select! {
        loaded = load::load(&config, engine.as_ref()) => loaded,
        () = shutdown.cancelled() => return Ok(()),
    };
    let host = Host::assemble(&config, client, key, entropy, shutdown.clone());
    progress.watch(host.watches.clone(), host.cache.clone(), host.plugins.clone());
    let _ended = StopOnDrop(host.watches.clone());

    let driver = Driver {
        queue: host.queue.clone(),
        reconciler: host.context.clone(),
        freshness: Arc::new(View {
            cache: host.cache.clone(),
            ledger: host.ledger.clone(),
            watches: host.watches.clone(),
        }),
        deadlines: config.deadlines,
        metrics: config.metrics.clone(),
    };
    host.watches.ensure(&watches::definitions());
    let of_resources = async {
        match (&config.resources, &engine) {
            (Some(options), Some(engine)) => {
                let fetcher = Fetcher::new(options.clone(), host.client.clone());
                let store = config.cache_dir.as_ref().and_then(|folder| Store::open(&folder.join("components")));
                let clock = config.clock.clone();
                resources::serve(resources::Shared { host: &host, engine, fetcher, store, clock }).await
            }
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        // The end of the driver is the end of the host.
        () = driver.run(shutdown) => Ok(()),
        never = serving::serve(&host, loaded, &progress, config.resources.is_some()) => match never {},
        never = of_resources => match never {},
        never = housekeeping::resync(&host, config.resync) => match never {},
        never = housekeeping::tidy(&host, &config.metrics, engine.as_ref()) => match never {},
    }
}

/// The parts of a host that its tasks share.
struct Host {
    client: kube::Client,
    cache: Arc<Cache>,
    ledger: Arc<Ledger>,
    queue: Arc<Queue>,
    trigger: Arc<Trigger>,
    watches: Arc<Watches>,
    plugins: Arc<Plugins>,
    entropy: Arc<Entropy>,
    context: Arc<Context>,
    claims: Claims,
    /// A `Plugin` came, went or changed.
    news: Arc<Notify>,
}

impl Host {
    fn assemble(
        config: &RunConfig,
        client: kube::Client,
        key: FingerprintKey,
        entropy: Arc<Entropy>,
        stop: CancellationToken,
    ) -> Host {
        let (cache, ledger, trigger) = (Arc::new(Cache::new()), Arc::new(Ledger::new()), Arc::new(Trigger::new()));
        let queue = Arc::new(Queue::new(Limits::of(config.concurrency), entropy.clone()));
        let news = Arc::new(Notify::new());
        let sink = {
            let (queue, trigger, news, plugins) = (queue.clone(), trigger.clone(), news.clone(), resource::kind());
            Arc::new(move |change: &Change| {
                if change.object().is_some_and(|object| object.key.kind == plugins) {
                    news.notify_one();
                }
                for (key, cause) in trigger.keys(change) {
                    queue.push(&key, cause);
                }
            })
        };
        let options =
            watches::Options { namespaces: config.namespaces.clone(), resync: config.resync, key: key.clone() };
        let watches =
            Watches::new(client.clone(), cache.clone(), options, entropy.clone(), config.metrics.clone(), sink);
        let (watches, plugins) = (Arc::new(watches), Arc::new(Plugins::default()));
        let context = Context::new(Parts {
            client: client.clone(),
            cache: cache.clone(),
            ledger: ledger.clone(),
            watches: watches.clone(),
            trigger: trigger.clone(),
            plugins: plugins.clone(),
            mysql: config.mysql.clone(),
            azure: config.azure.clone(),
            clock: config.clock.clone(),
            entropy: entropy.clone(),
            fingerprints: key,
            metrics: config.metrics.clone(),
            stop,
        });
        let (context, claims) = (Arc::new(context), Claims::default());
        Host { client, cache, ledger, queue, trigger, watches, plugins, entropy, context, claims, news }
    }
}

/// Ends the watches with the future that holds it, whoever else holds them.
struct StopOnDrop(Arc<Watches>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn obtain_key(client: &kube::Client, namespace: &str, entropy: &Entropy) -> Result<FingerprintKey, RunError> {
    let mut pause = Duration::from_millis(250);
    loop {
        match fingerprint_key::obtain(client, namespace, entropy).await {
            Ok(key) => return Ok(key),
            Err(error @ KeyError::Unknown { .. }) => {
                tracing::warn!("waiting for the API server: {}", crate::watch::page::chain(&error));
                tokio::time::sleep(entropy.jitter(pause, 0.3)).await;
                pause = (pause * 2).min(Duration::from_secs(15));
            }
            Err(error @ (KeyError::Forbidden { .. } | KeyError::Malformed { .. })) => return Err(RunError::Key(error)),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    let listener = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let bound = listener.local_addr().map_err(|source| RunError::Listen { address, source })?;
    tracing::info!(address = %bound, "serving metrics and health");
    Ok(listener)
}

async fn serve_metrics(
    listener: Option<TcpListener>,
    metrics: Arc<Metrics>,
    progress: Arc<Progress>,
) -> Result<(), RunError> {
    match listener {
        Some(listener) => serve::serve(listener, metrics, progress).await.map_err(RunError::Serve),
        None => std::future::pending().await,
    }
}
