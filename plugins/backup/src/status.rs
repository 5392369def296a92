//! What is reported about a Backup. In: its CronJob and the Jobs of it. Out: the status and its conditions.

use crate::build::{self, CRON_JOB, INSTANCE_LABEL};
use crate::source::Source;
use crate::spec::BackupSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::{Condition, Kind, Metadata, RelatedQuery, Snapshot, Value};

/// Name of the query for the Jobs.
const JOBS: &str = "jobs";
/// Name of the query for the pods of the Jobs.
const PODS: &str = "pods";

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
    /// The newest backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<LastBackup>,
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
    /// Why, as the backup says, or as Kubernetes does.
    pub message: String,
}

/// Where backups are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Remembered {
    /// Name of the `MySQL`.
    pub mysql: String,
    /// Addresses of its servers, and its Services. The healthiest of the servers is backed up.
    pub hosts: Vec<String>,
    /// Port.
    pub port: u16,
    /// Secret with `username` and `password`.
    pub secret: String,
}

/// The newest backup, as it reported itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LastBackup {
    /// Its name, by which `windlass restore` takes it.
    pub name: String,
    /// When it was finished.
    pub finished_at: String,
    /// Bytes on the volume.
    pub size: u64,
    /// The server that it was taken from.
    pub server: String,
    /// `replica` or `primary`.
    pub role: String,
    /// GTID set of the moment that it shows, unless that is very long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtid_set: Option<String>,
    /// What was not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The queries for the Jobs of a Backup, and for their pods.
pub fn queries(metadata: &Metadata) -> [RelatedQuery; 2] {
    let selector = format!("{INSTANCE_LABEL}={}", build::instance(metadata));
    let of = |name: &str, kind: Kind| RelatedQuery::all(name, kind).selector(&selector);
    [of(JOBS, Kind::of("batch", "v1", "Job")), of(PODS, Kind::of("", "v1", "Pod"))]
}

/// What a pod of a backup said when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    backup: Option<String>,
    finished_at: String,
    size: u64,
    server: String,
    role: String,
    gtid_set: Option<String>,
    warning: Option<String>,
    error: Option<String>,
}

/// The reports of the pods, each with the Job that the pod is of, the newest last.
fn reports(snapshot: &Snapshot<BackupSpec, BackupStatus>) -> Vec<(String, Report)> {
    let pods = snapshot.related(PODS).into_iter().flat_map(|answer| answer.parsed());
    let mut found: Vec<(String, String, Report)> = pods
        .filter_map(|pod| {
            let ended = pod.pointer("/status/containerStatuses/0/state/terminated")?;
            let report = serde_json::from_str(ended.get("message")?.as_str()?).ok()?;
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_string();
            let labels = pod.pointer("/metadata/labels")?;
            // The second name is that of clusters before 1.27.
            let job = labels.get("batch.kubernetes.io/job-name").or_else(|| labels.get("job-name"));
            Some((text(ended.get("finishedAt")), text(job), report))
        })
        .collect();
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    found.into_iter().map(|(_, job, report)| (job, report)).collect()
}

/// The newest backup of the reports, or the one that was known: pods go, backups stay.
fn newest_backup(reports: &[(String, Report)], known: Option<&LastBackup>) -> Option<LastBackup> {
    let reported = reports.iter().rev().find_map(|(_, report)| {
        let report = report.clone();
        Some(LastBackup {
            name: report.backup?,
            finished_at: report.finished_at,
            size: report.size,
            server: report.server,
            role: report.role,
            gtid_set: report.gtid_set,
            warning: report.warning,
        })
    });
    let known = known.cloned();
    // Names begin with the time.
    match (reported, known) {
        (Some(reported), Some(known)) if reported.name < known.name => Some(known),
        (reported, known) => reported.or(known),
    }
}

/// The status. While the source is not seen, the one that was known stays.
pub fn build(snapshot: &Snapshot<BackupSpec, BackupStatus>, source: &Source, claim: &str) -> BackupStatus {
    let old = &snapshot.resource.status;
    let cron_job = snapshot.object(CRON_JOB).unwrap_or_default();
    let text = |key: &str| cron_job.pointer(&format!("/status/{key}")).and_then(Value::as_str).map(str::to_string);
    let active = cron_job.pointer("/status/active").and_then(Value::as_array).map_or(0, Vec::len);
    let (reports, jobs) = (reports(snapshot), snapshot.related(JOBS).filter(|answer| answer.complete));
    // A CronJob that was made again has forgotten, and knows nothing of Jobs that were made by hand; what was true stays
    // true. (Times of Kubernetes are RFC 3339 in UTC, which sort as text.)
    let by_job = jobs.and_then(|answer| newest_completion(answer.parsed()));
    let last_success_time =
        [text("lastSuccessfulTime"), by_job, old.last_success_time.clone()].into_iter().flatten().max();
    let last_failure = match jobs {
        Some(answer) => newest_failure(answer.parsed(), &reports),
        None => old.last_failure.clone(),
    }
    .filter(|failure| last_success_time.as_ref().is_none_or(|success| *success < failure.time));
    BackupStatus {
        claim: claim.to_string(),
        active: u32::try_from(active).unwrap_or(u32::MAX),
        last_schedule_time: text("lastScheduleTime").or_else(|| old.last_schedule_time.clone()),
        last_success_time,
        last_backup: newest_backup(&reports, old.last_backup.as_ref()),
        last_failure,
        source: match source {
            Source::Known(known) => Some(known.clone()),
            Source::Missing(remembered) => remembered.clone(),
            Source::NotReady => None,
        },
    }
}

/// Whether a Job has this condition.
fn condition<'a>(job: &'a Value, type_: &str) -> Option<&'a Value> {
    job.pointer("/status/conditions")?.as_array()?.iter().find(|condition| {
        let is = |key: &str, value: &str| condition.get(key).and_then(Value::as_str) == Some(value);
        is("type", type_) && is("status", "True")
    })
}

/// When the last of the Jobs that succeeded was finished.
fn newest_completion(jobs: impl Iterator<Item = Value>) -> Option<String> {
    let finished = jobs.filter(|job| condition(job, "Complete").is_some());
    finished.filter_map(|job| Some(job.pointer("/status/completionTime")?.as_str()?.to_string())).max()
}

/// The failed Job that was started last, and why it failed: its pod knows best.
fn newest_failure(jobs: impl Iterator<Item = Value>, reports: &[(String, Report)]) -> Option<Failure> {
    let failure = jobs
        .filter_map(|job| {
            let failed = condition(&job, "Failed")?;
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_string();
            let started = job.pointer("/status/startTime").or_else(|| job.pointer("/metadata/creationTimestamp"));
            Some(Failure {
                job: text(job.pointer("/metadata/name")),
                time: text(started),
                message: text(failed.get("message")),
            })
        })
        .max_by(|a, b| (&a.time, &a.job).cmp(&(&b.time, &b.job)))?;
    let mut of_job = reports.iter().rev().filter(|(job, _)| *job == failure.job);
    let said = of_job.find_map(|(_, report)| report.error.clone());
    Some(Failure { message: said.unwrap_or(failure.message), ..failure })
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
        (None, Some(time)) => {
            let warning = status.last_backup.as_ref().and_then(|backup| backup.warning.as_deref());
            let warning = warning.map(|warning| format!("; {warning}")).unwrap_or_default();
            Condition::yes("LastBackupSucceeded", "JobComplete", &format!("finished at {time}{warning}"))
        }
        (None, None) => Condition::unknown("LastBackupSucceeded", "NoBackupYet", "no backup has finished yet"),
    }
}
