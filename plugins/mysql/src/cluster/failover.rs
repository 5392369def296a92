//! Failover: a lost primary is replaced by the server that has most, and recovery: the same where no primary is known.
//! In: a view and the operation. Out: the operation's next step. One small step a pass:
//!
//! `Fence` (replicas stop to receive, so the old primary gets no more acknowledgements, wherever it is) → `Elect` (what
//! they have cannot change any more: take the one that has all that the others have) → `Drain` (it applies what it has
//! received) → the primary in the record → `Open`.

use super::facts::Instance;
use super::record::{Cause, Kind, Operation, Phase, Record};
use super::says::Note;
use super::view::View;
use windlass_sdk::gtid::GtidSet;

/// Milliseconds after which a failover that finds too few servers is given up when the primary is back.
const PATIENCE: u64 = 10_000;

/// A failover from its beginning.
pub fn begin(view: &View<'_>, cause: Cause) -> Operation {
    Operation {
        kind: Kind::Failover,
        phase: Phase::Fence,
        target: None,
        barrier: GtidSet::default(),
        started_at: view.facts.now,
        attempt: 1,
        cause,
        committed: false,
    }
}

/// A failover onto the server that the user named, though acknowledged writes may be missing on it.
pub fn begin_unsafe(view: &View<'_>, target: u32) -> Operation {
    Operation { target: Some(target), ..begin(view, Cause::Unsafe) }
}

/// One step. Writes to `next` what changes.
pub fn step(view: &View<'_>, operation: &Operation, next: &mut Record, notes: &mut Vec<Note>) {
    let again = |next: &mut Record| {
        let target = operation.target.filter(|_| operation.cause == Cause::Unsafe);
        let attempt = operation.attempt.saturating_add(1);
        next.operation = Some(Operation { phase: Phase::Fence, attempt, target, ..operation.clone() });
    };
    match operation.phase {
        Phase::Fence | Phase::Elect => {
            let enough = match (operation.kind, operation.cause) {
                (_, Cause::Unsafe) => {
                    operation.target.is_some_and(|target| view.facts.up(target).is_some_and(Instance::fenced))
                }
                // Nothing tells how many would do, so all are asked.
                (Kind::Recovery, _) => (0..view.facts.wanted)
                    .all(|i| view.facts.up(i).is_some_and(|server| server.fenced() && server.super_read_only)),
                _ => view.witnesses().all(|(_, server)| server.fenced()) && view.provable(),
            };
            if !enough {
                give_up(view, operation, next, notes);
                // A server that was heard and is not any more may have been the one that counts: fence anew.
                if operation.phase == Phase::Elect && next.operation.is_some() {
                    again(next);
                }
            } else if operation.phase == Phase::Fence {
                // What they have is looked at once more when none of them receives: the look above may be older.
                next.operation = Some(Operation { phase: Phase::Elect, ..operation.clone() });
            } else {
                elect(view, operation, next, notes);
            }
        }
        Phase::Drain => {
            let Some(target) = operation.target else { return again(next) };
            match view.facts.up(target) {
                Some(server) if server.executed.contains(&operation.barrier) && !server.torn() => {
                    commit(view, operation, target, next, notes);
                }
                Some(_) => {}
                None if view.gone(target) => again(next),
                None => {}
            }
        }
        Phase::Open | Phase::Attach | Phase::Freeze | Phase::CatchUp => {}
    }
}

/// The primary is back and its replicas are too few to replace it: it stays the primary.
fn give_up(view: &View<'_>, operation: &Operation, next: &mut Record, notes: &mut Vec<Note>) {
    let waited = view.facts.now.saturating_sub(operation.started_at) >= PATIENCE;
    let back = view.primary().is_some_and(|(primary, server)| {
        !view.lost_data(primary) && (!server.writable || server.stalled_since.is_none())
    });
    // One that was chosen and not opened has nothing to go back to.
    if waited && back && operation.kind == Kind::Failover && !operation.committed {
        next.operation = None;
        let name = view.facts.pod_name(view.record.primary.unwrap_or_default());
        notes.push(Note::warning(
            "FailoverAborted",
            &format!("{name} is back and too few replicas can be reached to replace it; it stays the primary"),
        ));
    }
}

