//! Simulated servers behind the host's own trait: for suites that prove what the host does with Kubernetes, where a MySQL
//! server has to be as it is told, and no more. In: items of the host. Out: facts of servers that are always there, as long
//! as their pods are, and that never fail by themselves.
//!
//! A server is known by its resource and its item. One whose address changed was restarted with its data, as a pod that is
//! made again on its volume.

use crate::change;
use crate::facts::{self, Ids};
use crate::fleet::Fleet;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use model::ItemId;
use model::mysql as planner;
use model::snapshot::Unreachable;
use std::collections::BTreeMap;
use std::fmt;
use tokio::sync::Mutex;
use windlass::clock::Clock;
use windlass::mysql::{Failure, Owner, Seen, Servers, Wanted};

/// Servers that are simulated. Hosts that share a cluster share one value.
pub struct SimulatedServers {
    client: kube::Client,
    fleets: Mutex<BTreeMap<String, Simulated>>,
}

/// The servers of one resource.
struct Simulated {
    fleet: Fleet,
    /// Images of the pods of its namespace, by their addresses.
    images: BTreeMap<String, String>,
    /// Since when an item's server does not answer.
    silent: BTreeMap<ItemId, u64>,
}

impl fmt::Debug for SimulatedServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedServers")
    }
}

impl SimulatedServers {
    /// Servers in the pods of a cluster.
    pub fn new(client: kube::Client) -> Self {
        SimulatedServers { client, fleets: Mutex::default() }
    }

    /// Images of the pods of a resource's namespace, by their addresses. None: the API server does not say.
    async fn images(&self, owner: &Owner) -> Option<BTreeMap<String, String>> {
        let namespace = owner.key.namespace.as_deref().unwrap_or("default");
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods = pods.list(&ListParams::default()).await.ok()?;
        let image = |pod: Pod| {
            let image = pod.spec?.containers.into_iter().next()?.image?;
            Some((pod.status?.pod_ip?, image))
        };
        Some(pods.items.into_iter().filter_map(image).collect())
    }

    async fn made(&self, owner: &Owner, wanted: &Wanted, now: u64) -> Result<bool, Failure> {
        let images = self.images(owner).await;
        let mut fleets = self.fleets.lock().await;
        let simulated = fleets.entry(owner.uid.clone()).or_insert_with(|| Simulated::new(now));
        simulated.settle(images, std::slice::from_ref(wanted), now);
        simulated.converge(Ids::of(&owner.uid), wanted, now)
    }
}

impl Simulated {
    fn new(now: u64) -> Self {
        let mut fleet = Fleet::new(0, now);
        fleet.clients = false;
        fleet.copying = (0, 1);
        Simulated { fleet, images: BTreeMap::new(), silent: BTreeMap::new() }
    }

    /// Time has passed, and servers are where their pods are.
    fn settle(&mut self, images: Option<BTreeMap<String, String>>, servers: &[Wanted], now: u64) {
        self.images = images.unwrap_or_else(|| std::mem::take(&mut self.images));
        let Simulated { fleet, images, .. } = self;
        fleet.now = fleet.now.max(now) + 1;
        for index in 0..fleet.addresses.len() {
            let gone = |address: &Option<String>| address.as_ref().is_some_and(|address| !images.contains_key(address));
            if fleet.addresses.get(index).is_some_and(gone) {
                fleet.server(index).stop();
                fleet.place(index, None);
            }
        }
        for wanted in servers.iter().filter(|wanted| images.contains_key(&wanted.server.host)) {
            let Some(index) = ordinal(&wanted.item) else { continue };
            let (now, host) = (fleet.now, Some(wanted.server.host.clone()));
            // Makes room for its address as well.
            fleet.server(index);
            if fleet.addresses.get(index) != Some(&host) {
                fleet.server(index).stop();
                fleet.place(index, host);
            }
            fleet.server(index).start(now);
        }
        fleet.catch_up();
    }

    fn seen(&mut self, ids: Ids, wanted: &Wanted) -> Seen {
        match self.ask(ids, wanted) {
            Ok(seen) => {
                self.silent.remove(&wanted.item);
                Ok(seen)
            }
            Err(reason) => {
                let since = *self.silent.entry(wanted.item.clone()).or_insert(self.fleet.now);
                Err(Unreachable { since, reason: reason.into() })
            }
        }
    }

    fn ask(&self, ids: Ids, wanted: &Wanted) -> Result<Box<planner::Seen>, &'static str> {
        let Simulated { fleet, images, .. } = self;
        let index = fleet.at(&wanted.server.host);
        if let Some(reason) = facts::silence(fleet, index) {
            return Err(reason);
        }
        let index = index.ok_or("Timeout")?;
        let server = fleet.servers.get(index).ok_or("Timeout")?;
        let user = wanted.server.user.secret.as_str();
        if !user.ends_with("-root") && !server.accounts.contains(user) {
            return Err("AccessDenied");
        }
        let image = images.get(&wanted.server.host).map(String::as_str).unwrap_or_default();
        let mut facts = facts::facts(fleet, index, ids, &facts::version(image)).ok_or("Timeout")?;
        let wants = |secret: &String| wanted.server.accounts.iter().any(|account| account.user.secret == *secret);
        facts.accounts.retain(wants);
        Ok(Box::new(change::seen(server, &wanted.server, facts)))
    }

    fn converge(&mut self, ids: Ids, wanted: &Wanted, now: u64) -> Result<bool, Failure> {
        let address = wanted.address();
        let silent = |word| Failure::Unreachable { server: address.clone(), word };
        let unexpected =
            |violated: planner::Violated| Failure::Unexpected { server: address.clone(), why: violated.to_string() };
        let seen = self.ask(ids, wanted).map_err(silent)?;
        let course = planner::plan(&wanted.server, &seen).map_err(unexpected)?;
        for change in &course.changes {
            let seen = self.ask(ids, wanted).map_err(silent)?;
            planner::permits(change, &wanted.server, &seen.facts).map_err(unexpected)?;
            let index = self.fleet.at(&wanted.server.host).unwrap_or_default();
            change::make(&mut self.fleet, index, change)
                .map_err(|_| Failure::Deadline { server: address.clone(), what: change.word() })?;
            // What the change led to happens before the next.
            self.settle(None, std::slice::from_ref(wanted), now);
        }
        Ok(!course.changes.is_empty())
    }
}

/// `server/2`
fn ordinal(item: &str) -> Option<usize> {
    item.rsplit_once('/')?.1.parse().ok()
}

impl Servers for SimulatedServers {
    fn look<'a>(
        &'a self,
        owner: &'a Owner,
        servers: &'a [Wanted],
        clock: &'a dyn Clock,
    ) -> BoxFuture<'a, BTreeMap<ItemId, Seen>> {
        async move {
            let images = self.images(owner).await;
            let mut fleets = self.fleets.lock().await;
            let now = clock.now();
            let simulated = fleets.entry(owner.uid.clone()).or_insert_with(|| Simulated::new(now));
            simulated.settle(images, servers, now);
            let ids = Ids::of(&owner.uid);
            servers.iter().map(|wanted| (wanted.item.clone(), simulated.seen(ids, wanted))).collect()
        }
        .boxed()
    }

    fn converge<'a>(
        &'a self,
        owner: &'a Owner,
        server: &'a Wanted,
        clock: &'a dyn Clock,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        async move { self.made(owner, server, clock.now()).await }.boxed()
    }

    /// Servers do not go with who looks at them.
    fn forget(&self, _: &Owner) {}
}
