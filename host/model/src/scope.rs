//! Whether objects of a kind live in a namespace. In: a kind, and what the cluster's discovery said. Out: its scope.

use crate::kind::Kind;
use std::collections::BTreeMap;

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster as a whole.
    Cluster,
}

/// Scopes of kinds, as the cluster's discovery tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeMap<(String, String), Scope>);

impl Scopes {
    /// Notes the scope of a kind; it is the same in all versions of a group.
    pub fn insert(&mut self, kind: &Kind, scope: Scope) {
        self.0.insert((kind.group.clone(), kind.kind.clone()), scope);
    }

    /// The scope of a kind: by discovery, else as Kubernetes 1.36 has it; `None` for a kind that neither knows.
    pub fn of(&self, kind: &Kind) -> Option<Scope> {
        let key = (kind.group.clone(), kind.kind.clone());
        self.0.get(&key).copied().or_else(|| well_known(&kind.group, &kind.kind))
    }
}

fn well_known(group: &str, kind: &str) -> Option<Scope> {
    let cluster = match group {
        "" => matches!(kind, "Namespace" | "Node" | "PersistentVolume"),
        "apiextensions.k8s.io" => kind == "CustomResourceDefinition",
        "apiregistration.k8s.io" => kind == "APIService",
        "admissionregistration.k8s.io" => true,
        "rbac.authorization.k8s.io" => matches!(kind, "ClusterRole" | "ClusterRoleBinding"),
        "storage.k8s.io" => matches!(kind, "StorageClass" | "CSIDriver" | "CSINode" | "VolumeAttachment"),
        "scheduling.k8s.io" => kind == "PriorityClass",
        "networking.k8s.io" => matches!(kind, "IngressClass" | "IPAddress" | "ServiceCIDR"),
        "node.k8s.io" => kind == "RuntimeClass",
        "certificates.k8s.io" => true,
        _ => false,
    };
    if cluster {
        return Some(Scope::Cluster);
    }
    let namespaced = match group {
        "" => matches!(
            kind,
            "ConfigMap"
                | "Endpoints"
                | "Event"
                | "LimitRange"
                | "PersistentVolumeClaim"
                | "Pod"
                | "PodTemplate"
                | "ReplicationController"
                | "ResourceQuota"
                | "Secret"
                | "Service"
                | "ServiceAccount"
        ),
        "apps" => matches!(kind, "ControllerRevision" | "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet"),
        "batch" => matches!(kind, "CronJob" | "Job"),
        "autoscaling" => kind == "HorizontalPodAutoscaler",
        "policy" => kind == "PodDisruptionBudget",
        "networking.k8s.io" => matches!(kind, "Ingress" | "NetworkPolicy"),
        "discovery.k8s.io" => kind == "EndpointSlice",
        "coordination.k8s.io" => kind == "Lease",
        "events.k8s.io" => kind == "Event",
        "rbac.authorization.k8s.io" => matches!(kind, "Role" | "RoleBinding"),
        _ => false,
    };
    namespaced.then_some(Scope::Namespaced)
}
