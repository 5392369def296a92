//! What is reported about a cluster. In: the spec, what was found and the core's verdict. Out: the status and its
//! conditions. Part of the status is the record that the next pass goes by.

pub mod condition;
pub mod record;

use crate::build::service::PORT;
use crate::build::statefulset::Pods;
use crate::build::{Cluster, STATEFUL_SET, statefulset};
use crate::cluster::Verdict;
use crate::cluster::facts::{Facts, Seen};
use crate::cluster::record::Record;
use crate::cluster::rollout::Step;
use crate::cluster::state::State;
use crate::name::{BACKUP, Names};
use crate::observe::Access;
use crate::spec::MysqlSpec;
use record::{DurabilityStatus, Notes, OperationStatus, ReseedStatus, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::{Snapshot, Value};

/// The status of a `MySQL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MysqlStatus {
    /// What is the case: `Healthy`, `Degraded`, `Cloning`, `Failed`, `Lost`, `DataLost`, `Restoring`, `Offline` or
    /// `Incomplete`.
    pub state: String,
    /// Servers that exist.
    pub replicas: u32,
    /// Servers that are ready.
    pub ready_replicas: u32,
    /// Servers that have the wanted version and settings.
    pub updated_replicas: u32,
    /// Replicas that follow the primary.
    pub synced_replicas: u32,
    /// Servers with transactions that the primary does not have.
    pub errant_replicas: u32,
    /// Ready servers of wanted servers: `2/3`.
    pub members: String,
    /// Label selector of the pods.
    pub selector: String,
    /// The pod that takes writes, or is about to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_primary: Option<String>,
    /// The cluster has had data: an empty data directory is a loss from now on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub initialized: bool,
    /// What an acknowledged write promises.
    pub durability: DurabilityStatus,
    /// The operation under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
    /// The server that is being made anew from the primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reseed: Option<ReseedStatus>,
    /// What the passes leave for one another.
    pub notes: Notes,
    /// Version that all servers run. During an upgrade it is still the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was wished when this was written.
    pub target: Target,
    /// What was wished when all of it was last there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Target>,
    /// Generation of the passwords that all servers use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_generation: Option<u32>,
    /// Generation that passwords are being changed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_changing_to: Option<u32>,
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
    /// Every server has it and the cluster is healthy.
    pub done: bool,
    /// What is wished.
    pub target: Target,
}

impl Progress {
    /// From the live StatefulSet, its pods and the verdict.
    pub fn of(cluster: &Cluster<'_>, pods: &Pods, live: Option<&Value>, facts: &Facts, verdict: &Verdict) -> Self {
        let target = Target::of(cluster, pods);
        let count = |of: fn(&crate::cluster::facts::Pod) -> bool| {
            let pods = facts.servers.values().filter_map(|server| server.pod.as_ref());
            u32::try_from(pods.filter(|pod| of(pod)).count()).unwrap_or(u32::MAX)
        };
        let (replicas, ready, updated) = (count(|_| true), count(|pod| pod.ready), count(|pod| pod.updated));
        let Some(live) = live else { return Progress { target, replicas, ready, updated, ..Progress::default() } };
        let kept = live.pointer("/spec/replicas").and_then(Value::as_u64);
        let applied = statefulset::live_template_hash(live) == Some(target.template.as_str())
            && kept == Some(u64::from(cluster.spec.replicas));
        let rolled_out = applied && verdict.rollout.step == Step::Done && updated >= cluster.spec.replicas;
        Progress {
            exists: true,
            replicas,
            ready,
            updated,
            applied,
            rolled_out,
            done: rolled_out && verdict.state == State::Healthy,
            target,
        }
    }
}

/// How far a change of passwords is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The old ones stay valid.
    pub under_way: bool,
    /// The primary knows the new one of the account that replicas log in with.
    pub primary_has_new: bool,
    /// The generation that all servers use.
    pub settled: u32,
}

/// What status and conditions are made from.
pub struct Report<'a> {
    /// What was seen.
    pub facts: &'a Facts,
    /// What follows.
    pub verdict: &'a Verdict,
    /// How far the pods are.
    pub progress: &'a Progress,
    /// Addresses and versions.
    pub access: &'a Access,
    /// How far the passwords are.
    pub rotating: Rotation,
}

/// The status.
pub fn build(cluster: &Cluster<'_>, report: &Report<'_>, snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> MysqlStatus {
    let Report { facts, verdict, progress, access: _, rotating } = report;
    let (spec, names, old) = (cluster.spec, cluster.names, &snapshot.resource.status);
    let host = |service: &str| match cluster.metadata.namespace.as_str() {
        "" => format!("{service}:{PORT}"),
        namespace => format!("{service}.{namespace}.svc:{PORT}"),
    };
    let written = record::write(names, &verdict.next, facts.target_acks());
    let Written { primary, initialized, durability, operation, reseed, notes } = written;
    MysqlStatus {
        state: verdict.state.name().to_string(),
        replicas: progress.replicas,
        ready_replicas: progress.ready,
        updated_replicas: progress.updated,
        synced_replicas: synced(facts, verdict),
        errant_replicas: u32::try_from(verdict.errant.len()).unwrap_or(u32::MAX),
        members: format!("{}/{}", progress.ready, spec.replicas),
        selector: names.selector_text(),
        current_primary: primary,
        initialized,
        durability,
        operation,
        reseed,
        notes,
        version: if progress.done { Some(spec.version.clone()) } else { old.version.clone() },
        target: progress.target.clone(),
        reached: if progress.done { Some(progress.target.clone()) } else { old.reached.clone() },
        credentials_generation: initialized.then_some(rotating.settled),
        credentials_changing_to: rotating.under_way.then_some(spec.credentials.generation),
        forced_config_keys: cluster.mycnf.forced.clone(),
        endpoints: Endpoints { primary: host(&names.primary), replica: host(&names.replica) },
        backup_secret: names.secret(BACKUP).to_string(),
    }
}

/// Replicas that follow the primary and have no transactions of their own.
fn synced(facts: &Facts, verdict: &Verdict) -> u32 {
    let Some(primary) = verdict.next.primary else { return 0 };
    let follows = facts.servers.iter().filter(|(ordinal, server)| {
        let Seen::Up(instance) = &server.seen else { return false };
        instance.follows(primary) && !verdict.errant.contains_key(ordinal)
    });
    u32::try_from(follows.count()).unwrap_or(u32::MAX)
}

impl MysqlStatus {
    /// The record that the last pass left.
    pub fn record(&self, names: &Names) -> Record {
        let written = Written {
            primary: self.current_primary.clone(),
            initialized: self.initialized,
            durability: self.durability.clone(),
            operation: self.operation.clone(),
            reseed: self.reseed.clone(),
            notes: self.notes.clone(),
        };
        record::read(names, &written)
    }
}

/// The live StatefulSet, as far as decisions look at it.
pub fn live_stateful_set(snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> Option<Value> {
    snapshot.item(STATEFUL_SET).and_then(statefulset::live)
}
