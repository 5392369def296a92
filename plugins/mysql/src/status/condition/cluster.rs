//! The conditions about the cluster itself: its state, its primary, what an acknowledged write promises, what stands in
//! the way of a recovery. In: facts and verdict. Out: what is wrong, and what will happen or what to do.

use crate::build::Cluster;
use crate::cluster::facts::{Facts, Seen, Silence};
use crate::cluster::record::{Kind, Operation};
use crate::cluster::rollout::Step;
use crate::cluster::state::{State, missing};
use crate::cluster::switchover::why;
use crate::cluster::view::View;
use crate::observe::{ALLOW_EMPTY, RESTORING, SWITCHOVER, UNSAFE_FAILOVER};
use crate::status::Report;
use crate::time;
use crate::version::SERIES;
use windlass_sdk::gtid::GtidSet;
use windlass_sdk::{Condition, Truth};

/// Most bytes of a GTID set in a message.
const SHOWN: usize = 160;

/// Clients can write.
pub fn available(report: &Report<'_>) -> Condition {
    let name = primary_name(report);
    let forming = report.verdict.next.operation.as_ref().is_some_and(|operation| operation.kind == Kind::Bootstrap);
    if report.verdict.state.available() && forming {
        let durability = &report.verdict.next.durability;
        let message = format!(
            "{name} has {} of {} acknowledging replicas; clients are sent to it once it has all, so that their first write is safe",
            durability.acks,
            report.facts.target_acks()
        );
        return Condition::no("Available", "Forming", &message);
    }
    if report.verdict.state.available() {
        return Condition::yes("Available", "PrimaryOpen", &format!("{name} takes writes"));
    }
    Condition::no("Available", report.verdict.state.name(), &message(report))
}

/// The state, in one word and a sentence.
pub fn state(report: &Report<'_>) -> Condition {
    let state = report.verdict.state;
    let truth = if state == State::Healthy { Truth::Yes } else { Truth::No };
    Condition::of("Healthy", truth, state.name(), &message(report))
}

/// Who the primary is.
pub fn primary(report: &Report<'_>) -> Condition {
    let name = primary_name(report);
    if let Some(operation) = &report.verdict.next.operation {
        return Condition::unknown("PrimaryStable", &format!("{:?}", operation.kind), &under_way(report, operation));
    }
    if let Some(due) = &report.verdict.due {
        let message = format!(
            "another server is to be the primary instead of {name} ({}); it waits for a replica that follows, is not \
             behind, and leaves enough others to acknowledge writes",
            why(due.cause)
        );
        return Condition::yes("PrimaryStable", "SwitchoverWaiting", &message);
    }
    match report.verdict.next.primary {
        Some(_) => Condition::yes("PrimaryStable", "AsRecorded", &format!("{name} is the primary")),
        None => Condition::no("PrimaryStable", "NoPrimary", &message(report)),
    }
}

/// On how many servers an acknowledged write is.
pub fn durability(report: &Report<'_>) -> Condition {
    let (acks, target) = (report.verdict.next.durability.acks, report.facts.target_acks());
    let text = format!("an acknowledged write is on the primary and {acks} of {target} wanted other servers");
    if acks >= target {
        return Condition::yes("Durable", "AsWished", &text);
    }
    let message = format!("{text}; more are asked to acknowledge as soon as they are attached");
    Condition::no("Durable", "FewerReplicas", &message)
}

/// Servers with transactions of their own.
pub fn errant(report: &Report<'_>) -> Condition {
    let errant = &report.verdict.errant;
    if errant.is_empty() {
        return Condition::no("Errant", "None", "no server has transactions that the primary does not have");
    }
    let list: Vec<String> = errant
        .iter()
        .map(|(ordinal, set)| format!("{} ({})", report.facts.pod_name(*ordinal), set.summary(SHOWN)))
        .collect();
    let what = if report.facts.policy.reinit_errant {
        "they are made anew from the primary, one at a time, as spec.recovery.reinitErrant allows".to_string()
    } else {
        "they get no readers and cannot become the primary; save what is worth it, then set \
         spec.recovery.reinitErrant, or delete claim and pod of each"
            .to_string()
    };
    let message = format!("transactions that the primary does not have are on {}; {what}", list.join(", "));
    Condition::yes("Errant", "TransactionsOfTheirOwn", &message)
}

/// What stands in the way of a recovery.
pub fn recovery(report: &Report<'_>) -> Condition {
    let (facts, verdict) = (report.facts, report.verdict);
    let electing = verdict.next.operation.as_ref().is_some_and(|operation| operation.closes());
    let blocked = matches!(verdict.state, State::Lost | State::DataLost)
        || (verdict.next.primary.is_none() && verdict.state != State::Offline)
        || (electing
            && verdict.next.operation.as_ref().is_some_and(|o| facts.now.saturating_sub(o.started_at) > 10_000));
    if !blocked {
        return Condition::no("RecoveryBlocked", "NotNeeded", "nothing waits for a person or a missing server");
    }
    let reason = if verdict.state == State::Incomplete { "WaitingForServers" } else { verdict.state.name() };
    Condition::yes("RecoveryBlocked", reason, &message(report))
}

