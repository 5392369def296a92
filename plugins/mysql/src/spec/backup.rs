//! `spec.backup`: what becomes a `Backup` resource.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::IntOrString;

/// Scheduled backups.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupSpec {
    /// On: a `Backup` of this cluster exists.
    pub enabled: bool,
    /// When, as a cron expression of five fields: minute, hour, day of month, month, day of week.
    #[schemars(length(max = 128), regex(pattern = r"^(@[a-z]+|\S+(\s+\S+){4})$"))]
    pub schedule: String,
    /// Time zone of the schedule: `Europe/Berlin`. Without one, the time of the cluster's controllers, usually UTC.
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"))]
    pub time_zone: Option<String>,
    /// On: no new backups are started; those that exist stay.
    pub suspend: bool,
    /// Which backups are kept.
    pub retention: BackupRetention,
    /// Where backups are kept.
    pub storage: BackupStorage,
}

impl Default for BackupSpec {
    fn default() -> Self {
        BackupSpec {
            enabled: false,
            // Every night; quieter than the full hour at which everything else starts.
            schedule: "17 2 * * *".to_string(),
            time_zone: None,
            suspend: false,
            retention: BackupRetention::default(),
            storage: BackupStorage::default(),
        }
    }
}

/// Which backups are kept. The newest good one always is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupRetention {
    /// Most backups; without it 7, unless `days` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub count: Option<u32>,
    /// Greatest age in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub days: Option<u32>,
}

/// The volume that backups are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStorage {
    /// Size of the volume; without it that of one server's volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<IntOrString>,
    /// Storage class; without one, the cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
    /// A claim that exists already, instead of a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub claim_name: Option<String>,
}
