//! Kinds come in; how the API server serves them goes out: path, scope, subresources. Asked once for each group version
//! and again when a definition changes.

use crate::client::DEADLINE;
use model::Kind;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the API server serves a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The kind.
    pub kind: Kind,
    /// Plural name, as paths and RBAC have it.
    pub plural: String,
    /// Its objects are in namespaces.
    pub namespaced: bool,
    /// `status`, `scale` and others that the kind has.
    pub subresources: Vec<String>,
}

impl Resource {
    /// Path of the collection, or of one object.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = group_path(&self.kind);
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            let _ = write!(path, "/namespaces/{}", segment(namespace));
        }
        let _ = write!(path, "/{}", self.plural);
        if let Some(name) = name {
            let _ = write!(path, "/{}", segment(name));
        }
        path
    }

    /// The name of the kind that RBAC rules use: `statefulsets.apps`.
    pub fn rbac_name(&self) -> String {
        if self.kind.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.kind.group) }
    }
}

/// Why it is not known how a kind is served.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The API server did not answer in time.
    #[error("the API server did not say within 30 s how it serves {0}")]
    Timeout(Kind),
    /// The API server refused or could not be reached.
    #[error("cannot ask the API server how it serves {kind}")]
    Failed {
        /// The kind in question.
        kind: Kind,
        /// What the client said.
        #[source]
        source: kube::Error,
    },
}

/// What is known about how kinds are served.
pub struct Discovery {
    client: kube::Client,
    known: Mutex<HashMap<String, Arc<Vec<Resource>>>>,
}

impl Discovery {
    /// Knows nothing yet.
    pub fn new(client: kube::Client) -> Self {
        Discovery { client, known: Mutex::default() }
    }

    /// How the API server serves a kind; none when it does not.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub async fn resolve(&self, kind: &Kind) -> Result<Option<Resource>, DiscoveryError> {
        let api_version = kind.api_version();
        let known = self.lock().get(&api_version).cloned();
        if let Some(found) = known.and_then(|known| known.iter().find(|resource| resource.kind == *kind).cloned()) {
            return Ok(Some(found));
        }
        let Some(resources) = self.ask(kind).await? else { return Ok(None) };
        let resources = Arc::new(resources);
        self.lock().insert(api_version, resources.clone());
        Ok(resources.iter().find(|resource| resource.kind == *kind).cloned())
    }

    /// Forgets what is known about a group: its definitions changed.
    pub fn forget(&self, group: &str) {
        self.lock().retain(|_, resources| resources.iter().all(|resource| resource.kind.group != group));
    }

    async fn ask(&self, kind: &Kind) -> Result<Option<Vec<Resource>>, DiscoveryError> {
        let api_version = kind.api_version();
        let answer = async {
            if kind.group.is_empty() {
                self.client.list_core_api_resources(&kind.version).await
            } else {
                self.client.list_api_group_resources(&api_version).await
            }
        };
        match tokio::time::timeout(DEADLINE, answer).await {
            Err(_) => Err(DiscoveryError::Timeout(kind.clone())),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(source)) => Err(DiscoveryError::Failed { kind: kind.clone(), source }),
            Ok(Ok(list)) => Ok(Some(resources(kind, list.resources))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Vec<Resource>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Listed = k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;

fn resources(of: &Kind, listed: Vec<Listed>) -> Vec<Resource> {
    let (sub, main): (Vec<_>, Vec<_>) = listed.into_iter().partition(|resource| resource.name.contains('/'));
    let subresources = |plural: &str| {
        let names = sub.iter().filter_map(|resource| resource.name.split_once('/'));
        names.filter(|(parent, _)| *parent == plural).map(|(_, name)| name.to_owned()).collect()
    };
    main.into_iter()
        .map(|resource| Resource {
            kind: Kind::new(&of.group, &of.version, &resource.kind),
            subresources: subresources(&resource.name),
            plural: resource.name,
            namespaced: resource.namespaced,
        })
        .collect()
}

fn group_path(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "/api" } else { "/apis" };
    format!("{root}/{}", kind.api_version())
}

/// A part of a path. Names are checked long before; this makes sure that none reaches another path (F2).
fn segment(name: &str) -> String {
    if name == "." || name == ".." {
        return name.replace('.', "%2E");
    }
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn deployments() -> Resource {
        let listed = serde_json::from_value(serde_json::json!([
            {"name": "deployments", "singularName": "", "namespaced": true, "kind": "Deployment", "verbs": ["list"]},
            {"name": "deployments/status", "singularName": "", "namespaced": true, "kind": "Deployment", "verbs": []},
            {"name": "replicasets/status", "singularName": "", "namespaced": true, "kind": "ReplicaSet", "verbs": []},
        ]));
        resources(&Kind::new("apps", "v1", "Deployment"), listed.unwrap()).remove(0)
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let mut resource = deployments();
        assert_eq!(resource.path(None, None), "/apis/apps/v1/deployments");
        assert_eq!(resource.path(Some("d"), Some("a")), "/apis/apps/v1/namespaces/d/deployments/a");
        resource.namespaced = false;
        assert_eq!(resource.path(Some("d"), Some("system:a")), "/apis/apps/v1/deployments/system:a");
        resource.kind.group.clear();
        assert_eq!(resource.path(None, None), "/api/v1/deployments");
    }

    #[test]
    fn a_subresource_belongs_to_its_resource() {
        assert_eq!(deployments().subresources, ["status"]);
        assert_eq!(deployments().rbac_name(), "deployments.apps");
    }

    #[test]
    fn f2_no_name_leads_to_another_path() {
        for (name, encoded) in [("../x", "..%2Fx"), ("..", "%2E%2E"), ("a%2fb?c#d", "a%252fb%3Fc%23d"), ("ä", "%C3%A4")]
        {
            assert_eq!(segment(name), encoded);
        }
    }
}
