//! The conditions of a cluster. In: what was seen and what follows from it. Out: what is the case, and what will happen
//! or what to do. The texts about the cluster itself are in [`cluster`].

mod cluster;

use super::{MysqlStatus, Report};
use crate::build::{BACKUP, Cluster, overlay, statefulset};
use crate::spec::MysqlSpec;
use windlass_sdk::{Condition, Event, Quantity, Snapshot, Truth, Value};

/// Every condition.
pub fn conditions(
    made: &Cluster<'_>,
    report: &Report<'_>,
    live: Option<&Value>,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
) -> Vec<Condition> {
    let reached = snapshot.resource.status.reached.as_ref() == Some(&report.progress.target);
    let mut conditions = vec![
        ready(made, report),
        cluster::available(report),
        cluster::state(report),
        cluster::primary(report),
        cluster::durability(report),
        cluster::errant(report),
        cluster::recovery(report),
        cluster::upgrade(made, report),
        progressing(made, report, reached),
        degraded(made, report, reached, snapshot),
        config(made),
    ];
    conditions.extend(live.map(|live| storage(made, live, report, snapshot)));
    conditions.extend(made.spec.backup.enabled.then(|| backup(snapshot)));
    conditions
}

/// Everything is as wished.
fn ready(made: &Cluster<'_>, report: &Report<'_>) -> Condition {
    let spec = made.spec;
    if report.progress.done {
        let message = format!("all {} servers are ready and run {}", spec.replicas, spec.version);
        return Condition::yes("Ready", "AllServersReady", &message);
    }
    let (reason, message) = waiting(made, report);
    Condition::no("Ready", reason, &message)
}

/// A change is being carried out. A server that fails after all of it was there is no change: see [`degraded`].
fn progressing(made: &Cluster<'_>, report: &Report<'_>, reached: bool) -> Condition {
    if report.progress.done || (report.progress.rolled_out && reached) {
        return Condition::no("Progressing", "Settled", "no change is being carried out");
    }
    let (reason, message) = waiting(made, report);
    Condition::yes("Progressing", reason, &message)
}

/// What is not there yet, and what happens next.
fn waiting(made: &Cluster<'_>, report: &Report<'_>) -> (&'static str, String) {
    let (spec, progress) = (made.spec, report.progress);
    if spec.offline {
        return ("Offline", "spec.offline is set: no server runs; take it back to start them again".to_string());
    }
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
                "{} of {} servers have the wanted version and settings; the others follow one by one, the primary last",
                progress.updated, spec.replicas
            ),
        );
    }
    if progress.ready < spec.replicas {
        let name = &made.names.stateful_set;
        return (
            "WaitingForServers",
            format!(
                "{} of {} servers are ready; `kubectl describe pod` of a pod of StatefulSet {name} that is not ready says why",
                progress.ready, spec.replicas
            ),
        );
    }
    (report.verdict.state.name(), cluster::message(report))
}

/// Something that was in order is not any more.
fn degraded(
    made: &Cluster<'_>,
    report: &Report<'_>,
    reached: bool,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
) -> Condition {
    let progress = report.progress;
    let failing = snapshot.items.iter().find_map(|item| Some((&item.id, item.last_error.as_ref()?)));
    if let Some((id, error)) = failing {
        let message = format!("item {id} cannot be brought to its wanted state: {error}; it is tried again");
        return Condition::yes("Degraded", "ItemFailing", &message);
    }
    if reached && progress.rolled_out && !progress.done {
        let missing = made.spec.replicas.saturating_sub(progress.ready);
        if missing > 0 {
            let message = format!(
                "{missing} of {} servers are not ready; Kubernetes restarts them; {}",
                made.spec.replicas,
                cluster::message(report)
            );
            return Condition::yes("Degraded", "ServersMissing", &message);
        }
        return Condition::yes("Degraded", report.verdict.state.name(), &cluster::message(report));
    }
    if !report.verdict.errant.is_empty() {
        let message = format!("{}; {}", cluster::message(report), cluster::errant(report).message);
        return Condition::yes("Degraded", "TransactionsOfTheirOwn", &message);
    }
    Condition::no("Degraded", "AsExpected", "nothing that worked has stopped working")
}

/// Whether the user's settings are in force.
fn config(made: &Cluster<'_>) -> Condition {
    let forced = &made.mycnf.forced;
    if forced.is_empty() {
        return Condition::yes("ConfigAccepted", "AllSettingsUsed", "all settings of spec.config are in my.cnf");
    }
    let message = format!(
        "left out of my.cnf because the cluster depends on them: {}; remove them from spec.config",
        forced.join(", ")
    );
    Condition::no("ConfigAccepted", "ForcedSettings", &message)
}

/// Whether the volumes have the wished size. The template of the claims can never change, so each claim is grown by
/// itself.
fn storage(
    made: &Cluster<'_>,
    live: &Value,
    report: &Report<'_>,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
) -> Condition {
    let wished = &made.spec.storage.size;
    if !overlay::grows(live, wished) {
        return Condition::yes("StorageCurrent", "AsWished", &format!("volumes were made with {wished}"));
    }
    let size = |claim: &Value, pointer: &str| claim.pointer(pointer).and_then(Value::as_str).and_then(Quantity::parse);
    let small: Vec<String> = (0..report.facts.wanted)
        .filter(|ordinal| {
            let claim = snapshot.object(&overlay::claim_id(*ordinal));
            let capacity = claim.and_then(|claim| size(&claim, "/status/capacity/storage"));
            capacity.zip(Quantity::parse(wished)).is_none_or(|(has, wished)| has < wished)
        })
        .map(|ordinal| made.names.claim(ordinal))
        .collect();
    if small.is_empty() {
        return Condition::yes("StorageCurrent", "Grown", &format!("all volumes have grown to {wished}"));
    }
    let made_with = statefulset::claimed_size(live).unwrap_or_default();
    let message = format!(
        "volumes were made with {made_with} and {wished} is wished; still smaller: {}; they grow as soon as their storage class lets them (allowVolumeExpansion), some only when the pod restarts",
        small.join(", ")
    );
    Condition::no("StorageCurrent", "Growing", &message)
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
pub fn events(made: &Cluster<'_>, report: &Report<'_>, old: &MysqlStatus) -> Vec<Event> {
    let (spec, before) = (made.spec, &old.target);
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
    if report.progress.done && old.version.as_deref() != Some(spec.version.as_str()) {
        let message = format!("all {} servers are ready and run {}", spec.replicas, spec.version);
        events.push(Event::normal("VersionReached", &message));
    }
    if !made.mycnf.forced.is_empty() && made.mycnf.forced != old.forced_config_keys {
        let message =
            format!("left out of my.cnf because the cluster depends on them: {}", made.mycnf.forced.join(", "));
        events.push(Event::warning("ForcedSettings", &message));
    }
    events
}
