//! What an operator allows a plugin. Both are needed: the plugin asks in `describe`, the operator grants here.

use crate::description::Backends;
use serde::{Deserialize, Serialize};

/// What one plugin may do. The default allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grants {
    /// Kinds that it may write, in the namespace of the resource.
    pub writes: Vec<KindGrant>,
    /// Kinds that it may see though its resources do not own them.
    pub reads: Vec<ReadGrant>,
    /// Namespaces in which its resources are served; empty: all.
    pub namespaces: Vec<String>,
    /// Backends besides Kubernetes.
    pub backends: Backends,
    /// Subscription ids and, where given, resource groups.
    pub azure_scopes: Vec<AzureScope>,
    /// Key Vault addresses.
    pub vaults: Vec<String>,
}

/// A kind that may be written. `*` for the version allows any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindGrant {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Objects of this cluster-scoped kind may be written from a namespaced resource.
    #[serde(default)]
    pub cluster_scope: bool,
}

/// A kind that may be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadGrant {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Namespaces besides the resource's own; `*` for all.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Only objects of these names; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// A subscription, or one of its resource groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureScope {
    /// Subscription id.
    pub subscription: String,
    /// Resource group; none: all of the subscription.
    #[serde(default)]
    pub resource_group: Option<String>,
}
