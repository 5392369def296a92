//! What comes in: disruption budgets, autoscalers, leases, priorities, webhook registrations, definitions of custom
//! resources. What goes out: their defaults, and complaints. Pure.

use serde_json::{Value, json};

use super::edit::{each, fill, set, with, within};
use super::strategy::{PLAIN, Rules};

mod validate;

pub(super) const DISRUPTION_BUDGET: Rules =
    Rules { status: true, generation: true, validate: validate::disruption_budget, ..PLAIN };

pub(super) const LEASE: Rules = Rules { create_on_update: true, validate: validate::lease, ..PLAIN };

pub(super) const PRIORITY_CLASS: Rules = Rules {
    generation: true,
    default: |class| fill(class, "preemptionPolicy", "PreemptLowerPriority"),
    create: |class| within(class, "metadata", |_| {}),
    validate: validate::priority_class,
    validate_change: validate::priority_class_change,
    ..PLAIN
};

pub(super) const AUTOSCALER: Rules = Rules {
    status: true,
    default: default_autoscaler,
    create: |scaler| set(scaler, "status", json!({ "desiredReplicas": 0, "currentMetrics": null })),
    validate: validate::autoscaler,
    ..PLAIN
};

pub(super) const WEBHOOKS: Rules = Rules {
    generation: true,
    default: default_webhooks,
    changed: |new, old| new.get("webhooks") != old.get("webhooks"),
    ..PLAIN
};

pub(super) const DEFINITION: Rules = Rules {
    status: true,
    generation: true,
    default: crate::schema::crd::default_crd,
    create: |definition| {
        let stored = crate::schema::crd::storage_version(definition).to_owned();
        let names = json!({ "plural": "", "kind": "" });
        set(definition, "status", json!({ "conditions": [], "acceptedNames": names, "storedVersions": [stored] }));
    },
    update: |new, _| {
        let storage = json!(crate::schema::crd::storage_version(new));
        if let Some(stored) = new.pointer_mut("/status/storedVersions").and_then(serde_json::Value::as_array_mut)
            && !stored.contains(&storage)
        {
            stored.push(storage);
        }
    },
    validate: |definition| crate::schema::crd::validate_crd(definition, None),
    validate_change: crate::schema::crd::validate_change,
    ..PLAIN
};

fn default_autoscaler(scaler: &mut Value) {
    within(scaler, "spec", |spec| {
        fill(spec, "minReplicas", 1);
        fill(
            spec,
            "metrics",
            json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]),
        );
        with(spec, "behavior", |behavior| {
            within(behavior, "scaleUp", |rules| {
                fill(rules, "stabilizationWindowSeconds", 0);
                fill(rules, "selectPolicy", "Max");
                fill(
                    rules,
                    "policies",
                    json!([{ "type": "Pods", "value": 4, "periodSeconds": 15 }, { "type": "Percent", "value": 100, "periodSeconds": 15 }]),
                );
            });
            within(behavior, "scaleDown", |rules| {
                fill(rules, "selectPolicy", "Max");
                fill(rules, "policies", json!([{ "type": "Percent", "value": 100, "periodSeconds": 15 }]));
            });
        });
    });
}

fn default_webhooks(configuration: &mut Value) {
    let mutating = configuration.get("kind") == Some(&json!("MutatingWebhookConfiguration"));
    each(configuration, "webhooks", |webhook| {
        fill(webhook, "failurePolicy", "Fail");
        fill(webhook, "matchPolicy", "Equivalent");
        fill(webhook, "namespaceSelector", json!({}));
        fill(webhook, "objectSelector", json!({}));
        fill(webhook, "timeoutSeconds", 10);
        if mutating {
            fill(webhook, "reinvocationPolicy", "Never");
        }
        each(webhook, "rules", |rule| fill(rule, "scope", "*"));
        with(webhook, "clientConfig", |client| with(client, "service", |service| fill(service, "port", 443)));
    });
}
