//! What takes something away from a server: writes, and what its source sends.

use super::{Change, Course, Seen, Sets, replication};
use crate::decision::{MysqlServer, Replication};
use crate::snapshot::IoState;

/// A server that must not take writes and does. Nothing but this is planned: what follows needs a new look.
pub(super) fn writes(wanted: &MysqlServer, seen: &Seen, course: &mut Course) {
    course.push(Change::KillClients);
    let facts = &seen.facts;
    let stuck = facts.semi_sync.waiting_sessions > 0 || !facts.can_commit;
    if seen.hangs && stuck {
        // To let the sessions go on without acknowledgements would tell clients that what may be lost is safe. A process
        // that ends tells them nothing.
        course.push(Change::Shutdown);
        return;
    }
    course.push(Change::SetReadOnly);
    // Those that came back in between, so that they look for the server that takes writes now.
    course.push(Change::KillClients);
    if wanted.replication == Replication::Fenced && receives(seen) {
        course.push(Change::StopReceiver);
    }
}

/// A replica that must not receive. It goes on applying what it received.
pub(super) fn receiver(seen: &Seen, sets: &Sets, course: &mut Course) {
    if receives(seen) {
        course.push(Change::StopReceiver);
    }
    replication::apply_pending(seen, sets, course);
}

fn receives(seen: &Seen) -> bool {
    seen.facts.source.as_ref().is_some_and(|source| source.io != IoState::Stopped)
}
