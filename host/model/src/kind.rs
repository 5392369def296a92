//! Names of kinds and objects.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of Kubernetes object, by the names that manifests use. The core group is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// API group, `apps`; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version within the group, `v1`.
    pub version: String,
    /// Kind in CamelCase, `StatefulSet`.
    pub kind: String,
}

impl Kind {
    /// A kind from its parts.
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Kind { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// From the `apiVersion` and `kind` fields of a manifest.
    pub fn from_manifest(api_version: &str, kind: &str) -> Self {
        match api_version.split_once('/') {
            Some((group, version)) => Kind::new(group, version, kind),
            None => Kind::new("", api_version, kind),
        }
    }

    /// The `apiVersion` field of a manifest: `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for Kind {
    /// `StatefulSet.apps`, `Secret`: the form that messages use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{}.{}", self.kind, self.group) }
    }
}

/// One object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    /// `StatefulSet.apps default/prod-db`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {}/{}", self.kind, namespace, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
