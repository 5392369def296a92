//! A component in a key of the `binaryData` of a ConfigMap. Names in, bytes out.

use super::{Fetched, SourceError};
use crate::plugins::resource::ConfigMapKey;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

/// A ConfigMap key, for people.
pub(super) fn name(key: &ConfigMapKey) -> String {
    format!("ConfigMap {}/{}, key {}", key.namespace, key.name, key.key)
}

/// The bytes of the key.
pub(super) async fn fetch(client: &kube::Client, key: &ConfigMapKey, limit: usize) -> Result<Fetched, SourceError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    let map = api.get_opt(&key.name).await.map_err(|error| failure(key, error))?.ok_or_else(|| missing(key))?;
    let Some(bytes) = map.binary_data.and_then(|mut data| data.remove(&key.key)) else {
        let advice = match map.data.is_some_and(|data| data.contains_key(&key.key)) {
            true => {
                "the key is in `data`, which holds text; use `binaryData`, as `kubectl create configmap --from-file` does"
            }
            false => "create it with `kubectl create configmap NAME --from-file=KEY=FILE`",
        };
        return Err(SourceError::Missing { what: name(key), advice: advice.into() });
    };
    if bytes.0.len() > limit {
        return Err(SourceError::TooLarge { what: name(key), limit });
    }
    Ok(Fetched { bytes: bytes.0, from: name(key), artifact: None })
}

/// Changes when the ConfigMap does. Reads metadata alone.
pub(super) async fn marker(client: &kube::Client, key: &ConfigMapKey) -> Result<String, SourceError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    let found = api.get_metadata_opt(&key.name).await.map_err(|error| failure(key, error))?;
    let found = found.ok_or_else(|| missing(key))?;
    let (uid, version) = (found.metadata.uid.unwrap_or_default(), found.metadata.resource_version.unwrap_or_default());
    Ok(format!("{uid}/{version}"))
}

fn missing(key: &ConfigMapKey) -> SourceError {
    let what = format!("ConfigMap {}/{}", key.namespace, key.name);
    SourceError::Missing { what, advice: "create it with `kubectl create configmap NAME --from-file=KEY=FILE`".into() }
}

fn failure(key: &ConfigMapKey, error: kube::Error) -> SourceError {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            let message = format!("{}; grant the verb get on this ConfigMap", status.message);
            SourceError::Forbidden { what: name(key), message }
        }
        error => SourceError::Unreachable { what: name(key), message: crate::watch::page::chain(&error) },
    }
}
