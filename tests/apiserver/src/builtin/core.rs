//! What comes in: namespaces, ConfigMaps, Secrets, service accounts, nodes, quotas, limits. What goes out: their defaults,
//! and complaints. Pure.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::resource::names;

use super::edit::{carry, each, entries, fill, set, text, with, within};
use super::strategy::{PLAIN, Rules};

mod validate;

pub(super) const NAMESPACE: Rules = Rules {
    status: true,
    default: |namespace| {
        let name = namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !name.is_empty() {
            within(namespace, "metadata", |meta| {
                within(meta, "labels", |labels| set(labels, "kubernetes.io/metadata.name", name));
            });
        }
        within(namespace, "status", |status| fill(status, "phase", "Active"));
    },
    create: |namespace| {
        set(namespace, "status", json!({ "phase": "Active" }));
        within(namespace, "spec", |spec| {
            fill(spec, "finalizers", json!([]));
            if let Some(list) = spec.get_mut("finalizers").and_then(Value::as_array_mut)
                && !list.contains(&json!("kubernetes"))
            {
                list.push(json!("kubernetes"));
            }
        });
    },
    update: |new, old| {
        // Finalizers of the spec change through `/finalize` alone.
        let finalizers = old.get("spec").cloned().unwrap_or_default();
        within(new, "spec", |spec| carry(spec, &finalizers, "finalizers"));
    },
    name: names::dns_label,
    ..PLAIN
};

pub(super) const CONFIG_MAP: Rules =
    Rules { validate: validate::config_map, validate_change: validate::config_map_change, ..PLAIN };

pub(super) const SECRET: Rules =
    Rules { default: default_secret, validate: validate::secret, validate_change: validate::secret_change, ..PLAIN };

pub(super) const SERVICE_ACCOUNT: Rules = PLAIN;

pub(super) const NODE: Rules = Rules {
    status: true,
    default: |node| {
        with(node, "status", |status| {
            if let Some(capacity) = entries(status, "capacity").cloned() {
                fill(status, "allocatable", Value::Object(capacity));
            }
        });
    },
    validate: validate::node,
    ..PLAIN
};

pub(super) const RESOURCE_QUOTA: Rules = Rules { status: true, validate: validate::quota, ..PLAIN };

pub(super) const LIMIT_RANGE: Rules = Rules {
    default: |range| {
        with(range, "spec", |spec| each(spec, "limits", default_limit));
    },
    ..PLAIN
};

/// Folds `stringData` into `data`, which it overrides.
fn default_secret(secret: &mut Value) {
    if let Some(plain) = entries(secret, "stringData").cloned() {
        within(secret, "data", |data| {
            for (key, value) in plain {
                let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
                set(data, &key, encoded);
            }
        });
        super::edit::drop_key(secret, "stringData");
    }
    fill(secret, "type", "Opaque");
}

/// For containers, limits follow from maxima, and requests from limits, then from minima.
fn default_limit(limit: &mut Value) {
    if text(limit, "type") != "Container" {
        return;
    }
    for (target, sources) in [("default", &["max"][..]), ("defaultRequest", &["default", "min"][..])] {
        for source in sources {
            let Some(amounts) = entries(limit, source).cloned() else { continue };
            within(limit, target, |target| {
                for (name, amount) in amounts {
                    fill(target, &name, amount);
                }
            });
        }
    }
}
