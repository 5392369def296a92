//! What a plugin says it is and what it asks to be granted (`describe`).

use crate::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer of `describe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// A DNS label.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// CustomResourceDefinitions of the kinds served.
    pub serves: Vec<Value>,
    /// Kinds that it may return as desired items.
    pub writes: Vec<Kind>,
    /// Objects that every decision wants to see.
    pub reads: Vec<RelatedQuery>,
    /// Backends besides Kubernetes.
    pub backends: Backends,
}

/// The backends besides Kubernetes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backends {
    /// MySQL servers.
    #[serde(default)]
    pub mysql: bool,
    /// Azure Resource Manager.
    #[serde(default)]
    pub azure: bool,
    /// Azure Key Vault.
    #[serde(default)]
    pub vault: bool,
}

/// Asks for objects that the resource does not own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelatedQuery {
    /// Name of the answer, unique within a plugin.
    pub name: String,
    /// Kind of the objects.
    pub kind: Kind,
    /// None: the namespace of the resource.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A label selector as kubectl takes it.
    #[serde(default)]
    pub label_selector: Option<String>,
    /// Only these names; empty: any.
    #[serde(default)]
    pub names: Vec<String>,
}
