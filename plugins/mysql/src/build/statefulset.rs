//! The StatefulSet: a pod and a volume for each server.

use super::{Cluster, STATEFUL_SET, labels, pod};
use crate::cluster::rollout::Rollout;
use serde::Deserialize;
use windlass_sdk::names::hash;
use windlass_sdk::{Item, Observed, ReadyWhen, Value, json};

/// Annotation by which a later pass sees whether the live StatefulSet has the wished pods. (Comparing the pods themselves
/// would stumble over every default that the API server filled in.) Pods carry it too, so that each tells whether it is
/// the wished one.
pub const TEMPLATE_HASH: &str = "database.example.com/template-hash";

/// The StatefulSet. Fields that can never change keep the value that the live one has, so that a wish for another one is
/// reported and does not make every later change fail with it.
pub fn item(cluster: &Cluster<'_>, pods: Pods, live: Option<&Value>, rollout: &Rollout) -> Item {
    let (spec, names) = (cluster.spec, cluster.names);
    let mut manifest = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": names.stateful_set,
            "labels": labels(names),
            "annotations": { TEMPLATE_HASH: pods.hash },
        },
        "spec": {
            "replicas": rollout.replicas,
            "serviceName": names.headless,
            // All at once: after an outage of everything, whichever server comes back first must not wait for another.
            "podManagementPolicy": "Parallel",
            // Which pods get a new template, and when, is decided from pass to pass.
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": rollout.partition } },
            "selector": { "matchLabels": names.selector() },
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": spec.storage.when_deleted,
                "whenScaled": spec.storage.when_scaled,
            },
            "volumeClaimTemplates": [claim(cluster, live)],
        },
    });
    // Moved: `json!` would copy it.
    manifest["spec"]["template"] = pods.template;
    // What comes after must not wait for the servers: the budget protects them exactly while they are not all ready.
    Item::kubernetes(STATEFUL_SET, manifest).ready_when(ReadyWhen::Exists)
}

/// The claim of each server's volume.
fn claim(cluster: &Cluster<'_>, live: Option<&Value>) -> Value {
    let storage = &cluster.spec.storage;
    let fixed = live.and_then(|live| live.pointer("/spec/volumeClaimTemplates/0/spec"));
    let kept = |pointer: &str| fixed.and_then(|claim| claim.pointer(pointer)).cloned();
    let mut spec = json!({
        "accessModes": kept("/accessModes").unwrap_or_else(|| json!([storage.access_mode])),
        "resources": { "requests": {
            "storage": kept("/resources/requests/storage").unwrap_or_else(|| json!(storage.size)),
        } },
    });
    let class =
        if fixed.is_some() { kept("/storageClassName") } else { storage.storage_class_name.clone().map(Value::from) };
    if let Some(class) = class {
        spec["storageClassName"] = class;
    }
    json!({ "metadata": { "name": "data", "labels": cluster.names.selector() }, "spec": spec })
}

/// The wished pods of one cluster: made once for a decision, since both what is reported and what is made need them.
pub struct Pods {
    /// The pod template.
    pub template: Value,
    /// Its hash.
    pub hash: String,
}

impl Pods {
    /// The pods of a cluster.
    pub fn of(cluster: &Cluster<'_>) -> Self {
        let mut template = pod::template(cluster);
        // Values are always JSON.
        let hash = hash(&serde_json::to_vec(&template).unwrap_or_default())[..16].to_string();
        template["metadata"]["annotations"][TEMPLATE_HASH] = json!(hash);
        Pods { template, hash }
    }
}

/// The live StatefulSet without its pods, which are most of it: they are known by their hash.
pub fn live(observed: &Observed) -> Option<Value> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        metadata: Metadata,
        #[serde(default)]
        spec: Spec,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        annotations: Value,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Spec {
        replicas: Value,
        update_strategy: Value,
        volume_claim_templates: Value,
    }
    let Document { metadata, spec } = observed.read()?;
    let mut live = json!({});
    live["metadata"]["annotations"] = metadata.annotations;
    live["spec"]["replicas"] = spec.replicas;
    live["spec"]["updateStrategy"] = spec.update_strategy;
    live["spec"]["volumeClaimTemplates"] = spec.volume_claim_templates;
    Some(live)
}

/// The hash that the live StatefulSet was made with.
pub fn live_template_hash(live: &Value) -> Option<&str> {
    live.pointer("/metadata/annotations")?.get(TEMPLATE_HASH)?.as_str()
}

/// Size that the volumes were made with, where they were.
pub fn claimed_size(live: &Value) -> Option<&str> {
    live.pointer("/spec/volumeClaimTemplates/0/spec/resources/requests/storage")?.as_str()
}
