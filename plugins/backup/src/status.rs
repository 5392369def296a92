//! What is reported about a Backup. In: its CronJob and the Jobs of it. Out: the status and its conditions.

use crate::build::{self, CRON_JOB, INSTANCE_LABEL};
use crate::source::Source;
use crate::spec::BackupSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::{Condition, Kind, Metadata, RelatedQuery, Snapshot, Value};

/// Name of the query for the Jobs.
const JOBS: &str = "jobs";

/// The status of a `Backup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    /// The volume claim that backups are on.
    pub claim: String,
    /// Backups that run now.
    pub active: u32,
    /// When the last backup was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_schedule_time: Option<String>,
    /// When the newest good backup was finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_success_time: Option<String>,
    /// The last failure, unless a backup succeeded after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// Where backups are read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Remembered>,
}

/// A backup that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Failure {
    /// Its Job.
    pub job: String,
    /// When it was started.
    pub time: String,
    /// Why, as Kubernetes says.
    pub message: String,
}

/// Where backups are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Remembered {
    /// Name of the `MySQL`.
    pub mysql: String,
    /// Host of its Service for reads.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Secret with `username` and `password`.
    pub secret: String,
}

/// The query for the Jobs of a Backup.
pub fn jobs_query(metadata: &Metadata) -> RelatedQuery {
    let selector = format!("{INSTANCE_LABEL}={}", build::instance(metadata));
    RelatedQuery::all(JOBS, Kind::of("batch", "v1", "Job")).selector(&selector)
}

/// The status. While the source is not seen, the one that was known stays.
pub fn build(snapshot: &Snapshot<BackupSpec, BackupStatus>, source: &Source, claim: &str) -> BackupStatus {
    let old = &snapshot.resource.status;
    let cron_job = snapshot.object(CRON_JOB).unwrap_or_default();
    let text = |key: &str| cron_job.pointer(&format!("/status/{key}")).and_then(Value::as_str).map(str::to_string);
    let active = cron_job.pointer("/status/active").and_then(Value::as_array).map_or(0, Vec::len);
    // A CronJob that was made again has forgotten; what was true stays true.
    let last_success_time = text("lastSuccessfulTime").or_else(|| old.last_success_time.clone());
    let last_failure = match snapshot.related(JOBS) {
        Some(answer) if answer.complete => newest_failure(answer.parsed()),
        _ => old.last_failure.clone(),
    }
    .filter(|failure| last_success_time.as_ref().is_none_or(|success| *success < failure.time));
    BackupStatus {
        claim: claim.to_string(),
        active: u32::try_from(active).unwrap_or(u32::MAX),
        last_schedule_time: text("lastScheduleTime").or_else(|| old.last_schedule_time.clone()),
        last_success_time,
        last_failure,
        source: match source {
            Source::Known(known) => Some(known.clone()),
            Source::Missing(remembered) => remembered.clone(),
            Source::NotReady => None,
        },
    }
}

/// The failed Job that was started last. (Times of Kubernetes are RFC 3339 in UTC, which sort as text.)
fn newest_failure(jobs: impl Iterator<Item = Value>) -> Option<Failure> {
    jobs.filter_map(|job| {
        let failed = job.pointer("/status/conditions")?.as_array()?.iter().find(|condition| {
            let is = |key: &str, value: &str| condition.get(key).and_then(Value::as_str) == Some(value);
            is("type", "Failed") && is("status", "True")
        })?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_string();
        let started = job.pointer("/status/startTime").or_else(|| job.pointer("/metadata/creationTimestamp"));
        Some(Failure {
            job: text(job.pointer("/metadata/name")),
            time: text(started),
            message: text(failed.get("message")),
        })
    })
    .max_by(|a, b| (&a.time, &a.job).cmp(&(&b.time, &b.job)))
}

/// The conditions.
pub fn conditions(
    snapshot: &Snapshot<BackupSpec, BackupStatus>,
    source: &Source,
    status: &BackupStatus,
) -> Vec<Condition> {
    vec![ready(snapshot, source, status), succeeded(status)]
}

/// Scheduled, and the last backup did not fail.
fn ready(snapshot: &Snapshot<BackupSpec, BackupStatus>, source: &Source, status: &BackupStatus) -> Condition {
    let spec = &snapshot.resource.spec;
    let name = &spec.source.mysql;
    match source {
        Source::Missing(_) => {
            let message = format!("MySQL {name} does not exist in this namespace; backups start when it does");
            return Condition::no("Ready", "SourceMissing", &message);
        }
        Source::NotReady => {
            let message = format!("MySQL {name} has not reported where to connect; backups are scheduled when it has");
            return Condition::no("Ready", "SourceNotReady", &message);
        }
        Source::Known(_) => {}
    }
    if snapshot.object(CRON_JOB).is_none() {
        return Condition::no("Ready", "Creating", "the CronJob is being created");
    }
    if let Some(failure) = &status.last_failure {
        let message = format!(
            "the last backup failed, see job {}: {}; the next one is due by schedule",
            failure.job, failure.message
        );
        return Condition::no("Ready", "LastBackupFailed", &message);
    }
    if spec.suspend {
        return Condition::yes("Ready", "Suspended", "no new backups are started until spec.suspend is false");
    }
    let zone = spec.time_zone.as_deref().unwrap_or("the cluster's time zone");
    Condition::yes(
        "Ready",
        "Scheduled",
        &format!("backups of MySQL {name} are scheduled at `{}`, {zone}", spec.schedule),
    )
}

/// Whether there is a good backup, and no failure after it.
fn succeeded(status: &BackupStatus) -> Condition {
    match (&status.last_failure, &status.last_success_time) {
        (Some(failure), _) => {
            let message = format!("job {} failed: {}", failure.job, failure.message);
            Condition::no("LastBackupSucceeded", "JobFailed", &message)
        }
        (None, Some(time)) => Condition::yes("LastBackupSucceeded", "JobComplete", &format!("finished at {time}")),
        (None, None) => Condition::unknown("LastBackupSucceeded", "NoBackupYet", "no backup has finished yet"),
    }
}
