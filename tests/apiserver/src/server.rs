//! Starting and stopping a server.

use crate::api::{Api, Limits};
use crate::auth::{self, Tokens};
use crate::bootstrap;
use crate::builtin;
use crate::clock::{Clock, SystemClock};
use crate::faults::Faults;
use crate::http::serve;
use crate::identity::Uids;
use crate::registry::Registry;
use crate::storage::Store;
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How a server is run.
#[derive(Clone)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Rules by which requests and watches go wrong.
    pub faults: Faults,
    /// Events kept for each resource: older watches and pages get 410.
    pub history: usize,
    /// Time between the bookmarks of a watch.
    pub bookmark_interval: Duration,
    /// How long a watch lives that does not say.
    pub watch_timeout: Duration,
    /// Bytes of the largest request body.
    pub body_limit: usize,
    /// Where timestamps come from.
    pub clock: Arc<dyn Clock>,
    /// Where uids come from.
    pub uids: Uids,
}

impl Default for Options {
    /// A free port of the loopback interface, no faults, and the limits of a real server.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            faults: Faults::default(),
            history: 100_000,
            bookmark_interval: Duration::from_secs(60),
            watch_timeout: Duration::from_secs(1800),
            body_limit: 3 * 1024 * 1024,
            clock: Arc::new(SystemClock),
            uids: Uids::Random,
        }
    }
}

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    api: Arc<Api>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Start a server: it listens when this returns.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the objects that every cluster has cannot be stored.
    pub async fn start(options: Options) -> anyhow::Result<Server> {
        let listener =
            TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr().context("cannot read the address that is listened on")?;
        let mut resources = builtin::resources();
        resources.extend(auth::resources());
        let api = Arc::new(Api {
            store: Store::new(options.history),
            registry: Registry::new(resources),
            faults: options.faults,
            clock: options.clock,
            uids: options.uids,
            tokens: Tokens::default(),
            limits: Limits {
                body: options.body_limit,
                bookmark: options.bookmark_interval,
                watch: options.watch_timeout,
            },
            stop: CancellationToken::new(),
            address: address.to_string(),
        });
        bootstrap::fill(&api)?;
        let accepting = tokio::spawn(serve::accept(api.clone(), listener));
        Ok(Server { api, address, accepting: Some(accepting) })
    }

    /// Address of the server, for example `http://127.0.0.1:8001`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for the server's administrator, as YAML.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: embedded\n  cluster:\n    server: {}\nusers:\n- name: admin\n  user: {{}}\ncontexts:\n- name: embedded\n  context:\n    cluster: embedded\n    user: admin\n    namespace: default\ncurrent-context: embedded\n",
            self.url()
        )
    }

    /// The fault rules: a clone of what the options held.
    pub fn faults(&self) -> &Faults {
        &self.api.faults
    }

    /// What is stored, for tests to ask after a run.
    pub fn store(&self) -> &Store {
        &self.api.store
    }

    /// Stop: open connections and watches are cut.
    pub async fn stop(mut self) {
        self.api.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            // The task ends by itself; if it panicked there is nothing left to stop.
            let _ = accepting.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.api.stop.cancel();
    }
}
