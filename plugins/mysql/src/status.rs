//! What is reported about a cluster. In: the spec and what was found. Out: the status and its conditions.

pub mod condition;

use crate::build::service::PORT;
use crate::build::statefulset::Pods;
use crate::build::{Cluster, STATEFUL_SET, statefulset};
use crate::spec::MysqlSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::{Snapshot, Value};

/// The status of a `MySQL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MysqlStatus {
    /// Servers that exist.
    pub replicas: u32,
    /// Servers that are ready.
    pub ready_replicas: u32,
    /// Servers that have the wanted version and settings.
    pub updated_replicas: u32,
    /// Ready servers of wanted servers: `2/3`.
    pub members: String,
    /// Label selector of the pods.
    pub selector: String,
    /// The pod that takes writes. For now it is the one of ordinal 0 by convention, once all servers are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_primary: Option<String>,
    /// Version that all servers run. During an upgrade it is still the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was wished when this was written.
    pub target: Target,
    /// What was wished when all of it was last there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Target>,
    /// Keys of `spec.config` that were left out because the cluster depends on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced_config_keys: Vec<String>,
    /// Where clients connect.
    pub endpoints: Endpoints,
    /// Secret with user and password of the account that backups are made with.
    pub backup_secret: String,
}

/// A wish, in short: what a later pass compares with to tell what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// Servers.
    pub replicas: u32,
    /// Version.
    pub version: String,
    /// Hash of everything that the pods are made from.
    pub template: String,
}

impl Target {
    /// The wish of a cluster with these pods.
    pub fn of(cluster: &Cluster<'_>, pods: &Pods) -> Self {
        Target { replicas: cluster.spec.replicas, version: cluster.spec.version.clone(), template: pods.hash.clone() }
    }
}

/// Where clients connect, each as host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// For writes.
    pub primary: String,
    /// For reads.
    pub replica: String,
}

/// How far the servers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The StatefulSet exists.
    pub exists: bool,
    /// Pods that exist.
    pub replicas: u32,
    /// Ready pods.
    pub ready: u32,
    /// Pods of the newest template.
    pub updated: u32,
    /// The live StatefulSet is what is wished: pods and number.
    pub applied: bool,
    /// Every server has it.
    pub rolled_out: bool,
    /// Every server has it and is ready.
    pub done: bool,
    /// What is wished.
    pub target: Target,
}

impl Progress {
    /// From the live StatefulSet.
    pub fn of(cluster: &Cluster<'_>, pods: &Pods, live: Option<&Value>, judged_ready: bool) -> Self {
        let target = Target::of(cluster, pods);
        let Some(live) = live else { return Progress { target, ..Progress::default() } };
        let count = |pointer: &str| {
            live.pointer(pointer)
                .and_then(Value::as_u64)
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or_default()
        };
        let applied = statefulset::live_template_hash(live) == Some(target.template.as_str())
            && count("/spec/replicas") == cluster.spec.replicas;
        let ready = count("/status/readyReplicas");
        let updated = count("/status/updatedReplicas");
        Progress {
            exists: true,
            replicas: count("/status/replicas"),
            ready,
            updated,
            applied,
            rolled_out: applied && updated >= cluster.spec.replicas,
            done: applied && judged_ready && ready >= cluster.spec.replicas,
            target,
        }
    }
}

/// The status.
pub fn build(cluster: &Cluster<'_>, progress: &Progress, snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> MysqlStatus {
    let (spec, names, old) = (cluster.spec, cluster.names, &snapshot.resource.status);
    let host = |service: &str| match cluster.metadata.namespace.as_str() {
        "" => format!("{service}:{PORT}"),
        namespace => format!("{service}.{namespace}.svc:{PORT}"),
    };
    MysqlStatus {
        replicas: progress.replicas,
        ready_replicas: progress.ready,
        updated_replicas: progress.updated,
        members: format!("{}/{}", progress.ready, spec.replicas),
        selector: names.selector_text(),
        current_primary: progress
            .done
            .then(|| names.pod(0))
            .or_else(|| old.current_primary.clone().filter(|_| progress.ready > 0)),
        version: if progress.done { Some(spec.version.clone()) } else { old.version.clone() },
        target: progress.target.clone(),
        reached: if progress.done { Some(progress.target.clone()) } else { old.reached.clone() },
        forced_config_keys: cluster.mycnf.forced.clone(),
        endpoints: Endpoints { primary: host(&names.primary), replica: host(&names.replica) },
        backup_secret: names.secret(crate::name::ACCOUNTS[4]),
    }
}

/// The live StatefulSet and the host's judgement of it.
pub fn live_stateful_set(snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> (Option<Value>, bool) {
    (snapshot.object(STATEFUL_SET), snapshot.is_ready(STATEFUL_SET))
}
