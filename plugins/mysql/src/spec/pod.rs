//! `spec.podTemplate`: what the pods get besides the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::Value;
use windlass_sdk::crd::{any_object, any_objects};

/// What the pods get besides the server. Fields are those of a pod; what is not typed here is checked by Kubernetes when
/// the StatefulSet is applied.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels of the pods. Those of the cluster itself win.
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods.
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// Nodes that the pods may run on, by their labels.
    #[schemars(extend("maxProperties" = 64))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pods tolerate.
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Affinity instead of the default, which prefers a node of its own for each server.
    #[schemars(schema_with = "any_object")]
    pub affinity: Option<Value>,
    /// How servers are spread over zones and nodes. Constraints without a label selector get that of the cluster.
    #[schemars(schema_with = "any_objects")]
    pub topology_spread_constraints: Vec<Value>,
    /// Priority class.
    #[schemars(length(max = 253))]
    pub priority_class_name: Option<String>,
    /// Service account. Its token is not mounted: a server does not talk to Kubernetes.
    #[schemars(length(max = 253))]
    pub service_account_name: Option<String>,
    /// Runtime class.
    #[schemars(length(max = 253))]
    pub runtime_class_name: Option<String>,
    /// Security context of the pods instead of the default, which runs as the image's user 999 and owns the volumes as it.
    #[schemars(schema_with = "any_object")]
    pub security_context: Option<Value>,
    /// Secrets that images are pulled with.
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<LocalReference>,
    /// Seconds that a server has to shut down in order.
    #[schemars(range(min = 0, max = 86400))]
    pub termination_grace_period_seconds: Option<u32>,
    /// More environment variables of the server's container, as in a pod.
    #[schemars(schema_with = "any_objects")]
    pub env: Vec<Value>,
    /// More volumes, as in a pod.
    #[schemars(schema_with = "any_objects")]
    pub volumes: Vec<Value>,
    /// More mounts of the server's container, as in a pod.
    #[schemars(schema_with = "any_objects")]
    pub volume_mounts: Vec<Value>,
    /// More containers beside the server, as in a pod: exporters, log shippers.
    #[schemars(schema_with = "any_objects")]
    pub sidecars: Vec<Value>,
}

/// A taint that pods tolerate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint; empty with `operator: Exists` for all taints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,
    /// `Exists` or `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub operator: Option<String>,
    /// Value of the taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; without it all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub effect: Option<String>,
    /// Seconds that a pod stays on a node after a `NoExecute` taint appeared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct LocalReference {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
}
