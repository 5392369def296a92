//! What pods refer to. In: a client. Out: ConfigMaps, Secrets and claims as they are now, and word when one changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::Client;
use tokio::sync::{Notify, watch};

use super::content::{Absent, Sources};
use crate::machinery::informer::Informer;
use crate::machinery::key::Key;
use crate::machinery::workers::Tasks;

const MANAGER: &str = "kubelet";

/// Views of the cluster.
pub(super) struct FromCluster {
    maps: Arc<Informer<ConfigMap>>,
    secrets: Arc<Informer<Secret>>,
    claims: Arc<Informer<PersistentVolumeClaim>>,
    /// Tells that a claim is gone.
    pub(super) gone: Arc<Notify>,
}

impl FromCluster {
    /// Starts to watch.
    pub(super) fn start(client: &Client, changed: &watch::Sender<()>, tasks: &Tasks) -> Self {
        let maps = Informer::<ConfigMap>::namespaced(client, MANAGER);
        let told = changed.clone();
        maps.on_change(move |old, new| {
            let data = |map: Option<&Arc<ConfigMap>>| map.map(|map| (map.data.clone(), map.binary_data.clone()));
            if data(old) != data(new) {
                told.send_replace(());
            }
        });
        let secrets = Informer::<Secret>::namespaced(client, MANAGER);
        let told = changed.clone();
        secrets.on_change(move |old, new| {
            if old.map(|secret| &secret.data) != new.map(|secret| &secret.data) {
                told.send_replace(());
            }
        });
        let claims = Informer::<PersistentVolumeClaim>::namespaced(client, MANAGER);
        let gone = Arc::new(Notify::new());
        let (told, noted) = (changed.clone(), gone.clone());
        claims.on_change(move |old, new| match (old, new) {
            (None, Some(_)) => told.send_replace(()),
            (Some(_), None) => noted.notify_one(),
            _ => {}
        });
        maps.run(tasks);
        secrets.run(tasks);
        claims.run(tasks);
        Self { maps, secrets, claims, gone }
    }

    /// Forgets who wants to be told.
    pub(super) fn forget(&self) {
        self.maps.forget_handlers();
        self.secrets.forget_handlers();
        self.claims.forget_handlers();
    }

    /// The uid of a claim.
    pub(super) fn claim_uid(&self, namespace: &str, name: &str) -> Option<String> {
        self.claims.get(&Key::new(namespace, name))?.metadata.uid.clone()
    }
}

impl Sources for FromCluster {
    fn config_map(&self, namespace: &str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent> {
        let Some(map) = self.maps.get(&Key::new(namespace, name)) else {
            return absent("configmap", name, optional);
        };
        let text = map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
        let bytes = map.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        Ok(text.chain(bytes).collect())
    }

    fn secret(&self, namespace: &str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent> {
        let Some(secret) = self.secrets.get(&Key::new(namespace, name)) else {
            return absent("secret", name, optional);
        };
        Ok(secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect())
    }
}

fn absent(kind: &'static str, name: &str, optional: bool) -> Result<BTreeMap<String, Vec<u8>>, Absent> {
    match optional {
        true => Ok(BTreeMap::new()),
        false => Err(Absent::Object { kind, name: name.to_owned() }),
    }
}
