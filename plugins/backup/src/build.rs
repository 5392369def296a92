//! What should exist for one `Backup`. In: the resource and where its database is. Out: the claim and the CronJob.

pub mod claim;
pub mod cron_job;

use crate::spec::BackupSpec;
use windlass_sdk::{Metadata, Value, json, names};

/// Id of the item of the claim.
pub const CLAIM: &str = "claim";
/// Id of the item of the CronJob.
pub const CRON_JOB: &str = "cronjob";
/// Label of the Jobs of one Backup.
pub const INSTANCE_LABEL: &str = "backup.windlass.dev/backup";

/// Value of [`INSTANCE_LABEL`].
pub fn instance(metadata: &Metadata) -> String {
    names::child(&metadata.name, "", names::LABEL)
}

/// The claim that backups are written to: the user's, or one of our own. Our own has a part of the resource's uid in its
/// name, so that a Backup that is deleted and made again never writes over what the first one left.
pub fn claim_name(metadata: &Metadata, spec: &BackupSpec) -> String {
    match &spec.storage.claim_name {
        Some(name) => name.clone(),
        None => names::child(&metadata.name, &format!("-{}", &names::hash(metadata.uid.as_bytes())[..6]), names::LABEL),
    }
}

/// Labels of everything.
pub fn labels(metadata: &Metadata) -> Value {
    json!({ "app.kubernetes.io/name": "backup", INSTANCE_LABEL: instance(metadata) })
}
