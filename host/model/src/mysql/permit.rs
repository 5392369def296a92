//! What has to hold right before a change. In: the change, the wanted server and facts that were read just now. Out: yes,
//! or what does not hold.

use super::{Change, Sets, replication, takes_no_writes};
use crate::decision::{MysqlServer, Precondition};
use crate::gtid::{GtidError, GtidSet};
use crate::snapshot::{CloneState, IoState, MysqlFacts};

/// Most bytes of a GTID set in a message.
const SET_BYTES: usize = 200;

/// Why nothing is changed. Harmless: the server stays as it is, and the plugin sees it at its next look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violated {
    /// Another server answers at the address.
    #[error("the server has uuid {found} and not {wanted}: another server answers at its address")]
    ServerUuid {
        /// As the plugin expects it.
        wanted: String,
        /// As the server says.
        found: String,
    },
    /// It lacks transactions that it should have.
    #[error("the server has not executed {missing}")]
    ExecutedLacks {
        /// What is missing, shortened.
        missing: String,
    },
    /// It has transactions that it should not have.
    #[error("the server has executed {surplus} besides what was expected")]
    ExecutedBeyond {
        /// The surplus, shortened.
        surplus: String,
    },
    /// It is writable or read-only against expectation.
    #[error("super_read_only of the server is not {wanted}")]
    SuperReadOnly {
        /// As the plugin expects it.
        wanted: bool,
    },
    /// It replicates.
    #[error("the server still replicates from {source_host}")]
    Attached {
        /// Host of its source.
        source_host: String,
    },
    /// What should be a GTID set is none.
    #[error("{what} of the server or its item cannot be read: {error}")]
    Unreadable {
        /// Which.
        what: &'static str,
        /// Why.
        error: GtidError,
    },
    /// The plugin wants a server that takes writes and replicates, or is fenced, at once.
    #[error("a server cannot be writable and have a source or be fenced: a primary replicates from nowhere")]
    WritableReplica,
    /// The change is not safe as the server is now.
    #[error("{change} is not safe now: {why}")]
    Unsafe {
        /// [`Change::word`].
        change: &'static str,
        /// What does not hold.
        why: &'static str,
    },
}

impl Violated {
    /// A stable word, for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Violated::ServerUuid { .. } => "ServerUuid",
            Violated::ExecutedLacks { .. } => "ExecutedLacks",
            Violated::ExecutedBeyond { .. } => "ExecutedBeyond",
            Violated::SuperReadOnly { .. } => "SuperReadOnly",
            Violated::Attached { .. } => "Attached",
            Violated::Unreadable { .. } => "Unreadable",
            Violated::WritableReplica => "WritableReplica",
            Violated::Unsafe { .. } => "Unsafe",
        }
    }
}

pub(super) fn read(what: &'static str, text: &str) -> Result<GtidSet, Violated> {
    text.parse().map_err(|error| Violated::Unreadable { what, error })
}

/// Whether all preconditions of an item hold.
pub fn expected(expect: &[Precondition], facts: &MysqlFacts) -> Result<(), Violated> {
    expect.iter().try_for_each(|precondition| match precondition {
        Precondition::ServerUuid(uuid) if uuid.eq_ignore_ascii_case(&facts.server_uuid) => Ok(()),
        Precondition::ServerUuid(uuid) => Err(Violated::ServerUuid {
            wanted: crate::text::bounded(uuid, 64),
            found: crate::text::bounded(&facts.server_uuid, 64),
        }),
        Precondition::ExecutedContains(set) => {
            let missing = read("expect", set)?.subtract(&read("executed", &facts.executed)?);
            let lacks = || Violated::ExecutedLacks { missing: missing.summary(SET_BYTES) };
            if missing.is_empty() { Ok(()) } else { Err(lacks()) }
        }
        Precondition::ExecutedWithin(set) => {
            let surplus = read("executed", &facts.executed)?.subtract(&read("expect", set)?);
            let beyond = || Violated::ExecutedBeyond { surplus: surplus.summary(SET_BYTES) };
            if surplus.is_empty() { Ok(()) } else { Err(beyond()) }
        }
        Precondition::SuperReadOnly(true) if takes_no_writes(facts) => Ok(()),
        Precondition::SuperReadOnly(false) if !facts.super_read_only => Ok(()),
        Precondition::SuperReadOnly(on) => Err(Violated::SuperReadOnly { wanted: *on }),
        Precondition::Detached => match &facts.source {
            Some(source) if source.io != IoState::Stopped || source.sql_running => {
                Err(Violated::Attached { source_host: crate::text::bounded(&source.host, 100) })
            }
            Some(_) | None => Ok(()),
        },
    })
}

/// Whether a change may be made now. `facts` were read after the change before it; the preconditions of the item are
/// part of the question.
pub fn permits(change: &Change, wanted: &MysqlServer, facts: &MysqlFacts) -> Result<(), Violated> {
    expected(&wanted.expect, facts)?;
    let require = |holds: bool, why: &'static str| {
        if holds { Ok(()) } else { Err(Violated::Unsafe { change: change.word(), why }) }
    };
    let source = facts.source.as_ref();
    let receives = source.is_some_and(|source| source.io != IoState::Stopped);
    let applies = source.is_some_and(|source| source.sql_running);
    match change {
        Change::KillClients | Change::SetReadOnly | Change::Shutdown => {
            require(!wanted.writable, "the server should take writes")
        }
        Change::StopReceiver | Change::StopReplica | Change::StartApplier | Change::SetReplicaSemiSync(_) => Ok(()),
        Change::ForgetSource => {
            require(!receives && !applies, "it still replicates")?;
            require(Sets::of(facts)?.pending.is_empty(), "it has not applied all that it received")
        }
        Change::Follow(_) | Change::StartReplica => {
            require(!wanted.writable && takes_no_writes(facts), "it takes writes")?;
            require(!receives || matches!(change, Change::StartReplica), "it still receives")
        }
        Change::SetAcks(_) if wanted.writable => Ok(()),
        Change::SetAcks(_) => {
            require(takes_no_writes(facts), "it takes writes")?;
            require(facts.semi_sync.waiting_sessions == 0, "sessions wait for acknowledgements")
        }
        Change::Clone(reseed) => {
            require(!wanted.writable && takes_no_writes(facts), "it takes writes")?;
            require(!receives && !applies, "it still replicates")?;
            let running = facts.clone.is_some_and(|clone| clone.state == CloneState::InProgress);
            require(!running, "a clone runs")?;
            let Sets { executed, pending } = Sets::of(facts)?;
            let only = replication::only_here(reseed, &executed.union(&pending))?;
            require(only.is_empty(), "it has transactions that would be lost")
        }
        Change::OpenForWrites => {
            require(wanted.writable, "it should not take writes")?;
            require(source.is_none(), "its source is not forgotten")
        }
        Change::CreateAccount(_)
        | Change::ChangePassword { .. }
        | Change::DiscardOldPassword(_)
        | Change::SetGrants(_) => {
            require(wanted.writable && !facts.read_only && !facts.super_read_only, "it does not take writes")
        }
    }
}
