//! The policy of a cluster, in plain data: what is the case, what is done about it, and what is written down for the next
//! pass. In: [`facts::Facts`] and the [`record::Record`] of the passes before. Out: a [`Verdict`]. No JSON, no I/O, and no
//! clock but that of the facts; the same input gives the same output.
//!
//! Three rules hold everywhere. What is done to servers follows the record that was observed, never the one being
//! written, so that a choice is in the status before anything is done about it. Nothing is concluded from a server about
//! which nothing is known. And no acknowledged write is given up without the user's word.

pub mod begin;
pub mod durability;
pub mod facts;
pub mod failover;
pub mod record;
pub mod reseed;
pub mod roles;
pub mod rollout;
pub mod says;
pub mod state;
pub mod switchover;
pub mod view;
pub mod wish;

use facts::{Facts, Request};
use record::{Cause, Kind, Operation, Phase, Record};
use roles::Role;
use rollout::Rollout;
use says::Note;
use state::State;
use std::collections::BTreeMap;
use switchover::Due;
use view::View;
use windlass_sdk::gtid::GtidSet;
use wish::Wish;

/// What follows from one look at a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What is the case.
    pub state: State,
    /// What is written down for the next pass.
    pub next: Record,
    /// How each server with an address should be, by ordinal.
    pub wishes: BTreeMap<u32, Wish>,
    /// Which clients each pod gets, by ordinal. Missing: left as it is.
    pub roles: BTreeMap<u32, Role>,
    /// What the StatefulSet should be told.
    pub rollout: Rollout,
    /// A switchover that is due and has not begun.
    pub due: Option<Due>,
    /// Transactions that only these servers have, by ordinal.
    pub errant: BTreeMap<u32, GtidSet>,
    /// What is told once.
    pub notes: Vec<Note>,
}

/// Judges.
pub fn judge(facts: &Facts, record: &Record) -> Verdict {
    let view = View::of(facts, record);
    let state = state::state(&view);
    let mut next = record.clone();
    let mut notes = Vec::new();
    keep_books(&view, &mut next);
    next.durability = durability::next(&view);
    let rollout = rollout::rollout(&view, state);
    let due = switchover::due(&view, rollout.primary_next);
    operate(&view, state, due.as_ref(), &mut next, &mut notes);
    reseed::step(&view, state, &mut next, &mut notes);
    let due = due.filter(|_| next.operation.is_none());
    let wishes = wish::wishes(&view, state);
    let roles = roles::roles(&view, state);
    Verdict { state, next, wishes, roles, rollout, due, errant: view.errant, notes }
}

/// What is noted in every pass.
fn keep_books(view: &View<'_>, next: &mut Record) {
    let facts = view.facts;
    let missing = |i: u32| facts.pod(i).is_none_or(|pod| !pod.addressed);
    next.missing_since.retain(|i, _| missing(*i) && (*i < facts.wanted || view.is_primary(*i)));
    for ordinal in (0..facts.wanted).chain(view.record.primary).filter(|i| missing(*i)) {
        next.missing_since.entry(ordinal).or_insert(facts.now);
    }
    next.errant = view.errant.clone();
    next.suspect = view.suspect.clone();
    // A request that is gone may be made again.
    let Requests { switchover, unsafe_failover, allow_empty: _ } = &facts.requests;
    let still = |handled: &mut Option<String>, request: &Option<Request>| {
        handled.take_if(|text| request.as_ref().is_none_or(|request| request.text != *text));
    };
    still(&mut next.handled.switchover, switchover);
    still(&mut next.handled.unsafe_failover, unsafe_failover);
    if let Some((_, primary)) = view.primary()
        && !primary.executed.is_empty()
        && primary.accounts
    {
        next.initialized = true;
    }
}

use facts::Requests;

