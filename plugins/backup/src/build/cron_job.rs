//! The CronJob. Its pods run `windlass backup` from the project's own image: it reads the database over the network with
//! the account that is mounted from the Secret, and writes to the claim, into a folder of this Backup's own: backups of
//! two on one claim never count as one another's. What became of it goes into the container's termination message.

use super::{CRON_JOB, claim_name, labels};
use crate::spec::BackupSpec;
use crate::status::Remembered;
use windlass_sdk::{Item, Metadata, Value, json, names};

/// Image of the pods where the operator's settings name none.
pub const DEFAULT_IMAGE: &str = concat!("windlass:", env!("CARGO_PKG_VERSION"));
/// Where a container says how it ended: Kubernetes makes this file and puts what is in it into the status of the pod.
const REPORT: &str = "/dev/termination-log";
/// User that the image runs as: one without rights.
const USER: u32 = 65532;

/// The CronJob. `paused` keeps it from starting backups whatever the spec says.
pub fn item(metadata: &Metadata, spec: &BackupSpec, source: &Remembered, image: &str, paused: bool) -> Item {
    let mut cron_job = json!({
        "schedule": spec.schedule,
        "suspend": spec.suspend || paused,
        // A backup that takes longer than its interval is not overtaken by the next.
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": spec.starting_deadline_seconds,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "metadata": { "labels": labels(metadata) },
            "spec": {
                "activeDeadlineSeconds": spec.deadline_seconds,
                // Half a backup is no backup: try once more, then wait for the next time.
                "backoffLimit": 1,
                "template": { "metadata": { "labels": labels(metadata) }, "spec": pod(metadata, spec, source, image) },
            },
        },
    });
    if let Some(zone) = &spec.time_zone {
        cron_job["timeZone"] = json!(zone);
    }
    let manifest = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": { "name": names::child(&metadata.name, "", names::CRON_JOB), "labels": labels(metadata) },
        "spec": cron_job,
    });
    Item::kubernetes(CRON_JOB, manifest)
}

/// The pod of one backup.
fn pod(metadata: &Metadata, spec: &BackupSpec, source: &Remembered, image: &str) -> Value {
    let mut args = vec!["backup".to_string()];
    args.extend(source.hosts.iter().map(|host| format!("--source-host={host}")));
    args.extend([
        format!("--source-port={}", source.port),
        "--user-file=/run/windlass/source/username".to_string(),
        "--password-file=/run/windlass/source/password".to_string(),
        format!("--destination=/backups/{}", names::child(&metadata.name, "", names::LABEL)),
        format!("--report={REPORT}"),
    ]);
    args.extend(spec.retention.most().map(|count| format!("--keep-count={count}")));
    args.extend(spec.retention.days.map(|days| format!("--keep-days={days}")));
    let mut container = json!({
        "name": "backup",
        "image": image,
        "args": args,
        "terminationMessagePath": REPORT,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": [
            { "name": "source", "mountPath": "/run/windlass/source", "readOnly": true },
            { "name": "backups", "mountPath": "/backups" },
            { "name": "tmp", "mountPath": "/tmp" },
        ],
    });
    if let Some(resources) = &spec.resources {
        container["resources"] = resources.clone();
    }
    json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container],
        "volumes": [
            { "name": "source", "secret": { "secretName": source.secret, "defaultMode": 0o440 } },
            { "name": "backups", "persistentVolumeClaim": { "claimName": claim_name(metadata, spec) } },
            { "name": "tmp", "emptyDir": {} },
        ],
    })
}
