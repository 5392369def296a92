//! How one MySQL server becomes as a plugin wants it. In: the wanted server and what was seen of it. Out: the least
//! changes, in order. Pure: the host makes SQL of each change, a simulator makes the same changes to simulated servers.
//!
//! The order is the safety. What takes writes away comes before everything else, and nothing else is planned beside it.
//! Opening a server for writes comes when nothing that it received is left to apply, its source is forgotten, and the
//! acknowledgements that it has to wait for are in force; accounts come after that, because only there they replicate.
//! Transactions that were received, and may be acknowledged, are not thrown away. Acknowledgements are never lowered on
//! a server that could still owe them.
//!
//! [`plan`] looks at facts that may be old. [`permits`] is asked again with new facts right before each change, and stops
//! the rest of the plan where they have moved.

mod accounts;
mod change;
mod fence;
mod permit;
mod replication;

pub use accounts::{AccountSeen, as_wanted as accounts_as_wanted};
pub use change::Change;
pub use permit::{Violated, expected, permits};

use crate::decision::{MysqlServer, Replication};
use crate::gtid::GtidSet;
use crate::snapshot::{CloneState, MysqlFacts};
use std::fmt;

/// Milliseconds that a commit waits for its acknowledgements (`rpl_semi_sync_source_timeout`): a day, so that a server
/// never goes on without them by itself. That is the plugin's to decide.
pub const ACK_TIMEOUT: u64 = 24 * 60 * 60 * 1000;

/// Everything that was seen of one server, as far as a plan needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What the plugin sees too.
    pub facts: MysqlFacts,
    /// `rpl_semi_sync_source_timeout`, milliseconds.
    pub ack_timeout: u64,
    /// User, password and TLS of the configured source are those of the wanted one. (Its host and port are in the facts.)
    pub source_as_wanted: bool,
    /// The configured source is asked by GTID (`SOURCE_AUTO_POSITION`).
    pub auto_position: bool,
    /// The wanted accounts, in their order. On a server that cannot tell, empty.
    pub accounts: Vec<AccountSeen>,
    /// An earlier [`Change::SetReadOnly`] did not end within its deadline, since the server started.
    pub hangs: bool,
}

/// What there is to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// In this order, each only if the one before succeeded and [`permits`] lets it.
    pub changes: Vec<Change>,
    /// What has to happen by itself before the rest can be planned.
    pub waits: Option<Waits>,
}

impl Course {
    /// The server is as wanted: nothing to do, and nothing to wait for.
    pub fn settled(&self) -> bool {
        self.changes.is_empty() && self.waits.is_none()
    }

    fn push(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// What a server that is not as wanted waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A clone into it runs.
    Clone,
    /// It applies what it received: so many transactions are left.
    Drain(u128),
    /// Its data may not be replaced: this is only there.
    Reseed(String),
    /// Its receiver stopped for good, with this error number.
    Receiver(u32),
    /// Its applier stopped for good, with this error number.
    Applier(u32),
    /// Sessions wait for acknowledgements, so that they cannot be switched off.
    Acknowledgements(u32),
}

impl fmt::Display for Waits {
    /// For people: what it waits for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waits::Clone => f.write_str("waits for the clone to end"),
            Waits::Drain(left) => write!(f, "applies what it received: {left} transactions are left"),
            Waits::Reseed(only) => write!(f, "its data is not replaced, because this is only there: {only}"),
            Waits::Receiver(error) => write!(f, "its receiver stopped with error {error}"),
            Waits::Applier(error) => write!(f, "its applier stopped with error {error}"),
            Waits::Acknowledgements(sessions) => write!(f, "{sessions} sessions wait for acknowledgements"),
        }
    }
}

/// Sets of the facts, read.
struct Sets {
    executed: GtidSet,
    /// Received and not executed.
    pending: GtidSet,
}

impl Sets {
    fn of(facts: &MysqlFacts) -> Result<Self, Violated> {
        let executed = permit::read("executed", &facts.executed)?;
        let received = match &facts.source {
            Some(source) => permit::read("received", &source.received)?,
            None => GtidSet::default(),
        };
        let pending = received.subtract(&executed);
        Ok(Sets { executed, pending })
    }
}

/// Nobody can write, and nobody who did is still waiting in a commit. While `SET GLOBAL super_read_only` waits for those,
/// the server shows `super_read_only` on and `read_only` off already (seen with 9.7.4): one of them alone says nothing.
pub fn takes_no_writes(facts: &MysqlFacts) -> bool {
    facts.read_only && facts.super_read_only
}

/// Whether an older view of the resource could do harm by this: what takes writes away never does. What opens a server, has
/// it wait for other acknowledgements, lets it follow a source (and so acknowledge that one's commits) or replaces its
/// data is done only while the resource is the very version that it was decided for.
pub fn needs_newest_view(wanted: &MysqlServer) -> bool {
    wanted.writable || matches!(wanted.replication, Replication::Source(_)) || wanted.reseed.is_some()
}

/// What to do so that the server becomes as wanted. The same inputs give the same course. An error changes nothing: a
/// precondition of the plugin does not hold, or what it wants makes no sense.
pub fn plan(wanted: &MysqlServer, seen: &Seen) -> Result<Course, Violated> {
    let facts = &seen.facts;
    expected(&wanted.expect, facts)?;
    if wanted.writable && wanted.replication != Replication::None {
        return Err(Violated::WritableReplica);
    }
    let sets = Sets::of(facts)?;
    let mut course = Course::default();
    let cloning = facts.clone.is_some_and(|clone| clone.state == CloneState::InProgress);
    // `super_read_only` would keep a clone from dropping what is there; `read_only` alone keeps clients out meanwhile.
    if !(wanted.writable || takes_no_writes(facts) || cloning && facts.read_only) {
        fence::writes(wanted, seen, &mut course);
        return Ok(course);
    }
    if cloning {
        course.waits = Some(Waits::Clone);
        return Ok(course);
    }
    if let Some(reseed) = wanted.reseed.as_ref().filter(|_| !wanted.writable)
        && replication::reseed(reseed, seen, &sets, &mut course)?
    {
        return Ok(course);
    }
    match &wanted.replication {
        Replication::Fenced => fence::receiver(seen, &sets, &mut course),
        Replication::None => {
            replication::detach(seen, &sets, &mut course);
            if wanted.writable && course.waits.is_none() {
                open(wanted, seen, &mut course);
            }
        }
        Replication::Source(source) => {
            replication::follow(source, seen, &sets, &mut course);
        }
    }
    Ok(course)
}

/// A server that replicates from nowhere, and may take writes.
fn open(wanted: &MysqlServer, seen: &Seen, course: &mut Course) {
    let facts = &seen.facts;
    let wait_for = wanted.acks.filter(|acks| *acks > 0);
    let in_force = match wait_for {
        Some(acks) => {
            facts.semi_sync.source_enabled && facts.semi_sync.wait_for == acks && seen.ack_timeout >= ACK_TIMEOUT
        }
        None => !facts.semi_sync.source_enabled,
    };
    if !in_force {
        course.push(Change::SetAcks(wait_for));
    }
    if facts.read_only || facts.super_read_only {
        course.push(Change::OpenForWrites);
    }
    accounts::plan(&wanted.accounts, &seen.accounts, course);
}

#[cfg(test)]
mod tests;
