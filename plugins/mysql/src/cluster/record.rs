//! What a pass leaves behind for the next, in the status of the resource: who the primary is, what its commits promise,
//! and the operation under way. In: nothing. Out: the types.
//!
//! The rule by which all of it is safe: what is *done* to servers in a pass follows the record as it was observed, never
//! the one that the pass writes. So a new primary is in the status before any server is opened as it, and a weaker
//! promise is in the status before any server is told to keep only that.

use std::collections::{BTreeMap, BTreeSet};
use windlass_sdk::gtid::GtidSet;

/// What the passes so far have left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The primary: the only server that may be writable.
    pub primary: Option<u32>,
    /// The cluster has had data: from here on an empty data directory is a loss and not a beginning.
    pub initialized: bool,
    /// What an acknowledged commit promises.
    pub durability: Durability,
    /// The operation under way.
    pub operation: Option<Operation>,
    /// The server that is being made anew from the primary.
    pub reseed: Option<Reseed>,
    /// Since when servers that have no pod, or no address, are missing, milliseconds since the Unix epoch.
    pub missing_since: BTreeMap<u32, u64>,
    /// Transactions that only these servers have. Kept until they were made anew, also while there is no primary to
    /// compare with, and when another server is the primary that does not have them either.
    pub errant: BTreeMap<u32, GtidSet>,
    /// Servers that had transactions of the primary's own uuid that the primary had not, at the last look.
    pub suspect: BTreeMap<u32, Suspect>,
    /// Requests by annotation that were carried out, or refused.
    pub handled: Handled,
    /// No planned switchover before this time, after one that came to nothing.
    pub hold_until: u64,
    /// When a server last took over because commits on the one before did not get on.
    pub last_stall: u64,
    /// Servers on which the operator's own account does not work (yet), so that root's is used.
    pub as_root: BTreeSet<u32>,
}

/// Every acknowledged transaction that is not in `barrier` is on the primary and on `acks` other servers of `members`,
/// or on servers that have all that they have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durability {
    /// Acknowledgements in force.
    pub acks: u32,
    /// Ordinals of the servers whose acknowledgement counts, the primary's included.
    pub members: BTreeSet<u32>,
    /// Transactions for which the promise does not hold: a new primary must have all of them.
    pub barrier: GtidSet,
    /// More acknowledgements that were seen in force once: the promise is raised when they are seen a second time, so
    /// that a commit that slipped through in between is within the barrier.
    pub rising: Option<u32>,
}

/// Transactions of the primary's own uuid on a server, which the primary has not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspect {
    /// At every look since this time, milliseconds since the Unix epoch.
    pub since: u64,
    /// These.
    pub set: GtidSet,
}

/// Requests that were carried out or refused, by their text. Forgotten when the annotation is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// A switchover.
    pub switchover: Option<String>,
    /// An unsafe failover.
    pub unsafe_failover: Option<String>,
}

/// An operation under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What is done.
    pub kind: Kind,
    /// How far it is.
    pub phase: Phase,
    /// The server that is to be the primary, once it is known.
    pub target: Option<u32>,
    /// What that server must have applied before it is.
    pub barrier: GtidSet,
    /// When it began, milliseconds since the Unix epoch.
    pub started_at: u64,
    /// How often it was begun anew, from 1.
    pub attempt: u32,
    /// Why it is done.
    pub cause: Cause,
    /// The primary of the record was chosen by it, and was not seen open yet.
    pub committed: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first primary is opened and the others are copied from it.
    Bootstrap,
    /// A primary is found among servers that have data, when none is known.
    Recovery,
    /// A live primary hands over.
    Switchover,
    /// A lost primary is replaced.
    Failover,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The primary is made read-only.
    Freeze,
    /// The target applies what the primary has.
    CatchUp,
    /// Replicas stop to receive, so that the old primary gets no more acknowledgements.
    Fence,
    /// The server that has most is chosen.
    Elect,
    /// The chosen one applies what it has received.
    Drain,
    /// The primary of the record is opened.
    Open,
    /// Enough replicas are attached for the wanted acknowledgements.
    Attach,
}

/// Why an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The cluster is new.
    New,
    /// Which server was the primary is not known any more.
    PrimaryUnknown,
    /// The user asked for it.
    Requested,
    /// The primary's pod is being deleted.
    PodDeleted,
    /// The primary's ordinal is no longer wanted.
    ScaleDown,
    /// The primary's pod is to get a new template.
    Update,
    /// The primary does not answer.
    PrimaryDown,
    /// The primary answers, and its commits do not get on.
    PrimaryStalled,
    /// The primary's data directory is empty.
    DataLost,
    /// The user accepts that acknowledged writes may be missing.
    Unsafe,
}

/// A server that is being made anew from the primary.
#[derive(Clone, Debug, PartialEq)]
pub struct Reseed {
    /// Which.
    pub target: u32,
    /// What it may have of its own: its data is replaced only while it has no more than this.
    pub contained_in: GtidSet,
    /// When it began, milliseconds since the Unix epoch.
    pub started_at: u64,
    /// From 1.
    pub attempt: u32,
    /// Not tried before, milliseconds since the Unix epoch.
    pub not_before: u64,
    /// It has transactions of its own, and the user allowed to give them up.
    pub errant: bool,
}

impl Record {
    /// This server, which has these transactions, is the primary from now on: it has none that only it has, and nobody has
    /// any that it has too.
    pub fn crown(&mut self, ordinal: u32, has: &GtidSet) {
        self.primary = Some(ordinal);
        self.durability.rising = None;
        self.suspect.clear();
        self.errant.remove(&ordinal);
        self.errant.values_mut().for_each(|set| *set = set.subtract(has));
        self.errant.retain(|_, set| !set.is_empty());
    }
}

impl Operation {
    /// No server may be writable while it lasts.
    pub fn closes(&self) -> bool {
        match self.phase {
            Phase::Freeze | Phase::CatchUp | Phase::Fence | Phase::Elect | Phase::Drain => true,
            Phase::Open | Phase::Attach => false,
        }
    }
}
