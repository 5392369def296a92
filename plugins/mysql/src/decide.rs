//! The decision: from one snapshot to everything that should exist and be said. Pure. The facts are taken from the
//! snapshot, the core judges, and its verdict becomes items, status, conditions and events.

use crate::build::server::Wires;
use crate::build::statefulset::Pods;
use crate::build::{self, Cluster, mycnf, overlay, server};
use crate::cluster::state::State;
use crate::cluster::{self, Verdict, facts::Facts, rollout::Step};
use crate::name::{Names, REPLICATION, ROOT};
use crate::observe::{self, Access};
use crate::spec::MysqlSpec;
use crate::status::{self, MysqlStatus, Progress, condition};
use crate::validate;
use windlass_sdk::{Condition, Decision, Event, Fault, Snapshot};

/// Milliseconds until the next look at a cluster in which something is under way.
const BUSY: u64 = 250;
/// Milliseconds until the next look at one in which nothing is.
const CALM: u64 = 1_000;

/// Decides.
///
/// # Errors
/// [`Fault::Invalid`] for a spec that is wrong, and what [`observe::pods`] returns.
pub fn decide(snapshot: &Snapshot<MysqlSpec, MysqlStatus>) -> Result<Decision, Fault> {
    let resource = &snapshot.resource;
    if snapshot.deleting {
        return Ok(leave(&resource.status));
    }
    let errors = validate::spec(&resource.spec);
    if !errors.is_empty() {
        return Err(Fault::Invalid(errors));
    }
    let names = Names::of(&resource.metadata.name);
    let seen = observe::pods(&names, snapshot)?;
    let mycnf = mycnf::build(&resource.spec);
    let cluster = Cluster { metadata: &resource.metadata, spec: &resource.spec, names: &names, mycnf: &mycnf };
    let live = status::live_stateful_set(snapshot);
    let pods = Pods::of(&cluster);
    let (facts, access) = observe::facts(&names, snapshot, &seen, &pods.hash, live.as_ref());
    let record = resource.status.record(&names);
    let mut verdict = cluster::judge(&facts, &record);
    verdict.next.as_root = as_root(&facts, &access, &record.as_root, record.initialized);
    let progress = Progress::of(&cluster, &pods, live.as_ref(), &facts, &verdict);
    let rotating = rotating(&cluster, &facts, &access, &verdict, snapshot);
    let wires = Wires {
        access: &access,
        rotating: rotating.under_way,
        old_replication: rotating.under_way && !rotating.primary_has_new,
    };
    let report = status::Report { facts: &facts, verdict: &verdict, progress: &progress, access: &access, rotating };
    let status = status::build(&cluster, &report, snapshot);
    let pods_kept = verdict.rollout.replicas.max(facts.set.as_ref().map_or(0, |set| set.replicas));
    let decision = Decision::new(&status)
        .items(build::items(&cluster, pods, live.as_ref(), &verdict.rollout))
        .items(server::items(&cluster, &verdict, &wires, snapshot))
        .items(overlay::roles(&cluster, &verdict.roles))
        .items(overlay::claims(&cluster, live.as_ref(), pods_kept))
        .conditions(condition::conditions(&cluster, &report, live.as_ref(), snapshot))
        .events(condition::events(&cluster, &report, &resource.status))
        .events(verdict.notes.iter().map(|note| {
            if note.warning {
                Event::warning(note.reason, &note.message)
            } else {
                Event::normal(note.reason, &note.message)
            }
        }))
        .wake(snapshot.now.saturating_add(if busy(&verdict, report.rotating) { BUSY } else { CALM }));
    windlass_sdk::discard(live);
    Ok(decision)
}

/// Something is under way that the next look may bring further.
fn busy(verdict: &Verdict, rotating: status::Rotation) -> bool {
    !matches!(verdict.state, State::Healthy | State::Offline)
        || verdict.rollout.step != Step::Done
        || verdict.due.is_some()
        || rotating.under_way
}

/// Servers that are logged in to as root: those on which an account is not as it should be, the operator's own perhaps,
/// which may not mend it. One that refuses a login is tried with the other account.
fn as_root(
    facts: &Facts,
    access: &Access,
    before: &std::collections::BTreeSet<u32>,
    initialized: bool,
) -> std::collections::BTreeSet<u32> {
    facts
        .servers
        .keys()
        .copied()
        .filter(|ordinal| {
            let was = before.contains(ordinal);
            if access.denied.contains(ordinal) {
                !was
            } else if access.admitted.contains(ordinal) {
                false
            } else {
                access.incomplete.contains(ordinal) || was || !initialized
            }
        })
        .collect()
}

/// How far a change of passwords is: begun when another generation is wanted, ended when every server is as wished with
/// the new ones, so that nothing uses the old ones any more.
fn rotating(
    cluster: &Cluster<'_>,
    facts: &Facts,
    access: &Access,
    verdict: &Verdict,
    snapshot: &Snapshot<MysqlSpec, MysqlStatus>,
) -> status::Rotation {
    let wanted = cluster.spec.credentials.generation;
    let settled = snapshot.resource.status.credentials_generation;
    // Before there are accounts there is nothing to change.
    if !verdict.next.initialized || settled == Some(wanted) {
        return status::Rotation { under_way: false, primary_has_new: true, settled: wanted };
    }
    let new = wanted.saturating_add(1);
    let made = crate::name::ACCOUNTS
        .iter()
        .filter(|account| **account != ROOT)
        .all(|account| snapshot.secret(&format!("secret/{}", account.id)).map(|facts| facts.generation) == Some(new));
    let noted = snapshot.resource.status.credentials_changing_to == Some(wanted);
    let primary_has_new = !made
        || verdict.next.primary.is_some_and(|primary| {
            let secret = cluster.names.secret(REPLICATION);
            snapshot
                .mysql(&observe::server_id(primary))
                .facts()
                .is_some_and(|facts| facts.accounts.iter().any(|account| account == secret))
        });
    let all = (0..facts.wanted).all(|i| access.admitted.contains(&i) && snapshot.is_ready(&observe::server_id(i)));
    // What servers are judged by is the last pass's wish, which must have been the new one.
    let ended = settled.is_none() || (made && noted && primary_has_new && all && verdict.state == State::Healthy);
    let settled = if ended { wanted } else { settled.unwrap_or_default() };
    status::Rotation { under_way: !ended, primary_has_new, settled }
}

/// While the resource is deleted nothing needs to stay: the host takes the objects away in reverse order, the Backup and
/// the budget first, then the StatefulSet, then what its pods use.
fn leave(status: &MysqlStatus) -> Decision {
    let message = "the servers are being removed; volumes follow spec.storage.whenDeleted";
    Decision::new(status).condition(Condition::no("Ready", "Deleting", message)).condition(Condition::yes(
        "Progressing",
        "Deleting",
        message,
    ))
}
