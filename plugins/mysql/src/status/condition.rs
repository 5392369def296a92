//! The conditions of a cluster. In: how far it is. Out: what is the case, and what will happen or what to do.

use super::{MysqlStatus, Progress};
use crate::build::{BACKUP, Cluster, statefulset};
use crate::spec::MysqlSpec;
use windlass_sdk::{Condition, Event, Quantity, Snapshot, Truth, Value};

/// Every condition.
pub fn conditions(
    cluster: &Cluster<'_>,
    progress: &Progress,
    live: Option<&Value>,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
) -> Vec<Condition> {
    let reached = snapshot.resource.status.reached.as_ref() == Some(&progress.target);
    let mut conditions = vec![
        ready(cluster, progress),
        available(cluster, progress),
        progressing(cluster, progress, reached),
        degraded(cluster, progress, reached, snapshot),
        config(cluster),
    ];
    conditions.extend(live.map(|live| storage(cluster, live)));
    conditions.extend(cluster.spec.backup.enabled.then(|| backup(snapshot)));
    conditions
}

/// Everything is as wished.
fn ready(cluster: &Cluster<'_>, progress: &Progress) -> Condition {
    let spec = cluster.spec;
    if progress.done {
        let message = format!("all {} servers are ready and run {}", spec.replicas, spec.version);
        return Condition::yes("Ready", "AllServersReady", &message);
    }
    let (reason, message) = waiting(cluster, progress);
    Condition::no("Ready", reason, &message)
}

/// Clients can connect.
fn available(cluster: &Cluster<'_>, progress: &Progress) -> Condition {
    let of = format!("{} of {} servers are ready", progress.ready, cluster.spec.replicas);
    if progress.ready > 0 {
        Condition::yes("Available", "ServersReady", &of)
    } else {
        Condition::no("Available", "NoServerReady", &format!("{of}; clients cannot connect until one is"))
    }
}

/// A change is being carried out. A server that fails after all of it was there is no change: see [`degraded`].
fn progressing(cluster: &Cluster<'_>, progress: &Progress, reached: bool) -> Condition {
    if progress.done || (progress.rolled_out && reached) {
        return Condition::no("Progressing", "Settled", "no change is being carried out");
    }
    let (reason, message) = waiting(cluster, progress);
    Condition::yes("Progressing", reason, &message)
}

/// What is not there yet, and what happens next.
fn waiting(cluster: &Cluster<'_>, progress: &Progress) -> (&'static str, String) {
    let spec = cluster.spec;
    if !progress.exists {
        return ("Creating", format!("{} servers of version {} are being created", spec.replicas, spec.version));
    }
    if !progress.applied {
        return ("Updating", "the StatefulSet is being changed to the wanted version, settings and number".to_string());
    }
    if progress.updated < spec.replicas {
        return (
            "RollingOut",
            format!(
                "{} of {} servers have the wanted version and settings; the others follow one by one, ordinal 0 last",
                progress.updated, spec.replicas
            ),
        );
    }
    let name = &cluster.names.stateful_set;
    (
        "WaitingForServers",
        format!(
            "{} of {} servers are ready; `kubectl describe pod` of a pod of StatefulSet {name} that is not ready says why",
            progress.ready, spec.replicas
        ),
    )
}

/// Something that was in order is not any more.
fn degraded(
    cluster: &Cluster<'_>,
    progress: &Progress,
    reached: bool,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
) -> Condition {
    let failing = snapshot.items.iter().find_map(|item| Some((&item.id, item.last_error.as_ref()?)));
    if let Some((id, error)) = failing {
        let message = format!("item {id} cannot be brought to its wanted state: {error}; it is tried again");
        return Condition::yes("Degraded", "ItemFailing", &message);
    }
    let missing = cluster.spec.replicas.saturating_sub(progress.ready);
    if reached && progress.rolled_out && missing > 0 {
        let message = format!("{missing} of {} servers are not ready; Kubernetes restarts them", cluster.spec.replicas);
        return Condition::yes("Degraded", "ServersMissing", &message);
    }
    Condition::no("Degraded", "AsExpected", "nothing that worked has stopped working")
}

/// Whether the user's settings are in force.
fn config(cluster: &Cluster<'_>) -> Condition {
    let forced = &cluster.mycnf.forced;
    if forced.is_empty() {
        return Condition::yes("ConfigAccepted", "AllSettingsUsed", "all settings of spec.config are in my.cnf");
    }
    let message = format!(
        "left out of my.cnf because the cluster depends on them: {}; remove them from spec.config",
        forced.join(", ")
    );
    Condition::no("ConfigAccepted", "ForcedSettings", &message)
}

/// Whether the volumes have the wished size. The template of the claims can never change, so that growing them is a
/// change of each claim.
fn storage(cluster: &Cluster<'_>, live: &Value) -> Condition {
    let wished = &cluster.spec.storage.size;
    match statefulset::claimed_size(live) {
        Some(made) if Quantity::parse(made) != Quantity::parse(wished) => Condition::no(
            "StorageCurrent",
            "ResizePending",
            &format!(
                "volumes were made with {made} and {wished} is wished; claims are not resized automatically: set \
                 spec.resources.requests.storage of each claim data-{}-N to {wished}, where its storage class can grow",
                cluster.names.stateful_set
            ),
        ),
        _ => Condition::yes("StorageCurrent", "AsWished", &format!("volumes were made with {wished}")),
    }
}

/// Whether scheduled backups are in order, as the Backup says.
fn backup(snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> Condition {
    let Some(backup) = snapshot.object(BACKUP) else {
        return Condition::unknown("BackupReady", "Creating", "the Backup is made once the StatefulSet exists");
    };
    let ready = backup
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .and_then(|all| all.iter().find(|c| c.get("type").and_then(Value::as_str) == Some("Ready")));
    let text = |key: &str| ready.and_then(|c| c.get(key)).and_then(Value::as_str).unwrap_or_default();
    let status = match text("status") {
        "True" => Truth::Yes,
        "False" => Truth::No,
        _ => {
            let message = "the Backup has no status yet; is the backup plugin loaded?";
            return Condition::unknown("BackupReady", "NoStatus", message);
        }
    };
    let reason = if text("reason").is_empty() { "Reported" } else { text("reason") };
    Condition::of("BackupReady", status, reason, text("message"))
}

/// What changed since the last status, for people who watch.
pub fn events(cluster: &Cluster<'_>, progress: &Progress, old: &MysqlStatus) -> Vec<Event> {
    let (spec, before) = (cluster.spec, &old.target);
    let mut events = Vec::new();
    if before.version.is_empty() {
        let message = format!("creating {} servers of version {}", spec.replicas, spec.version);
        events.push(Event::normal("Creating", &message));
    } else {
        if before.replicas != spec.replicas {
            let message = format!("scaling from {} to {} servers", before.replicas, spec.replicas);
            events.push(Event::normal("Scaling", &message));
        }
        if before.version != spec.version {
            let message = format!("changing the version from {} to {}", before.version, spec.version);
            events.push(Event::normal("VersionChanging", &message));
        }
    }
    if progress.done && old.version.as_deref() != Some(spec.version.as_str()) {
        let message = format!("all {} servers are ready and run {}", spec.replicas, spec.version);
        events.push(Event::normal("VersionReached", &message));
    }
    if !cluster.mycnf.forced.is_empty() && cluster.mycnf.forced != old.forced_config_keys {
        let message =
            format!("left out of my.cnf because the cluster depends on them: {}", cluster.mycnf.forced.join(", "));
        events.push(Event::warning("ForcedSettings", &message));
    }
    events
}
