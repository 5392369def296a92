//! What users write in a `Backup`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::IntOrString;
use windlass_sdk::Value;
use windlass_sdk::crd::{any_object, rule};

/// Scheduled backups of one database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSpec {
    /// The database. It cannot change: backups of two databases do not belong in one place.
    #[schemars(extend("x-kubernetes-validations" = [rule("self == oldSelf", "cannot change; make another Backup")]))]
    pub source: Source,

    /// When, as a cron expression of five fields: minute, hour, day of month, month, day of week; or `@daily` and its like.
    #[schemars(length(max = 128), regex(pattern = r"^(@[a-z]+|\S+(\s+\S+){4})$"))]
    pub schedule: String,

    /// Time zone of the schedule: `Europe/Berlin`. Without one, the time of the cluster's controllers, usually UTC.
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"))]
    pub time_zone: Option<String>,

    /// On: no new backups are started; those that exist stay.
    #[serde(default)]
    pub suspend: bool,

    /// Where backups are kept.
    #[serde(default)]
    pub storage: Storage,

    /// Which backups are kept.
    #[serde(default)]
    pub retention: Retention,

    /// Seconds after which a backup that still runs is stopped and counts as failed.
    #[serde(default = "six_hours")]
    #[schemars(range(min = 60, max = 604800))]
    pub deadline_seconds: u32,

    /// Seconds after its time in which a backup that could not be started may still be started.
    #[serde(default = "one_hour")]
    #[schemars(range(min = 60, max = 604800))]
    pub starting_deadline_seconds: u32,

    /// CPU and memory of the pod that makes the backup, as in a container of a pod.
    // Said twice: a schema of its own hides from schemars that the field is optional.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub resources: Option<Value>,
}

/// The database that is backed up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Name of a `MySQL` in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub mysql: String,
}

/// The volume that backups are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// Size of the volume; 10Gi without it. It can grow, not shrink.
    pub size: Option<IntOrString>,
    /// Storage class; without one, the cluster's default class. It cannot change later.
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
    /// A claim that exists already, instead of a new one.
    #[schemars(length(max = 253))]
    pub claim_name: Option<String>,
    /// What happens to the volume when the resource is deleted.
    pub when_deleted: WhenDeleted,
}

/// What happens to the volume when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum WhenDeleted {
    /// The claim stays, with the backups.
    #[default]
    Retain,
    /// The claim is deleted, and the backups with it.
    Delete,
}

/// Which backups are kept. The newest good one always is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Retention {
    /// Most backups; without it 7, unless `days` is set.
    #[schemars(range(min = 1, max = 10000))]
    pub count: Option<u32>,
    /// Greatest age in days.
    #[schemars(range(min = 1, max = 36500))]
    pub days: Option<u32>,
}

impl Retention {
    /// Most backups, with the default.
    pub fn most(&self) -> Option<u32> {
        self.count.or(if self.days.is_none() { Some(7) } else { None })
    }
}

impl Storage {
    /// Size of the volume, with the default.
    pub fn wished_size(&self) -> String {
        self.size.as_ref().map_or_else(|| "10Gi".to_string(), IntOrString::to_string)
    }
}

fn six_hours() -> u32 {
    6 * 3600
}

fn one_hour() -> u32 {
    3600
}
