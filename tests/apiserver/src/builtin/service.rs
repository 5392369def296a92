//! What comes in: Services. What goes out: their defaults, addresses and node ports, and complaints. Pure.
//!
//! A real server allocates addresses and node ports from a shared pool. Here they follow from the object's uid, so that
//! nothing is shared; two Services get the same address once in half a million.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::resource::names;

use super::edit::{carry, drop_key, each, fill, items, set, text, with, within};
use super::strategy::{PLAIN, Rules};

mod validate;

pub(super) const SERVICE: Rules = Rules {
    status: true,
    default: default_service,
    create,
    update,
    name: names::dns_1035_label,
    validate: validate::service,
    validate_change: validate::service_change,
    ..PLAIN
};

/// How long a client sticks to an endpoint, in seconds.
const AFFINITY: i64 = 10_800;

fn default_service(service: &mut Value) {
    within(service, "spec", |spec| {
        fill(spec, "sessionAffinity", "None");
        match text(spec, "sessionAffinity") {
            "None" => drop_key(spec, "sessionAffinityConfig"),
            "ClientIP" if spec.pointer("/sessionAffinityConfig/clientIP/timeoutSeconds").is_none() => {
                set(spec, "sessionAffinityConfig", json!({ "clientIP": { "timeoutSeconds": AFFINITY } }));
            }
            _ => {}
        }
        fill(spec, "type", "ClusterIP");
        each(spec, "ports", |port| {
            fill(port, "protocol", "TCP");
            let unset = port.get("targetPort").is_none_or(|target| *target == json!(0) || *target == json!(""));
            if unset && let Some(number) = port.get("port").cloned() {
                set(port, "targetPort", number);
            }
        });
        let kind = text(spec, "type").to_owned();
        let external = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
            || (kind == "ClusterIP" && !items(spec, "externalIPs").is_empty());
        if external {
            fill(spec, "externalTrafficPolicy", "Cluster");
        }
        if kind != "ExternalName" {
            fill(spec, "internalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            fill(spec, "allocateLoadBalancerNodePorts", true);
        }
    });
    within(service, "status", |status| {
        fill(status, "loadBalancer", json!({}));
        with(status, "loadBalancer", |balancer| {
            each(balancer, "ingress", |ingress| {
                if !text(ingress, "ip").is_empty() {
                    fill(ingress, "ipMode", "VIP");
                }
            });
        });
    });
}

fn create(service: &mut Value) {
    set(service, "status", json!({ "loadBalancer": {} }));
    allocate(service);
}

/// A change of type takes and gives back addresses; what the writer leaves out is kept.
fn update(new: &mut Value, old: &Value) {
    let Some(before) = old.get("spec") else { return };
    with(new, "spec", |spec| {
        let external = text(spec, "type") == "ExternalName";
        if !external && text(before, "type") != "ExternalName" {
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
                let unset = spec.get(key).is_none_or(|value| value.is_null() || *value == json!(""));
                if unset && key != "healthCheckNodePort" {
                    carry(spec, before, key);
                }
            }
            keep_node_ports(spec, before);
        }
        if external && text(before, "type") != "ExternalName" && spec.get("clusterIP") == before.get("clusterIP") {
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
                drop_key(spec, key);
            }
        }
        if text(spec, "type") == "ClusterIP" && matches!(text(before, "type"), "NodePort" | "LoadBalancer") {
            each(spec, "ports", |port| drop_key(port, "nodePort"));
            if items(spec, "externalIPs").is_empty() {
                drop_key(spec, "externalTrafficPolicy");
            }
            drop_key(spec, "allocateLoadBalancerNodePorts");
        }
        if text(spec, "type") != "LoadBalancer" {
            drop_key(spec, "allocateLoadBalancerNodePorts");
        }
    });
    allocate(new);
}

fn keep_node_ports(spec: &mut Value, before: &Value) {
    let old = items(before, "ports").to_vec();
    if matches!(text(spec, "type"), "NodePort" | "LoadBalancer") {
        each(spec, "ports", |port| {
            let same = old
                .iter()
                .find(|old| old.get("port") == port.get("port") && old.get("protocol") == port.get("protocol"));
            if port.get("nodePort").is_none()
                && let Some(number) = same.and_then(|old| old.get("nodePort"))
            {
                set(port, "nodePort", number.clone());
            }
        });
    }
}

/// Gives addresses and node ports to a Service that needs them and has none.
fn allocate(service: &mut Value) {
    let uid = service.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let digest = Sha256::digest(uid.as_bytes());
    with(service, "spec", |spec| {
        let kind = text(spec, "type").to_owned();
        if kind == "ExternalName" {
            return;
        }
        if text(spec, "clusterIP").is_empty() {
            let first = items(spec, "clusterIPs").first().cloned();
            let address = format!("10.{}.{}.{}", 96 + digest[0] % 16, digest[1], 1 + digest[2] % 254);
            set(spec, "clusterIP", first.unwrap_or_else(|| json!(address)));
        }
        if items(spec, "clusterIPs").is_empty() {
            let address = spec["clusterIP"].clone();
            set(spec, "clusterIPs", json!([address]));
        }
        if items(spec, "ipFamilies").is_empty() {
            let family = if text(spec, "clusterIP").contains(':') { "IPv6" } else { "IPv4" };
            set(spec, "ipFamilies", json!([family]));
        }
        fill(spec, "ipFamilyPolicy", "SingleStack");
        let ports = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
            && spec.get("allocateLoadBalancerNodePorts") != Some(&json!(false));
        if ports {
            let start = u32::from(digest[3]) * 256 + u32::from(digest[4]);
            let mut next = 0;
            each(spec, "ports", |port| {
                if port.get("nodePort").is_none() {
                    set(port, "nodePort", 30_000 + (start + next) % 2768);
                    next += 1;
                }
            });
        }
        if kind == "LoadBalancer"
            && text(spec, "externalTrafficPolicy") == "Local"
            && spec.get("healthCheckNodePort").is_none()
        {
            set(spec, "healthCheckNodePort", 30_000 + (u32::from(digest[5]) * 256 + u32::from(digest[6])) % 2768);
        }
    });
}
