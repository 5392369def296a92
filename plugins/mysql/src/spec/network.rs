//! `spec.services` and `spec.podDisruptionBudget`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How clients reach the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Services {
    /// The Service for writes.
    pub primary: ServiceTemplate,
    /// The Service for reads.
    pub replica: ServiceTemplate,
}

/// What a Service gets besides selector and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceTemplate {
    /// Who can reach it.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Annotations, as cloud load balancers take their settings from.
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// Labels. Those of the cluster itself win.
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Addresses that a load balancer lets in: `10.0.0.0/8`. Only for `LoadBalancer`.
    #[schemars(length(max = 64), inner(length(max = 64)))]
    pub load_balancer_source_ranges: Vec<String>,
    /// Implementation of the load balancer. Only for `LoadBalancer`, and only when the Service is made.
    #[schemars(length(max = 253))]
    pub load_balancer_class: Option<String>,
    /// Port on every node, 30000 to 32767; without one, Kubernetes picks. Only for `NodePort` and `LoadBalancer`.
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<u16>,
    /// `Local` keeps the client's address and sends traffic only to servers of the node that it reached. Only for
    /// `NodePort` and `LoadBalancer`.
    pub external_traffic_policy: Option<TrafficPolicy>,
}

/// Who can reach a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ServiceType {
    /// Pods of the Kubernetes cluster.
    #[default]
    ClusterIP,
    /// Everyone who reaches a node.
    NodePort,
    /// Everyone who reaches the cloud's load balancer.
    LoadBalancer,
}

/// Where traffic from outside may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words of Kubernetes, explained at the field")]
pub enum TrafficPolicy {
    Cluster,
    Local,
}

/// How many servers a node drain may take away at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DisruptionBudget {
    /// Off: node drains take servers away without asking.
    pub enabled: bool,
    /// Servers that may be away at once. Without it half of `replicas`, rounded down: as many as the cluster can lose and
    /// still know every acknowledged write. A single server has no budget, since it would block every drain for ever.
    #[schemars(range(min = 0, max = 99))]
    pub max_unavailable: Option<u32>,
}

impl Default for DisruptionBudget {
    fn default() -> Self {
        DisruptionBudget { enabled: true, max_unavailable: None }
    }
}
