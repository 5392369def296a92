//! A server with controllers, and a node if asked for, for one test.

use std::time::Duration;

use apiserver::controllers::{self, Controllers};
use apiserver::node::{self, Node};
use apiserver::{Options, Server};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

/// Longest wait for anything that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Cluster {
    pub server: Server,
    pub client: Client,
    pub controllers: Controllers,
    pub node: Option<Node>,
    pub namespace: String,
}

impl Cluster {
    /// A server with controllers and the namespace `t`.
    pub async fn start() -> Self {
        Self::with(controllers::Options::default()).await
    }

    pub async fn with(options: controllers::Options) -> Self {
        let server = Server::start(Options::default()).await.unwrap();
        let client = client(&server).await;
        let controllers = Controllers::start(client.clone(), options);
        controllers.ready().await;
        let namespace = "t".to_owned();
        let cluster = Self { server, client, controllers, node: None, namespace };
        cluster.create::<Namespace>(json!({"metadata": {"name": "t"}})).await;
        cluster
    }

    /// The same with a node that runs the pods.
    pub async fn with_node() -> Self {
        let mut cluster = Self::start().await;
        cluster.node = Some(Node::start(cluster.client.clone(), node::Options::default()));
        cluster
    }

    pub async fn stop(self) {
        if let Some(node) = self.node {
            node.stop().await;
        }
        self.controllers.stop().await;
        self.server.stop().await;
    }

    /// The API of a kind in the test's namespace, or of a cluster-scoped kind.
    pub fn api<K: Kind>(&self) -> Api<K> {
        self.api_in(&self.namespace)
    }

    pub fn api_in<K: Kind>(&self, namespace: &str) -> Api<K> {
        K::api(self.client.clone(), namespace)
    }

    pub async fn create<K: Kind>(&self, object: Value) -> K {
        let object: K = serde_json::from_value(object).unwrap();
        self.api::<K>().create(&PostParams::default(), &object).await.unwrap()
    }

    pub async fn merge<K: Kind>(&self, name: &str, patch: Value) -> K {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    pub async fn delete<K: Kind>(&self, name: &str, params: DeleteParams) {
        drop(self.api::<K>().delete(name, &params).await.unwrap());
    }

    /// A ConfigMap of this name with these owners; `block` sets blockOwnerDeletion on all of them.
    pub async fn config_map(&self, name: &str, owners: &[&ConfigMap], block: bool) -> ConfigMap {
        let owners: Vec<_> = owners.iter().map(|o| reference(*o, "v1", "ConfigMap", block)).collect();
        self.create(json!({"metadata": {"name": name, "ownerReferences": owners}})).await
    }

    /// Waits until an object looks as wanted.
    pub async fn until<K: Kind>(&self, name: &str, wanted: impl Fn(&K) -> bool) -> K {
        let stream = watcher(self.api::<K>(), watcher::Config::default().fields(&format!("metadata.name={name}")));
        let mut objects = std::pin::pin!(stream.default_backoff().applied_objects());
        let found = async {
            loop {
                let object = futures::StreamExt::next(&mut objects).await.unwrap();
                if let Ok(object) = object
                    && wanted(&object)
                {
                    return object;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(object) => object,
            Err(_) => panic!("{name} never looked as wanted: {:?}", self.api::<K>().get_opt(name).await),
        }
    }

    /// Waits until no object of this name is left.
    pub async fn until_gone<K: Kind>(&self, name: &str) {
        let stream = watcher(self.api::<K>(), watcher::Config::default().fields(&format!("metadata.name={name}")));
        let mut events = std::pin::pin!(stream.default_backoff());
        let gone = async {
            let mut listed = false;
            loop {
                match futures::StreamExt::next(&mut events).await.unwrap() {
                    Ok(watcher::Event::Init) => listed = false,
                    Ok(watcher::Event::InitApply(_)) => listed = true,
                    Ok(watcher::Event::InitDone) if !listed => return,
                    Ok(watcher::Event::Delete(_)) => return,
                    _ => {}
                }
            }
        };
        let gone = tokio::time::timeout(PATIENCE, gone).await;
        assert!(gone.is_ok(), "{name} is still there: {:?}", self.api::<K>().get_opt(name).await);
    }

    pub async fn names<K: Kind>(&self, labels: &str) -> Vec<String> {
        let list = self.api::<K>().list(&ListParams::default().labels(labels)).await.unwrap();
        let mut names: Vec<_> = list.items.iter().map(ResourceExt::name_any).collect();
        names.sort();
        names
    }

    /// Writes a pod's status as a kubelet would: running and ready.
    pub async fn make_ready(&self, name: &str) {
        let status = json!({"status": {"phase": "Running", "podIP": "127.0.7.1",
            "conditions": [{"type": "Ready", "status": "True"}]}});
        self.api::<Pod>().patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    pub fn dynamic(&self, group: &str, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }
}

pub async fn client(server: &Server) -> Client {
    let config = kube::config::Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// An owner reference to `owner`.
pub fn reference<K: ResourceExt>(owner: &K, api_version: &str, kind: &str, block: bool) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": owner.name_any(), "uid": owner.uid().unwrap(),
        "blockOwnerDeletion": block})
}

/// A kind of which the tests need not know whether it lives in a namespace.
pub trait Kind:
    Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned + Send + 'static
{
    fn api(client: Client, namespace: &str) -> Api<Self>;
}

macro_rules! kinds {
    ($($kind:ty),*; $($cluster:ty),*) => {
        $(impl Kind for $kind {
            fn api(client: Client, namespace: &str) -> Api<Self> {
                Api::namespaced(client, namespace)
            }
        })*
        $(impl Kind for $cluster {
            fn api(client: Client, _namespace: &str) -> Api<Self> {
                Api::all(client)
            }
        })*
    };
}

kinds! {
    ConfigMap, Pod, k8s_openapi::api::core::v1::PersistentVolumeClaim, k8s_openapi::api::core::v1::Service,
    k8s_openapi::api::core::v1::ServiceAccount, k8s_openapi::api::core::v1::Event,
    k8s_openapi::api::core::v1::Endpoints, k8s_openapi::api::apps::v1::StatefulSet,
    k8s_openapi::api::apps::v1::Deployment, k8s_openapi::api::apps::v1::ReplicaSet,
    k8s_openapi::api::apps::v1::ControllerRevision, k8s_openapi::api::batch::v1::Job,
    k8s_openapi::api::batch::v1::CronJob, k8s_openapi::api::policy::v1::PodDisruptionBudget,
    k8s_openapi::api::discovery::v1::EndpointSlice, k8s_openapi::api::coordination::v1::Lease;
    Namespace, k8s_openapi::api::core::v1::Node, k8s_openapi::api::storage::v1::StorageClass,
    k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition
}