/// The version and settings of the pods.
pub fn upgrade(made: &Cluster<'_>, report: &Report<'_>) -> Condition {
    let facts = report.facts;
    match report.verdict.rollout.step {
        Step::Done => Condition::yes("UpToDate", "AllPods", "every pod has the wanted version and settings"),
        Step::Updating(ordinal) => {
            let message = format!("{} is being updated; the others follow one by one", facts.pod_name(ordinal));
            Condition::no("UpToDate", "Updating", &message)
        }
        Step::Waiting(ordinal) => {
            let message = if report.verdict.next.primary == Some(ordinal) {
                format!(
                    "{} is the primary and is updated last, once another server has taken over",
                    facts.pod_name(ordinal)
                )
            } else {
                format!("{} is next, once all others are in order", facts.pod_name(ordinal))
            };
            Condition::no("UpToDate", "Waiting", &message)
        }
        Step::Refused => {
            let runs: Vec<&str> = report.access.versions.values().map(String::as_str).collect();
            let wanted = SERIES.get(facts.policy.series).map_or("", |series| series.name);
            let message = format!(
                "the servers run {} and cannot go to {wanted}: an upgrade goes one series at a time and never back; \
                 set spec.version (now {}) to the series that they run",
                runs.join(", "),
                made.spec.version
            );
            Condition::no("UpToDate", "VersionRefused", &message)
        }
    }
}

fn primary_name(report: &Report<'_>) -> String {
    report.verdict.next.primary.map_or_else(|| "no server".to_string(), |ordinal| report.facts.pod_name(ordinal))
}

/// What the state means here and now.
pub fn message(report: &Report<'_>) -> String {
    let (facts, verdict) = (report.facts, report.verdict);
    let name = primary_name(report);
    let view = View::of(facts, &verdict.next);
    match verdict.state {
        State::Offline => "spec.offline is set: no server runs; the volumes stay".to_string(),
        State::Restoring => {
            format!("a backup is being restored (annotation {RESTORING}); no server takes writes until that has ended")
        }
        State::Healthy => format!("{name} takes writes and all other servers follow it"),
        State::Cloning | State::Degraded => {
            format!("{name} takes writes; {}", others(facts, &view, verdict.next.reseed.as_ref().map(|r| r.target)))
        }
        State::Failed => {
            format!("{name} cannot take writes; another server that has every acknowledged write takes over")
        }
        State::DataLost => data_lost(facts),
        State::Lost => lost(report, &view, &name),
        State::Incomplete => incomplete(report, &view, &name),
    }
}

/// What is not in order with the servers besides the primary.
fn others(facts: &Facts, view: &View<'_>, reseeding: Option<u32>) -> String {
    let mut parts = Vec::new();
    for ordinal in (0..facts.wanted).filter(|i| !view.is_primary(*i)) {
        let name = facts.pod_name(ordinal);
        let part = match facts.servers.get(&ordinal).map(|server| (&server.pod, &server.seen)) {
            _ if reseeding == Some(ordinal) => format!("{name} gets a copy of the primary's data"),
            Some((Some(pod), _)) if pod.deleting => format!("{name} is being replaced"),
            Some((_, Seen::Up(_))) if view.errant.contains_key(&ordinal) => {
                format!("{name} has transactions of its own (see condition Errant)")
            }
            Some((_, Seen::Up(server))) => match &server.channel {
                Some(channel) if channel.apply_error != 0 => format!(
                    "{name} cannot apply what it receives (error {}); delete its claim and its pod to make it anew",
                    channel.apply_error
                ),
                Some(channel) if channel.receive_error != 0 => {
                    format!("{name} does not receive (error {}); it is tried again", channel.receive_error)
                }
                _ if view.good_replica(ordinal).is_some() => continue,
                _ => format!("{name} is being attached"),
            },
            Some((Some(_), Seen::Silent { since, how })) => {
                format!("{name} {} since {}", silence(*how), time::format(*since))
            }
            Some((Some(_), Seen::Unknown)) => format!("{name} starts"),
            Some((None, _)) | None => format!("{name} has no pod yet"),
        };
        parts.push(part);
    }
    if parts.is_empty() { "the others are being brought in order".to_string() } else { parts.join("; ") }
}

fn silence(how: Silence) -> &'static str {
    match how {
        Silence::Refused => "refuses connections",
        Silence::Timeout => "does not answer",
        Silence::Closed => "lets nobody in",
    }
}

