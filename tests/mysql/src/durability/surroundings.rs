//! What clients know of a cluster: its pods and its Service, asked of the Kubernetes API, the way to its servers, and the
//! record that they keep.

use super::door::Doors;
use super::record::Record;
use super::session::Account;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod as KubernetesPod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

/// Label of pods that says what their server does.
pub const ROLE: &str = "database.example.com/role";

/// A cluster from the side of its clients.
pub struct Surroundings {
    /// A client with all rights.
    pub client: kube::Client,
    /// Namespace of the `MySQL`.
    pub namespace: String,
    /// Name of the `MySQL`.
    pub name: String,
    /// The way to servers.
    pub doors: Arc<Doors>,
    /// What clients were told.
    pub record: Arc<Record>,
    account: Mutex<Option<Account>>,
}

/// A pod of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
    /// Address, where it has one.
    pub address: Option<Ipv4Addr>,
    /// Value of its label for roles, empty without.
    pub role: String,
    /// It is Ready, and not being deleted.
    pub ready: bool,
    /// It is being deleted.
    pub deleting: bool,
}

impl Surroundings {
    /// Clients that have no account yet.
    pub fn new(client: kube::Client, namespace: &str, name: &str) -> Surroundings {
        Surroundings {
            client,
            namespace: namespace.into(),
            name: name.into(),
            doors: Arc::default(),
            record: Arc::default(),
            account: Mutex::default(),
        }
    }

    /// From now on clients log in with this account.
    pub fn log_in_as(&self, account: Account) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Some(account);
    }

    /// The account of clients.
    pub fn account(&self) -> Option<Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pods, by name.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let api: Api<KubernetesPod> = Api::namespaced(self.client.clone(), &self.namespace);
        let selector = format!("app.kubernetes.io/name=mysql,app.kubernetes.io/instance={}", self.name);
        let list = api.list(&ListParams::default().labels(&selector)).await.context("pods cannot be listed")?;
        Ok(list.items.into_iter().map(view).collect())
    }

    /// Who the Service for writes points at, as a client that connects to it would find.
    pub async fn writable(&self) -> Option<Pod> {
        let service = format!("{}-primary", self.name);
        self.behind(&service).await.ok()?.into_iter().next()
    }

    /// Who the Service for reads points at.
    pub async fn readable(&self) -> Result<Vec<Pod>> {
        self.behind(&format!("{}-replica", self.name)).await
    }

    async fn behind(&self, service: &str) -> Result<Vec<Pod>> {
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        let selector = format!("kubernetes.io/service-name={service}");
        let slices = api.list(&ListParams::default().labels(&selector)).await.context("endpoints cannot be listed")?;
        let endpoints = slices.items.into_iter().flat_map(|slice| slice.endpoints.into_iter().flatten());
        Ok(endpoints
            .filter(|endpoint| endpoint.conditions.as_ref().and_then(|held| held.ready) != Some(false))
            .filter_map(|endpoint| {
                let target = endpoint.target_ref?;
                Some(Pod {
                    name: target.name?,
                    uid: target.uid.unwrap_or_default(),
                    address: endpoint.addresses.first()?.parse().ok(),
                    role: String::new(),
                    ready: true,
                    deleting: false,
                })
            })
            .collect())
    }
}

fn view(pod: KubernetesPod) -> Pod {
    let status = pod.status.unwrap_or_default();
    let conditions = status.conditions.into_iter().flatten();
    Pod {
        name: pod.metadata.name.unwrap_or_default(),
        uid: pod.metadata.uid.unwrap_or_default(),
        address: status.pod_ip.and_then(|address| address.parse().ok()),
        role: pod.metadata.labels.and_then(|labels| labels.get(ROLE).cloned()).unwrap_or_default(),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        ready: pod.metadata.deletion_timestamp.is_none()
            && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
    }
}
