//! The three Services: a host name for each pod, one address for writes, one for reads.
//!
//! The two for clients follow labels that the decision puts on the pods: the role `primary` for writes, readable servers
//! for reads. A server that is not in order has neither.

use super::{Cluster, labels};
use crate::spec::network::{ServiceTemplate, ServiceType};
use windlass_sdk::{Item, ReadyWhen, Value, json};

/// Port of the MySQL protocol.
pub const PORT: u16 = 3306;
/// Port that still answers when all connections are taken.
pub const ADMIN_PORT: u16 = 33062;
/// Label of a pod: `primary`, `replica` or `none`.
pub const ROLE: &str = "database.example.com/role";
/// Label of a pod that readers may be sent to: `true` or `false`. A single server is primary and readable.
pub const READABLE: &str = "database.example.com/readable";

/// The Services.
pub fn items(cluster: &Cluster<'_>) -> Vec<Item> {
    let names = cluster.names;
    let mut primary = json!(names.selector());
    primary[ROLE] = json!("primary");
    let mut readable = json!(names.selector());
    readable[READABLE] = json!("true");
    [
        ("service/headless", headless(cluster)),
        ("service/primary", service(cluster, &names.primary, &cluster.spec.services.primary, primary)),
        ("service/replica", service(cluster, &names.replica, &cluster.spec.services.replica, readable)),
    ]
    .into_iter()
    // A load balancer may take minutes to get its address, or never get one: the servers do not wait for it.
    .map(|(id, manifest)| Item::kubernetes(id, manifest).ready_when(ReadyWhen::Exists))
    .collect()
}

/// Gives each pod a host name, before it is ready too: servers must reach each other to become ready.
fn headless(cluster: &Cluster<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": cluster.names.headless, "labels": labels(cluster.names) },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": cluster.names.selector(),
            "ports": [
                { "name": "mysql", "port": PORT, "targetPort": "mysql", "protocol": "TCP" },
                { "name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP" },
            ],
        },
    })
}

/// One of the Services for clients.
fn service(cluster: &Cluster<'_>, name: &str, template: &ServiceTemplate, selector: Value) -> Value {
    let ServiceTemplate {
        type_,
        annotations,
        labels: extra,
        load_balancer_source_ranges,
        load_balancer_class,
        node_port,
        external_traffic_policy,
    } = template;
    let mut all_labels = json!(extra);
    merge(&mut all_labels, &labels(cluster.names));
    // Assigned here and below, and not written inside of `json!`, which copies every value that it is given.
    let mut metadata = json!({ "name": name });
    metadata["labels"] = all_labels;
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    let mut port = json!({ "name": "mysql", "port": PORT, "targetPort": "mysql", "protocol": "TCP" });
    let mut spec = json!({ "type": type_ });
    spec["selector"] = selector;
    // The API server refuses these on a Service that nothing outside can reach; `validate` has said so.
    if *type_ != ServiceType::ClusterIP {
        if let Some(number) = node_port {
            port["nodePort"] = json!(number);
        }
        if let Some(policy) = external_traffic_policy {
            spec["externalTrafficPolicy"] = json!(policy);
        }
    }
    if *type_ == ServiceType::LoadBalancer {
        if let Some(class) = load_balancer_class {
            spec["loadBalancerClass"] = json!(class);
        }
        if !load_balancer_source_ranges.is_empty() {
            spec["loadBalancerSourceRanges"] = json!(load_balancer_source_ranges);
        }
    }
    spec["ports"] = Value::Array(vec![port]);
    let mut manifest = json!({ "apiVersion": "v1", "kind": "Service" });
    manifest["metadata"] = metadata;
    manifest["spec"] = spec;
    manifest
}

/// Sets the fields of `over` in `base`.
pub fn merge(base: &mut Value, over: &Value) {
    for (key, value) in over.as_object().into_iter().flatten() {
        base[key] = value.clone();
    }
}
