//! What comes in: network policies, ingresses, endpoints. What goes out: their defaults, and complaints. Pure.

use serde_json::{Value, json};

use super::edit::{each, fill, items, with, within};
use super::strategy::{PLAIN, Rules};

mod validate;

pub(super) const NETWORK_POLICY: Rules = Rules {
    generation: true,
    default: |policy| {
        within(policy, "spec", |spec| {
            for direction in ["ingress", "egress"] {
                each(spec, direction, |rule| each(rule, "ports", |port| fill(port, "protocol", "TCP")));
            }
            if items(spec, "policyTypes").is_empty() {
                let types =
                    if items(spec, "egress").is_empty() { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
                super::edit::set(spec, "policyTypes", types);
            }
        });
    },
    validate: validate::policy,
    ..PLAIN
};

pub(super) const INGRESS: Rules = Rules {
    status: true,
    generation: true,
    create: |ingress| super::edit::set(ingress, "status", json!({ "loadBalancer": {} })),
    validate: validate::ingress,
    ..PLAIN
};

pub(super) const INGRESS_CLASS: Rules = Rules {
    generation: true,
    default: |class| {
        within(class, "spec", |spec| with(spec, "parameters", |parameters| fill(parameters, "scope", "Cluster")));
    },
    ..PLAIN
};

pub(super) const ENDPOINTS: Rules = Rules {
    default: |endpoints| {
        each(endpoints, "subsets", |subset| each(subset, "ports", |port| fill(port, "protocol", "TCP")))
    },
    create_on_update: true,
    ..PLAIN
};

pub(super) const ENDPOINT_SLICE: Rules = Rules {
    generation: true,
    default: |slice| {
        each(slice, "ports", |port| {
            if port.get("name").is_none_or(Value::is_null) {
                super::edit::set(port, "name", "");
            }
            fill(port, "protocol", "TCP");
        });
    },
    changed: |new, old| {
        let metadata = |key: &str| new.pointer(key) != old.pointer(key);
        metadata("/metadata/labels")
            || metadata("/metadata/annotations")
            || ["endpoints", "ports", "addressType"].iter().any(|key| new.get(key) != old.get(key))
    },
    validate: validate::slice,
    validate_change: validate::slice_change,
    ..PLAIN
};
