//! Switchover: a live primary hands over to a replica, without losing or doubling anything. In: a view. Out: whether one
//! is due and to whom, and the next step of one under way:
//!
//! `Freeze` (the primary becomes read-only) → `CatchUp` (the target has all that the primary has) → the target in the
//! record → `Open`. One that takes too long is aborted: the primary is opened again.

use super::facts::Instance;
use super::record::{Cause, Kind, Operation, Phase, Record};
use super::says::Note;
use super::state::State;
use super::view::View;
use windlass_sdk::gtid::GtidSet;

/// Milliseconds that writes may be held up by a switchover before it is given up.
pub const LIMIT: u64 = 10_000;
/// Milliseconds after a switchover that was given up before the next is tried.
const PAUSE: u64 = 30_000;

/// Why another server should be the primary.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Why.
    pub cause: Cause,
    /// The server that should be; none for the best.
    pub to: Option<u32>,
}

/// Whether a switchover is due. `update`: the primary's pod is next to get a new template.
pub fn due(view: &View<'_>, update: bool) -> Option<Due> {
    let primary = view.record.primary?;
    if view.facts.pod(primary).is_some_and(|pod| pod.deleting) {
        return Some(Due { cause: Cause::PodDeleted, to: None });
    }
    if primary >= view.facts.wanted {
        return Some(Due { cause: Cause::ScaleDown, to: None });
    }
    let update = update.then_some(Due { cause: Cause::Update, to: None });
    if let Some(request) = &view.facts.requests.switchover
        && view.record.handled.switchover.as_ref() != Some(&request.text)
        && request.ordinal.is_none_or(|to| to != primary && to < view.facts.wanted)
    {
        let asked = Due { cause: Cause::Requested, to: request.ordinal };
        // A wish that cannot be fulfilled now does not hold up an update.
        return if candidate(view, &asked).is_some() { Some(asked) } else { update.or(Some(asked)) };
    }
    update
}

/// The replica that takes over: in good order and not behind; one that gives no number twice first, then one with the new
/// template where that is the reason, then the one that is least behind, then the lowest ordinal.
pub fn candidate(view: &View<'_>, due: &Due) -> Option<u32> {
    let primary = view.record.primary?;
    let fit = |i: &u32| {
        let Some(server) = view.good_replica(*i) else { return false };
        due.to.is_none_or(|to| to == *i) && !behind(view, server) && keeps_acks(view, due, primary, *i)
    };
    let lag = |i: u32| view.facts.up(i).and_then(|s| s.channel.as_ref()).and_then(|c| c.lag).unwrap_or_default();
    let old = |i: u32| view.facts.pod(i).is_none_or(|pod| !pod.updated);
    let key = |i: &u32| (view.repeats_numbers(*i), due.cause == Cause::Update && old(*i), lag(*i), *i);
    (0..view.facts.wanted).filter(fit).min_by_key(key)
}

/// It would have to catch up for longer than writes should wait.
fn behind(view: &View<'_>, server: &Instance) -> bool {
    let most = view.facts.policy.max_lag.unwrap_or(LIMIT).min(LIMIT);
    server.channel.as_ref().and_then(|channel| channel.lag).is_some_and(|lag| lag > most)
}

/// After the handover, writes still get their acknowledgements. Where the pod of the primary goes away whatever we do, it
/// is better to hand over all the same; with two servers it cannot be otherwise.
fn keeps_acks(view: &View<'_>, due: &Due, primary: u32, target: u32) -> bool {
    let stays = matches!(due.cause, Cause::Requested);
    let others = (0..view.facts.wanted)
        .filter(|i| *i != target && (stays || *i != primary) && (*i == primary || view.good_replica(*i).is_some()))
        .count();
    let possible = view.facts.wanted.saturating_sub(2);
    let needed = view.record.durability.acks.min(view.facts.target_acks()).min(possible);
    due.cause == Cause::PodDeleted || others >= needed as usize
}

