//! The beginning: no primary is known. In: a view. Out: the first record. A new cluster opens its first server; one whose
//! volumes were kept, or whose status was lost, finds the server that has all data. What must not happen is that a new
//! cluster is begun on top of an old one, so every wanted server is asked before anything is decided.

use super::failover::with_data;
use super::record::{Cause, Durability, Kind, Operation, Phase, Record};
use super::says::Note;
use super::view::View;
use windlass_sdk::gtid::GtidSet;

/// One step.
pub fn step(view: &View<'_>, next: &mut Record, notes: &mut Vec<Note>) {
    let facts = view.facts;
    let all_answer = facts.wanted > 0 && (0..facts.wanted).all(|i| facts.up(i).is_some());
    if !all_answer {
        return;
    }
    let operation = |kind: Kind, phase: Phase, cause: Cause| Operation {
        kind,
        phase,
        target: None,
        barrier: GtidSet::default(),
        started_at: facts.now,
        attempt: 1,
        cause,
        committed: false,
    };
    let writable: Vec<u32> = facts.all_up().filter(|(_, server)| server.writable).map(|(i, _)| i).collect();
    if with_data(view).next().is_none() {
        // The data was there once, and nobody has it: that is not for us to begin anew.
        if view.record.initialized || facts.all_up().any(|(_, server)| server.torn()) {
            return;
        }
        next.primary = Some(0);
        next.durability = Durability { members: [0].into(), ..Durability::default() };
        next.operation = Some(operation(Kind::Bootstrap, Phase::Open, Cause::New));
        let name = facts.pod_name(0);
        notes.push(Note::normal("Bootstrapping", &format!("all servers are new; {name} becomes the first primary")));
    } else if let [only] = writable[..] {
        adopt(view, only, next, notes, operation(Kind::Bootstrap, Phase::Open, Cause::PrimaryUnknown));
    } else {
        next.operation = Some(operation(Kind::Recovery, Phase::Fence, Cause::PrimaryUnknown));
        let message =
            "the servers have data and it is not known which was the primary; the one that has all becomes it";
        notes.push(Note::normal("Recovering", message));
    }
}

/// The status was lost while the cluster ran: the only server that takes writes is the primary.
fn adopt(view: &View<'_>, primary: u32, next: &mut Record, notes: &mut Vec<Note>, operation: Operation) {
    next.primary = Some(primary);
    next.initialized = true;
    next.durability = Durability { members: [primary].into(), ..Durability::default() };
    next.operation = Some(operation);
    let name = view.facts.pod_name(primary);
    notes
        .push(Note::normal("PrimaryFound", &format!("{name} is the only server that takes writes; it is the primary")));
}

/// The cluster had data, no server has any, and the user wants this one to start empty.
pub fn start_empty(view: &View<'_>, next: &mut Record, notes: &mut Vec<Note>) {
    let Some(uuid) = &view.facts.requests.allow_empty else { return };
    let named = view.facts.all_up().find(|(i, server)| {
        server.uuid == *uuid && *i < view.facts.wanted && server.executed.is_empty() && !server.torn()
    });
    let Some((primary, _)) = named else { return };
    *next = Record {
        primary: Some(primary),
        durability: Durability { members: [primary].into(), ..Durability::default() },
        operation: Some(Operation {
            kind: Kind::Bootstrap,
            phase: Phase::Open,
            target: None,
            barrier: GtidSet::default(),
            started_at: view.facts.now,
            attempt: 1,
            cause: Cause::New,
            committed: false,
        }),
        handled: next.handled.clone(),
        ..Record::default()
    };
    let name = view.facts.pod_name(primary);
    notes.push(Note::warning(
        "StartedEmpty",
        &format!("{name} starts empty, as its annotation allows: earlier data is gone"),
    ));
}
