//! `spec.storage`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::crd::rule;

/// The volume claim of each server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    rule("has(self.storageClassName) == has(oldSelf.storageClassName)", "storageClassName cannot be added or removed later"),
]))]
pub struct Storage {
    /// Size of each volume: `100Gi`. It can grow, not shrink: a smaller volume means a new resource and a restore.
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"))]
    #[schemars(extend("x-kubernetes-validations" = [
        rule("quantity(self).compareTo(quantity(oldSelf)) >= 0", "cannot shrink; restore a backup into a new resource instead"),
    ]))]
    pub size: String,

    /// Storage class of the claims; without one, the cluster's default class. It cannot change later.
    #[schemars(length(max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rule("self == oldSelf", "cannot change")]))]
    pub storage_class_name: Option<String>,

    /// How a volume may be mounted. `ReadWriteOncePod` also keeps a second pod on the same node from it. It cannot change
    /// later.
    #[schemars(extend("x-kubernetes-validations" = [rule("self == oldSelf", "cannot change")]))]
    pub access_mode: AccessMode,

    /// What happens to the volumes when the resource is deleted.
    pub when_deleted: Retention,

    /// What happens to the volumes of servers that a smaller `replicas` takes away.
    pub when_scaled: Retention,
}

impl Default for Storage {
    fn default() -> Self {
        Storage {
            size: "10Gi".to_string(),
            storage_class_name: None,
            access_mode: AccessMode::ReadWriteOnce,
            when_deleted: Retention::Retain,
            when_scaled: Retention::Retain,
        }
    }
}

/// How a volume may be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum AccessMode {
    /// By the pods of one node.
    ReadWriteOnce,
    /// By one pod.
    ReadWriteOncePod,
}

/// What happens to volumes whose server is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Retention {
    /// The claims stay, with the data.
    Retain,
    /// The claims are deleted, and the data with them.
    Delete,
}