/// Begins one where it is due and possible. Writes to `next` what changes.
pub fn begin(view: &View<'_>, state: State, due: &Due, next: &mut Record, notes: &mut Vec<Note>) {
    let ready = matches!(state, State::Healthy | State::Degraded)
        && view.record.operation.is_none()
        && view.facts.now >= view.record.hold_until;
    if !ready {
        return;
    }
    let Some(target) = candidate(view, due) else { return };
    let (from, to) = (view.facts.pod_name(view.record.primary.unwrap_or_default()), view.facts.pod_name(target));
    if due.cause == Cause::Requested {
        next.handled.switchover = view.facts.requests.switchover.as_ref().map(|request| request.text.clone());
    }
    next.operation = Some(Operation {
        kind: Kind::Switchover,
        phase: Phase::Freeze,
        target: Some(target),
        barrier: GtidSet::default(),
        started_at: view.facts.now,
        attempt: 1,
        cause: due.cause,
        committed: false,
    });
    notes.push(Note::normal("SwitchoverStarted", &format!("{to} takes over from {from}: {}", why(due.cause))));
}

/// One step.
pub fn step(view: &View<'_>, operation: &Operation, next: &mut Record, notes: &mut Vec<Note>) {
    let Some(target) = operation.target else { return abort(view, "no server was chosen", next, notes) };
    if view.facts.now.saturating_sub(operation.started_at) >= LIMIT {
        return abort(view, "it took too long", next, notes);
    }
    let fit = view.sound(target).is_some() && view.facts.pod(target).is_some_and(|pod| !pod.deleting);
    if !fit && !matches!(view.facts.servers.get(&target).map(|s| &s.seen), Some(super::facts::Seen::Unknown)) {
        return abort(view, "the server that was to take over is not fit for it any more", next, notes);
    }
    let (Some((_, primary)), Some(server)) = (view.primary(), view.facts.up(target)) else { return };
    match operation.phase {
        Phase::Freeze if primary.super_read_only && primary.waiting == 0 => {
            let barrier = primary.executed.clone();
            next.operation = Some(Operation { phase: Phase::CatchUp, barrier, ..operation.clone() });
        }
        // Frozen still, and what it had when it froze is all there is.
        Phase::CatchUp if primary.super_read_only && operation.barrier.contains(&primary.executed) => {
            if !server.executed.contains(&operation.barrier) {
                return;
            }
            let name = view.facts.pod_name(target);
            next.crown(target, &server.executed);
            next.durability.barrier = next.durability.barrier.union(&server.executed);
            next.operation = Some(Operation { phase: Phase::Open, ..operation.clone() });
            notes.push(Note::normal("SwitchoverCommitted", &format!("{name} is the new primary")));
        }
        Phase::CatchUp if primary.super_read_only => {
            let barrier = primary.executed.clone();
            next.operation = Some(Operation { barrier, ..operation.clone() });
        }
        Phase::CatchUp => next.operation = Some(Operation { phase: Phase::Freeze, ..operation.clone() }),
        _ => {}
    }
}

/// Gives it up: the primary is opened again by the next pass.
fn abort(view: &View<'_>, why: &str, next: &mut Record, notes: &mut Vec<Note>) {
    next.operation = None;
    // Not carried out, so it stays asked for.
    next.handled.switchover = view
        .record
        .handled
        .switchover
        .clone()
        .filter(|_| view.record.operation.as_ref().is_none_or(|operation| operation.cause != Cause::Requested));
    next.hold_until = view.facts.now.saturating_add(PAUSE);
    let seconds = PAUSE / 1000;
    notes.push(Note::warning(
        "SwitchoverAborted",
        &format!("{why}; the primary stays, and takes writes again; if it is still wanted, the switchover is tried again in {seconds} s"),
    ));
}

/// Why, for people.
pub fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::New => "the cluster is new",
        Cause::PrimaryUnknown => "it is not known which server was the primary",
        Cause::Requested => "the resource's annotation asks for it",
        Cause::PodDeleted => "the pod of the primary is being deleted",
        Cause::ScaleDown => "the primary is not among the servers that are still wanted",
        Cause::Update => "the pod of the primary is to be updated",
        Cause::PrimaryDown => "the primary does not answer",
        Cause::PrimaryStalled => "the primary answers but its commits do not get on",
        Cause::DataLost => "the data directory of the primary is empty",
        Cause::Unsafe => "the resource's annotation accepts that acknowledged writes may be missing",
    }
}
