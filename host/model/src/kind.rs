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

    /// Whether both name the same resources, perhaps in other versions of the API: what is stored is one object.
    pub fn is_same_resource(&self, other: &Kind) -> bool {
        (&self.group, &self.kind) == (&other.group, &other.kind)
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

impl ObjectKey {
    /// The same object by the version of its kind that is among these: the same version rather than another one.
    pub fn among(&self, kinds: &[Kind]) -> Option<ObjectKey> {
        let same = || kinds.iter().find(|kind| **kind == self.kind);
        let kind = same().or_else(|| kinds.iter().find(|kind| kind.is_same_resource(&self.kind)))?;
        Some(ObjectKey { kind: kind.clone(), ..self.clone() })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_own_version_or_by_another_one_of_its_kind_and_by_no_other_kind() {
        let kind = |version: &str| Kind::new("guest.example", version, "Thing");
        let key = ObjectKey { kind: kind("v1"), namespace: Some("default".into()), name: "a".into() };
        let other = Kind::new("other.example", "v1", "Thing");
        let found = |kinds: &[Kind]| key.among(kinds).map(|key| key.kind.version);
        assert_eq!(found(&[kind("v2"), kind("v1")]).as_deref(), Some("v1"));
        assert_eq!(found(&[other.clone(), kind("v2")]).as_deref(), Some("v2"));
        assert_eq!(found(&[other]), None);
    }
}
