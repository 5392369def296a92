//! What users write in a `MySQL`. The doc comments are the documentation that `kubectl explain mysql.spec` shows.

pub mod backup;
pub mod network;
pub mod pod;
pub mod storage;

use crate::version;
use backup::BackupSpec;
use network::{DisruptionBudget, Services};
use pod::PodTemplate;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use storage::Storage;
use windlass_sdk::IntOrString;
use windlass_sdk::crd::rule;

/// Fewest and most servers. A cluster can have any number: a commit waits for half of the replicas, and a failover needs
/// the others. The upper end only tells a typing error from a wish.
pub const REPLICAS: std::ops::RangeInclusive<u32> = 1..=99;

/// A MySQL cluster: one server that takes writes, and replicas of it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MysqlSpec {
    /// Servers in the cluster, the primary included. One server has no replica to fail over to.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 99))]
    pub replicas: u32,

    /// Version of the servers: a series ("8.0", "8.4", "9.7"), of which the image's newest patch release is used, or one
    /// patch release ("8.4.2"). An upgrade goes one series at a time; there is no way back, because MySQL changes the
    /// data for good. There is no default, since the choice cannot be undone.
    #[schemars(length(max = 16), regex(pattern = version::pattern()))]
    #[schemars(extend("x-kubernetes-validations" =
        [rule(&version::transition_rule(), "goes one series at a time and never back")]))]
    pub version: String,

    /// Container image instead of the official one of `version`. It must start like the official image of that version:
    /// same entry point, paths and variables.
    #[schemars(length(max = 512))]
    pub image: Option<String>,

    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`.
    pub image_pull_policy: Option<PullPolicy>,

    /// Where the data is.
    #[serde(default)]
    pub storage: Storage,

    /// CPU and memory of each server. The buffer pool follows the memory unless `config` sets it. Without this, each
    /// server requests a quarter of a core and 1Gi and is limited to 1Gi.
    pub resources: Option<Resources>,

    /// Settings for the `[mysqld]` section of my.cnf. Those that the cluster depends on (`gtid_mode`, `server_id` and
    /// their like) cannot be changed: they are left out and listed in `status.forcedConfigKeys`. Put `ON` and `OFF` in
    /// quotes: YAML reads the bare words as true and false.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 128))]
    pub config: BTreeMap<String, IntOrString>,

    /// What the pods get besides the server.
    #[serde(default)]
    pub pod_template: PodTemplate,

    /// How clients reach the servers.
    #[serde(default)]
    pub services: Services,

    /// How many servers a node drain may take away at once.
    #[serde(default)]
    pub pod_disruption_budget: DisruptionBudget,

    /// Scheduled backups.
    #[serde(default)]
    pub backup: BackupSpec,

    /// No server runs. The volumes stay, and all is there again when this is taken back.
    #[serde(default)]
    pub offline: bool,

    /// Seconds that a replica may be behind and still get readers, and take over in a planned switchover. 0 for any.
    #[serde(default = "minute")]
    #[schemars(range(min = 0, max = 86400))]
    pub max_replica_lag_seconds: u32,

    /// What is mended without asking.
    #[serde(default)]
    pub recovery: Recovery,

    /// The passwords of the cluster's own accounts.
    #[serde(default)]
    pub credentials: Credentials,

    /// Certificates of the servers.
    #[serde(default)]
    pub tls: TlsSpec,
}

/// What is mended without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Recovery {
    /// Servers with transactions that the primary does not have (an old primary that was lost before it could hand them
    /// on) are made anew from the primary, one at a time. Those transactions were never acknowledged, and are gone then.
    /// Off: such a server is kept from readers until its claim and its pod are deleted.
    pub reinit_errant: bool,
}

/// The passwords of the cluster's own accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// A higher number makes new passwords. The old ones stay valid until all servers use the new ones.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub generation: u32,
}

/// Certificates of the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsSpec {
    /// A Secret of type kubernetes.io/tls with `tls.crt`, `tls.key` and `ca.crt`. Servers use it, and whoever connects to
    /// them checks it. Without it servers make certificates of their own, so that connections are encrypted and nobody
    /// can check with whom.
    #[schemars(length(max = 253))]
    pub secret_name: Option<String>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words of Kubernetes")]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// CPU and memory, as in a container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, serde::Serialize, JsonSchema)]
pub struct Resources {
    /// Least that is set aside: `cpu: 500m`, `memory: 2Gi`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub requests: BTreeMap<String, IntOrString>,
    /// Most that may be used.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub limits: BTreeMap<String, IntOrString>,
}

impl MysqlSpec {
    /// The image of the servers.
    pub fn server_image(&self) -> String {
        self.image.clone().unwrap_or_else(|| format!("mysql:{}", self.version))
    }

    /// CPU and memory of each server, with the default.
    pub fn server_resources(&self) -> Resources {
        self.resources.clone().unwrap_or_else(|| {
            let amounts = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(k, v)| (k.to_string(), IntOrString::String(v.to_string()))).collect()
            };
            Resources {
                requests: amounts(&[("cpu", "250m"), ("memory", "1Gi")]),
                limits: amounts(&[("memory", "1Gi")]),
            }
        })
    }
}

fn one() -> u32 {
    1
}

fn minute() -> u32 {
    60
}
