//! Where a server gets its data from. In: the wanted source, or none, and what was seen. Out: how to get there without
//! losing anything that was received.

use super::{Change, Course, Seen, Sets, Waits, permit};
use crate::decision::{ReplicationSource, Reseed};
use crate::gtid::GtidSet;
use crate::snapshot::{IoState, SemiSyncFacts, SourceFacts};

/// Errors after which a receiver does not get further by trying again (error reference of the server): 1236 and 13114,
/// the source has not got what is needed any more; 1593, both have one UUID or server id; 13117, the source is refused
/// for what it is.
const RECEIVER_GIVES_UP: [u32; 4] = [1236, 1593, 13114, 13117];
/// Errors of an applier that go away: 1205 and 1213, another session held a lock; 1037, 1038 and 1041, no memory;
/// 1021, 1114 and 3, no space; 1053 and 3168, it was shut down; 1317, it was interrupted; 1756, its coordinator was ended
/// in the middle of a transaction, as a host does it.
const APPLIER_TRIES_AGAIN: [u32; 12] = [3, 1021, 1037, 1038, 1041, 1053, 1114, 1205, 1213, 1317, 1756, 3168];

/// Leads to a server without a source.
pub(super) fn detach(seen: &Seen, sets: &Sets, course: &mut Course) {
    let Some(source) = &seen.facts.source else { return };
    if source.io != IoState::Stopped {
        course.push(Change::StopReceiver);
    }
    if !sets.pending.is_empty() {
        course.waits = Some(Waits::Drain(sets.pending.transactions()));
        apply_pending(seen, sets, course);
        return;
    }
    if source.sql_running {
        course.push(Change::StopReplica);
    }
    course.push(Change::ForgetSource);
}

/// Starts an applier that stands still before the end of what was received.
pub(super) fn apply_pending(seen: &Seen, sets: &Sets, course: &mut Course) {
    let Some(source) = &seen.facts.source else { return };
    if sets.pending.is_empty() || source.sql_running {
        return;
    }
    if may_apply(source) {
        course.push(Change::StartApplier);
    } else {
        course.waits = Some(Waits::Applier(source.sql_error));
    }
}

/// Replaces the data, where that is allowed. Returns whether it is.
pub(super) fn reseed(reseed: &Reseed, seen: &Seen, sets: &Sets, course: &mut Course) -> Result<bool, super::Violated> {
    let only = only_here(reseed, &sets.executed.union(&sets.pending))?;
    if !only.is_empty() {
        course.waits = Some(Waits::Reseed(only.summary(200)));
        return Ok(false);
    }
    if seen.facts.source.as_ref().is_some_and(|source| source.io != IoState::Stopped || source.sql_running) {
        course.push(Change::StopReplica);
    }
    course.push(Change::Clone(Box::new(reseed.clone())));
    Ok(true)
}

/// What would be lost if the data was replaced.
pub(super) fn only_here(reseed: &Reseed, here: &GtidSet) -> Result<GtidSet, super::Violated> {
    Ok(here.subtract(&permit::read("reseed.contained-in", &reseed.contained_in)?))
}

/// Leads to a server that replicates from `wanted`.
pub(super) fn follow(wanted: &ReplicationSource, seen: &Seen, sets: &Sets, course: &mut Course) {
    let SemiSyncFacts { source_enabled, replica_enabled, waiting_sessions, wait_for: _ } = seen.facts.semi_sync;
    let source = seen.facts.source.as_ref();
    let same_server = source.is_some_and(|source| source.host == wanted.host && source.port == wanted.port);
    let as_wanted = same_server && seen.source_as_wanted && seen.auto_position;
    let unchanged = as_wanted && replica_enabled;
    if !unchanged && source.is_some_and(|source| source.io != IoState::Stopped) {
        course.push(Change::StopReceiver);
    }
    // Its applier would wait for acknowledgements, which nobody gives it.
    if source_enabled && waiting_sessions == 0 {
        course.push(Change::SetAcks(None));
    } else if source_enabled {
        course.waits = Some(Waits::Acknowledgements(waiting_sessions));
    }
    if !replica_enabled {
        course.push(Change::SetReplicaSemiSync(true));
    }
    match source {
        Some(source) if unchanged => return run(source, course),
        Some(source) if !as_wanted => keep_received(source, same_server, seen.auto_position, sets, course),
        Some(_) | None => {}
    }
    if !as_wanted {
        course.push(Change::Follow(Box::new(wanted.clone())));
    }
    course.push(Change::StartReplica);
}

/// What was received and not applied is dropped when a source is changed while the applier stands still, and kept while
/// it runs (seen with 9.7.4). From the same server it must be kept: its acknowledgement may be all that makes it safe. From another one it
/// is not worth an errant transaction: the plugin names a source that has all that counts.
fn keep_received(source: &SourceFacts, same_server: bool, auto_position: bool, sets: &Sets, course: &mut Course) {
    if !auto_position {
        // Can only be changed while nothing runs.
        if source.sql_running {
            course.push(Change::StopReplica);
        }
    } else if same_server && !source.sql_running && !sets.pending.is_empty() && may_apply(source) {
        course.push(Change::StartApplier);
    }
}

/// The right source is configured: receiver and applier run, unless they stopped for good.
fn run(source: &SourceFacts, course: &mut Course) {
    let receiver_gave_up = source.io == IoState::Stopped && RECEIVER_GIVES_UP.contains(&source.io_error);
    let applier_gave_up = !source.sql_running && !may_apply(source);
    if source.io == IoState::Stopped && !receiver_gave_up {
        course.push(Change::StartReplica);
    } else if !source.sql_running && !applier_gave_up {
        course.push(Change::StartApplier);
    }
    if applier_gave_up {
        course.waits = Some(Waits::Applier(source.sql_error));
    } else if receiver_gave_up {
        course.waits = Some(Waits::Receiver(source.io_error));
    }
}

/// An applier that stands still without an error, or with one that goes away.
fn may_apply(source: &SourceFacts) -> bool {
    source.sql_error == 0 || APPLIER_TRIES_AGAIN.contains(&source.sql_error)
}
