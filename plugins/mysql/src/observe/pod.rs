//! A pod as the API server shows it, as far as a decision looks at it. In: its JSON. Out: the few fields that matter, read
//! without building the rest of a document that is mostly other people's.

use crate::build::statefulset::TEMPLATE_HASH;
use crate::cluster::facts::Pod;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One pod. Fields that are null count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LivePod {
    metadata: Metadata,
    status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    deletion_timestamp: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    type_: Option<String>,
    status: Option<String>,
}

impl LivePod {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its address, once it has one.
    pub fn address(&self) -> Option<&str> {
        self.status.pod_ip.as_deref().filter(|ip| !ip.is_empty())
    }

    /// It has ended for good: it is replaced, and takes no part any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// What the core knows of it. `template` is the hash of the wanted pods.
    pub fn facts(&self, template: &str) -> Pod {
        let ready = |condition: &Condition| {
            condition.type_.as_deref() == Some("Ready") && condition.status.as_deref() == Some("True")
        };
        let hash = self.metadata.annotations.as_ref().and_then(|all| all.get(TEMPLATE_HASH));
        Pod {
            addressed: self.address().is_some(),
            ready: self.status.conditions.iter().flatten().any(ready),
            deleting: self.metadata.deletion_timestamp.is_some(),
            updated: hash.is_some_and(|hash| hash == template),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use windlass_sdk::{Value, json};

    fn read(pod: Value) -> LivePod {
        serde_json::from_str(&pod.to_string()).unwrap()
    }

    #[test]
    fn what_is_null_or_missing_is_absent() {
        let empty = read(json!({}));
        let nulls = read(json!({
            "metadata": { "name": null, "deletionTimestamp": null, "annotations": null },
            "status": { "phase": null, "podIP": null, "conditions": null },
        }));
        for pod in [empty, nulls] {
            assert_eq!((pod.name(), pod.address(), pod.has_ended()), ("", None, false));
            assert_eq!(pod.facts("h"), Pod { addressed: false, ready: false, deleting: false, updated: false });
        }
    }

    #[test]
    fn a_pod_is_ready_by_its_own_condition_and_updated_by_its_annotation() {
        let pod = read(json!({
            "metadata": { "name": "db-0", "annotations": { TEMPLATE_HASH: "h" }, "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "containers": [{ "name": "mysql" }] },
            "status": { "phase": "Running", "podIP": "10.0.0.1", "conditions": [
                { "type": "ContainersReady", "status": "False" }, { "type": "Ready", "status": "True" },
            ] },
        }));
        assert_eq!((pod.name(), pod.address()), ("db-0", Some("10.0.0.1")));
        assert_eq!(pod.facts("h"), Pod { addressed: true, ready: true, deleting: true, updated: true });
        assert!(!pod.facts("other").updated);
    }
}