/// Chooses the server that has all that the others have.
fn elect(view: &View<'_>, operation: &Operation, next: &mut Record, notes: &mut Vec<Note>) {
    let named = operation.target.filter(|_| operation.cause == Cause::Unsafe);
    let chosen = match named {
        Some(named) => view.facts.up(named).map(|server| (named, server.has())),
        None if operation.kind == Kind::Recovery => best(view, with_data(view)),
        None => best(view, view.witnesses()).filter(|(_, has)| has.contains(&view.record.durability.barrier)),
    };
    let Some((target, barrier)) = chosen else { return };
    let name = view.facts.pod_name(target);
    notes.push(Note::normal("FailoverElected", &format!("{name} has every write that any replica has; it takes over")));
    next.operation = Some(Operation { phase: Phase::Drain, target: Some(target), barrier, ..operation.clone() });
}

/// Servers with data that can be trusted. One that was being copied into had nothing that its donor has not.
pub fn with_data<'a>(view: &View<'a>) -> impl Iterator<Item = (u32, &'a Instance)> {
    view.facts.all_up().filter(|(_, server)| !server.has().is_empty() && !server.torn())
}

/// The server that has all that the others have, and what that is. Among equals one that gives no number twice, then one
/// that stays, then the one with least left to apply, then the lowest ordinal. None where no server has all.
pub fn best<'a>(view: &View<'_>, servers: impl Iterator<Item = (u32, &'a Instance)>) -> Option<(u32, GtidSet)> {
    let servers: Vec<(u32, &Instance, GtidSet)> = servers.map(|(i, server)| (i, server, server.has())).collect();
    let all = servers.iter().fold(GtidSet::default(), |all, (_, _, has)| all.union(has));
    servers
        .iter()
        .filter(|(_, _, has)| *has == all)
        .min_by_key(|(i, server, has)| {
            let leaves = *i >= view.facts.wanted || view.facts.pod(*i).is_none_or(|pod| pod.deleting);
            (view.repeats_numbers(*i), leaves, has.subtract(&server.executed).transactions(), *i)
        })
        .map(|(i, _, has)| (*i, has.clone()))
}

/// The chosen server is not open yet, and a server receives from another one again, which may have had acknowledgements
/// from it since: all are fenced and looked at anew, the chosen one among them.
pub fn back_to_fence(view: &View<'_>, operation: &Operation, next: &mut Record, notes: &mut Vec<Note>) {
    let recovery = operation.kind == Kind::Bootstrap;
    let name = view.facts.pod_name(view.record.primary.unwrap_or_default());
    if recovery {
        next.primary = None;
    }
    next.operation = Some(Operation {
        kind: if recovery { Kind::Recovery } else { operation.kind },
        phase: Phase::Fence,
        target: None,
        barrier: GtidSet::default(),
        attempt: operation.attempt.saturating_add(1),
        committed: !recovery,
        ..operation.clone()
    });
    notes.push(Note::warning(
        "FailoverRepeated",
        &format!("{name} is not opened yet: a server receives from another one again; the choice is made anew"),
    ));
}

/// Writes down the new primary. It is opened by a later pass, which sees this.
fn commit(view: &View<'_>, operation: &Operation, target: u32, next: &mut Record, notes: &mut Vec<Note>) {
    let name = view.facts.pod_name(target);
    next.crown(target, &view.facts.up(target).map(|server| server.executed.clone()).unwrap_or_default());
    next.initialized = true;
    if operation.cause == Cause::PrimaryStalled {
        next.last_stall = view.facts.now;
    }
    next.durability.members.insert(target);
    match operation.kind {
        Kind::Recovery => {
            // Nothing is known of earlier promises: a later primary must have all that this one has.
            next.durability.acks = 0;
            next.durability.members = [target].into();
            next.durability.barrier = operation.barrier.clone();
            let kind = Kind::Bootstrap;
            next.operation = Some(Operation { kind, phase: Phase::Open, committed: true, ..operation.clone() });
            notes.push(Note::normal(
                "PrimaryFound",
                &format!("{name} has all data that was found; it becomes the primary"),
            ));
        }
        Kind::Failover | Kind::Bootstrap | Kind::Switchover => {
            // Servers that were not heard may have to give up what they received. All that counts is on the new primary,
            // and is asked of the next one.
            next.durability.barrier = match operation.cause {
                Cause::Unsafe => operation.barrier.clone(),
                _ => next.durability.barrier.union(&operation.barrier),
            };
            next.operation = Some(Operation { phase: Phase::Open, committed: true, ..operation.clone() });
            notes.push(Note::normal("FailoverCommitted", &format!("{name} is the new primary")));
        }
    }
}