/// The next step of the operation under way, or the beginning of one.
fn operate(view: &View<'_>, state: State, due: Option<&Due>, next: &mut Record, notes: &mut Vec<Note>) {
    match state {
        State::Offline | State::Restoring => {
            next.operation = None;
            return;
        }
        State::DataLost => {
            begin::start_empty(view, next, notes);
            return;
        }
        State::Healthy | State::Cloning | State::Degraded | State::Failed | State::Lost | State::Incomplete => {}
    }
    if unsafe_failover(view, state, next, notes) {
        return;
    }
    match &view.record.operation {
        Some(operation) if operation.closes() => match operation.kind {
            Kind::Switchover if state == State::Failed => fail_over(view, next, notes),
            Kind::Switchover => switchover::step(view, operation, next, notes),
            Kind::Failover | Kind::Recovery | Kind::Bootstrap => failover::step(view, operation, next, notes),
        },
        _ if view.record.primary.is_none() => begin::step(view, next, notes),
        _ if state == State::Failed => fail_over(view, next, notes),
        Some(operation) if view.astray() => failover::back_to_fence(view, operation, next, notes),
        Some(operation) => finish(view, operation, next, notes),
        None => {
            if let Some(due) = due {
                switchover::begin(view, state, due, next, notes);
            }
        }
    }
}

/// Begins a failover.
fn fail_over(view: &View<'_>, next: &mut Record, notes: &mut Vec<Note>) {
    let Some(primary) = view.record.primary else { return };
    let cause = if view.lost_data(primary) {
        Cause::DataLost
    } else if view.gone(primary) {
        Cause::PrimaryDown
    } else {
        Cause::PrimaryStalled
    };
    let name = view.facts.pod_name(primary);
    notes.push(Note::warning("FailoverStarted", &format!("{name} is replaced: {}", switchover::why(cause))));
    next.operation = Some(failover::begin(view, cause));
}

/// Begins a failover that the user asked for, where nothing safe is possible. True where it did.
fn unsafe_failover(view: &View<'_>, state: State, next: &mut Record, notes: &mut Vec<Note>) -> bool {
    let Some(Request { text, ordinal: Some(target) }) = &view.facts.requests.unsafe_failover else { return false };
    let recovering = view.record.operation.as_ref().is_some_and(|o| o.kind == Kind::Recovery && o.closes());
    let stuck = state == State::Lost || (view.record.primary.is_none() && recovering) || unproven(view);
    let done = view.record.handled.unsafe_failover.as_ref() == Some(text);
    let fit = view.facts.up(*target).is_some_and(|server| !server.has().is_empty() && !server.torn());
    if !stuck || done || !fit || view.is_primary(*target) {
        return false;
    }
    let kind = if view.record.primary.is_none() { Kind::Recovery } else { Kind::Failover };
    next.operation = Some(Operation { kind, ..failover::begin_unsafe(view, *target) });
    next.handled.unsafe_failover = Some(text.clone());
    let name = view.facts.pod_name(*target);
    let message =
        format!("{name} becomes the primary, as the annotation allows, though acknowledged writes may be missing");
    notes.push(Note::warning("UnsafeFailover", &message));
    true
}

/// A failover that began when it was safe, and now finds too few servers.
fn unproven(view: &View<'_>) -> bool {
    let fencing = view.record.operation.as_ref().is_some_and(|operation| {
        operation.kind == Kind::Failover && operation.cause != Cause::Unsafe && operation.closes()
    });
    fencing && !view.provable()
}

/// The primary of the record is to be opened, or to get its replicas. The operation ends when that is seen.
fn finish(view: &View<'_>, operation: &Operation, next: &mut Record, notes: &mut Vec<Note>) {
    let Some((primary, server)) = view.primary() else { return };
    if !server.writable {
        return;
    }
    let name = view.facts.pod_name(primary);
    let took = view.facts.now.saturating_sub(operation.started_at);
    match (operation.kind, operation.phase) {
        (Kind::Bootstrap | Kind::Recovery, Phase::Open) if next.initialized => {
            next.operation = Some(Operation { phase: Phase::Attach, ..operation.clone() });
        }
        (Kind::Bootstrap | Kind::Recovery, Phase::Attach) if next.durability.acks >= view.facts.target_acks() => {
            next.operation = None;
            let acks = next.durability.acks;
            notes.push(Note::normal(
                "Bootstrapped",
                &format!("{name} takes writes; each waits for {acks} of the other servers"),
            ));
        }
        (Kind::Failover, _) => {
            next.operation = None;
            notes.push(Note::normal("FailedOver", &format!("{name} takes writes, {took} ms after the failover began")));
        }
        (Kind::Switchover, _) => {
            next.operation = None;
            notes.push(Note::normal(
                "SwitchedOver",
                &format!("{name} takes writes, {took} ms after the switchover began"),
            ));
        }
        _ => {}
    }
}
