//! Servers that are made anew from the primary: empty ones, ones that the primary's binary logs no longer reach, and, when
//! the user allows it, ones with transactions of their own. In: a view. Out: the next record of it. One at a time: a
//! primary hands out one copy at once, and a second server that is away costs a majority its safety.

use super::facts::Copy;
use super::record::{Record, Reseed};
use super::says::Note;
use super::state::State;
use super::view::{Need, View};
use windlass_sdk::gtid::GtidSet;

/// Milliseconds that a copy that was asked for may take to show itself.
const GRACE: u64 = 5_000;
/// Milliseconds that a server may be away before another is made anew in its place.
const AWAY: u64 = 60_000;
/// Most milliseconds between attempts.
const LONGEST_PAUSE: u64 = 300_000;
/// Most bytes of a GTID set in a text for people.
const SHOWN: usize = 200;

/// One step.
pub fn step(view: &View<'_>, state: State, next: &mut Record, notes: &mut Vec<Note>) {
    match &view.record.reseed {
        Some(reseed) => go_on(view, reseed, next, notes),
        // Also while commits do not get on: what they wait for may be the server that is to be made anew.
        None if next.operation.as_ref().is_none_or(|operation| !operation.closes()) => match state {
            State::Healthy | State::Cloning | State::Degraded | State::Incomplete => begin(view, next, notes),
            State::Offline | State::Restoring | State::DataLost | State::Failed | State::Lost => {}
        },
        None => {}
    }
}

/// One that is under way.
fn go_on(view: &View<'_>, reseed: &Reseed, next: &mut Record, notes: &mut Vec<Note>) {
    let target = reseed.target;
    if view.is_primary(target) || target >= view.facts.wanted {
        next.reseed = None;
        return;
    }
    let Some(server) = view.facts.up(target) else {
        let away = view.down_since(target).is_some_and(|(since, _)| view.facts.now.saturating_sub(since) >= AWAY);
        if away {
            next.reseed = None;
        }
        return;
    };
    if view.primary().is_none() {
        return;
    }
    match view.needs_reseed(target) {
        None => {
            let name = view.facts.pod_name(target);
            notes.push(Note::normal("ReseedDone", &format!("{name} has the primary's data")));
            next.reseed = None;
        }
        // What it may have of its own is exactly what was agreed to, and it has something else.
        Some(Need::Errant(_))
            if reseed.errant != view.facts.policy.reinit_errant
                || reseed.contained_in != server.has() && server.copy != Some(Copy::Running) =>
        {
            next.reseed = None;
        }
        // It has more than when this was begun (the copy is there, and is too old by now): begun anew.
        Some(_) if server.copy != Some(Copy::Running) && !reseed.contained_in.contains(&server.has()) => {
            next.reseed = None;
        }
        Some(_)
            if server.copy == Some(Copy::Failed)
                && view.facts.now >= reseed.not_before.max(reseed.started_at).saturating_add(GRACE) =>
        {
            let pause = 5_000u64.saturating_mul(1 << reseed.attempt.min(10)).min(LONGEST_PAUSE);
            let (name, seconds) = (view.facts.pod_name(target), pause / 1000);
            notes.push(Note::warning(
                "ReseedFailed",
                &format!("copying the primary's data into {name} failed; it is tried again in {seconds} s"),
            ));
            next.reseed = Some(Reseed {
                attempt: reseed.attempt.saturating_add(1),
                not_before: view.facts.now.saturating_add(pause),
                ..reseed.clone()
            });
        }
        Some(_) => {}
    }
}

/// Chooses the next one.
fn begin(view: &View<'_>, next: &mut Record, notes: &mut Vec<Note>) {
    let Some((primary, source)) = view.primary() else { return };
    if !source.writable || !source.accounts || view.lost_data(primary) {
        return;
    }
    let present = |i: &u32| view.facts.pod(*i).is_some_and(|pod| !pod.deleting);
    let needs: Vec<(u32, Need)> =
        (0..view.facts.wanted).filter(present).filter_map(|i| Some((i, view.needs_reseed(i)?))).collect();
    let plain = needs.iter().find(|(_, need)| !matches!(need, Need::Errant(_)));
    let errant = needs.iter().find(|_| view.facts.policy.reinit_errant && view.record.operation.is_none());
    let Some((target, need)) = plain.or(errant) else { return };
    let Some(server) = view.facts.up(*target) else { return };
    let (name, from) = (view.facts.pod_name(*target), view.facts.pod_name(primary));
    let (contained_in, note) = match need {
        Need::Empty => (
            if server.has().is_empty() { GtidSet::default() } else { source.executed.clone() },
            Note::normal("Reseeding", &format!("{name} has no data; it gets a copy of that of {from}")),
        ),
        Need::Purged => (
            source.executed.clone(),
            Note::normal(
                "Reseeding",
                &format!(
                    "{from} no longer has the binary logs that {name} needs; it gets a copy of the data of {from}"
                ),
            ),
        ),
        Need::Errant(surplus) => (
            server.has(),
            Note::warning(
                "ReseedingErrant",
                &format!(
                    "{name} is made anew from {from}, as spec.recovery.reinitErrant allows; transactions that only it had are given up: {}",
                    surplus.summary(SHOWN)
                ),
            ),
        ),
    };
    notes.push(note);
    next.reseed = Some(Reseed {
        target: *target,
        contained_in,
        started_at: view.facts.now,
        attempt: 1,
        not_before: view.facts.now,
        errant: matches!(need, Need::Errant(_)),
    });
}