/// The cluster had data and no server has any.
fn data_lost(facts: &Facts) -> String {
    let uuid = facts.all_up().next().map(|(_, server)| server.uuid.clone()).unwrap_or_default();
    format!(
        "the cluster had data and all {} servers are empty; nothing is opened: bring the volumes back, or restore a backup \
         into a new resource; to give the data up and start empty, annotate the resource with {ALLOW_EMPTY}={uuid}",
        facts.wanted
    )
}

/// No server is known to have every acknowledged write.
fn lost(report: &Report<'_>, view: &View<'_>, name: &str) -> String {
    let (facts, next) = (report.facts, &report.verdict.next);
    let primary = next.primary.unwrap_or_default();
    let since =
        view.down_since(primary).map(|(since, _)| format!(" since {}", time::format(since))).unwrap_or_default();
    let what = if view.lost_data(primary) {
        format!("{name} lost its data")
    } else {
        format!("{name} does not answer{since}")
    };
    let heard: Vec<(u32, GtidSet)> = view.witnesses().map(|(ordinal, server)| (ordinal, server.has())).collect();
    let absent: Vec<String> = next
        .durability
        .members
        .iter()
        .filter(|i| **i != primary && !heard.iter().any(|(heard, _)| heard == *i))
        .map(|i| facts.pod_name(*i))
        .collect();
    let best = heard.iter().max_by_key(|(ordinal, set)| (set.transactions(), u32::MAX - ordinal));
    let Some((best, has)) = best else {
        return format!("{what}, and no replica can take its place; it is the primary again as soon as it is back");
    };
    let lacks = next.durability.barrier.subtract(has);
    let known = if lacks.is_empty() { String::new() } else { format!(", at least {}", lacks.summary(SHOWN)) };
    let who =
        if absent.is_empty() { format!("{name} has") } else { format!("{name} and {} have", absent.join(" and ")) };
    format!(
        "{what}, and there may be acknowledged writes that only {who}{known}; it goes on as soon as {name} or enough others are back; to accept their loss, annotate the resource with {UNSAFE_FAILOVER}={}",
        facts.pod_name(*best)
    )
}

/// On the way.
fn incomplete(report: &Report<'_>, view: &View<'_>, name: &str) -> String {
    let (facts, next) = (report.facts, &report.verdict.next);
    if let Some(operation) = &next.operation {
        return under_way(report, operation);
    }
    if next.primary.is_none() {
        let missing: Vec<String> = missing(view)
            .into_iter()
            .map(|(ordinal, since)| match since {
                0 => facts.pod_name(ordinal),
                since => format!("{} (since {})", facts.pod_name(ordinal), time::format(since)),
            })
            .collect();
        if missing.is_empty() {
            return "the servers answer; the primary is being chosen".to_string();
        }
        return format!("which server has the data is only known when all answer; waiting for {}", missing.join(", "));
    }
    let primary = next.primary.unwrap_or_default();
    match facts.servers.get(&primary).map(|server| &server.seen) {
        Some(Seen::Up(_)) if view.lost_data(primary) => {
            format!("the data of {name} is not what it was; it is not opened until it is known which server has all")
        }
        Some(Seen::Up(server)) if server.writable => format!(
            "writes on {name} wait for acknowledgements or for its disk; they go on when enough replicas follow it: {}",
            others(facts, view, next.reseed.as_ref().map(|reseed| reseed.target))
        ),
        Some(Seen::Up(_)) => format!("{name} is being opened for writes"),
        Some(Seen::Silent { since, how }) => format!(
            "{name} {} since {}; it is waited for{}",
            silence(*how),
            time::format(*since),
            if *how == Silence::Closed { ", and not replaced: it may be serving clients" } else { "" }
        ),
        Some(Seen::Unknown) | None => format!("{name} is being looked at"),
    }
}

/// What an operation does now.
fn under_way(report: &Report<'_>, operation: &Operation) -> String {
    let to = operation.target.map(|ordinal| report.facts.pod_name(ordinal));
    let to = to.as_deref().unwrap_or("the server that has most");
    let since = time::format(operation.started_at);
    let what = match operation.kind {
        Kind::Bootstrap => "the first primary is being set up and the others are copied from it".to_string(),
        Kind::Recovery => format!(
            "the primary is being found among servers that have data: {to}; where none has all, choose one with the annotation {UNSAFE_FAILOVER}"
        ),
        Kind::Switchover => format!("{to} takes over ({})", why(operation.cause)),
        Kind::Failover => format!("{to} takes over after a failure ({})", why(operation.cause)),
    };
    let hint = if operation.kind == Kind::Switchover {
        format!("; asked for with {SWITCHOVER} or by a change")
    } else {
        String::new()
    };
    format!("{what}; step {:?}, since {since}{hint}", operation.phase)
}
