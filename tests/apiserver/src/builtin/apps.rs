//! What comes in: workloads of the group `apps`, and ReplicationControllers. What goes out: their defaults, and
//! complaints. Pure.

use serde_json::{Value, json};

use super::edit::{each, entries, fill, set, text, with, within};
use super::pod::default_template;
use super::strategy::{PLAIN, Rules, spec_differs};
use super::volume::default_claim_template;

mod validate;

const WORKLOAD: Rules = Rules { status: true, generation: true, ..PLAIN };

pub(super) const DEPLOYMENT: Rules = Rules {
    scale: true,
    default: default_deployment,
    // A Deployment's annotations reach its ReplicaSets, so they count.
    changed: |new, old| {
        spec_differs(new, old) || new.pointer("/metadata/annotations") != old.pointer("/metadata/annotations")
    },
    validate: validate::deployment,
    validate_change: validate::selector_change,
    ..WORKLOAD
};

pub(super) const REPLICA_SET: Rules = Rules {
    scale: true,
    default: |set| {
        within(set, "spec", |spec| {
            fill(spec, "replicas", 1);
            within(spec, "template", default_template);
        });
        within(set, "status", |status| fill(status, "replicas", 0));
    },
    create: |set_| set(set_, "status", json!({ "replicas": 0 })),
    validate: validate::replica_set,
    validate_change: validate::selector_change,
    ..WORKLOAD
};

pub(super) const STATEFUL_SET: Rules = Rules {
    scale: true,
    default: default_stateful_set,
    validate: validate::stateful_set,
    validate_change: validate::stateful_set_change,
    ..WORKLOAD
};

pub(super) const DAEMON_SET: Rules = Rules {
    default: default_daemon_set,
    validate: validate::daemon_set,
    validate_change: validate::selector_change,
    ..WORKLOAD
};

pub(super) const CONTROLLER_REVISION: Rules =
    Rules { validate: validate::revision, validate_change: validate::revision_change, ..PLAIN };

pub(super) const REPLICATION_CONTROLLER: Rules = Rules {
    scale: true,
    default: |controller| {
        let labels = controller.pointer("/spec/template/metadata/labels").cloned();
        within(controller, "spec", |spec| {
            fill(spec, "replicas", 1);
            if entries(spec, "selector").is_none_or(serde_json::Map::is_empty)
                && let Some(labels) = &labels
            {
                set(spec, "selector", labels.clone());
            }
            with(spec, "template", default_template);
        });
        copy_labels(controller, labels);
    },
    ..WORKLOAD
};

/// Gives an object without labels those of its template.
pub(super) fn copy_labels(object: &mut Value, labels: Option<Value>) {
    if let Some(labels) = labels {
        within(object, "metadata", |meta| {
            if entries(meta, "labels").is_none_or(serde_json::Map::is_empty) {
                set(meta, "labels", labels);
            }
        });
    }
}

fn default_deployment(deployment: &mut Value) {
    within(deployment, "spec", |spec| {
        fill(spec, "replicas", 1);
        within(spec, "strategy", |strategy| {
            fill(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                within(strategy, "rollingUpdate", |rolling| {
                    fill(rolling, "maxUnavailable", "25%");
                    fill(rolling, "maxSurge", "25%");
                });
            }
        });
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
        within(spec, "template", default_template);
    });
}

fn default_stateful_set(set: &mut Value) {
    within(set, "spec", |spec| {
        fill(spec, "podManagementPolicy", "OrderedReady");
        within(spec, "updateStrategy", |strategy| {
            if text(strategy, "type").is_empty() {
                fill(strategy, "type", "RollingUpdate");
                fill(strategy, "rollingUpdate", json!({}));
            }
            if text(strategy, "type") == "RollingUpdate" {
                with(strategy, "rollingUpdate", |rolling| fill(rolling, "partition", 0));
            }
        });
        within(spec, "persistentVolumeClaimRetentionPolicy", |policy| {
            fill(policy, "whenDeleted", "Retain");
            fill(policy, "whenScaled", "Retain");
        });
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        within(spec, "template", default_template);
        each(spec, "volumeClaimTemplates", default_claim_template);
    });
}

fn default_daemon_set(set: &mut Value) {
    within(set, "spec", |spec| {
        within(spec, "updateStrategy", |strategy| {
            fill(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                within(strategy, "rollingUpdate", |rolling| {
                    fill(rolling, "maxUnavailable", 1);
                    fill(rolling, "maxSurge", 0);
                });
            }
        });
        fill(spec, "revisionHistoryLimit", 10);
        within(spec, "template", default_template);
    });
}
