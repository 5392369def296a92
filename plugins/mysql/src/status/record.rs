//! The record of the core as part of the status, and back. In: a record or a status. Out: the other. What cannot be read
//! counts as not known: a set that cannot be read makes the whole record unknown rather than a wrong one.

use crate::cluster::record::{Cause, Durability, Handled, Kind, Operation, Phase, Record, Reseed, Suspect};
use crate::name::Names;
use crate::time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::gtid::GtidSet;

/// What an acknowledged write promises.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DurabilityStatus {
    /// Servers besides the primary that have each acknowledged write.
    pub acks: u32,
    /// How many it should be.
    pub target: u32,
    /// Ordinals of the servers whose acknowledgement counts, the primary's included.
    pub members: Vec<u32>,
    /// Transactions that were there before this held. A new primary must have all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub barrier: String,
    /// More acknowledgements that are being put in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rising: Option<u32>,
}

/// The operation under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationStatus {
    /// `Bootstrap`, `Recovery`, `Switchover` or `Failover`.
    pub kind: String,
    /// How far it is.
    pub phase: String,
    /// Why it is done.
    pub cause: String,
    /// The pod that is to be the primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Transactions that the target must have applied before it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub barrier: String,
    /// When it began.
    pub started_at: String,
    /// From 1.
    pub attempt: u32,
    /// The current primary was chosen by it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub committed: bool,
}

/// A server that is being made anew from the primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReseedStatus {
    /// Its pod.
    pub target: String,
    /// Its data is replaced only while it has no more transactions than these.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub contained_in: String,
    /// When it began.
    pub started_at: String,
    /// From 1.
    pub attempt: u32,
    /// Not tried before.
    pub not_before: String,
    /// It has transactions of its own, which `spec.recovery.reinitErrant` allows to give up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub errant: bool,
}

/// What the passes leave for one another, besides what has a field of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Notes {
    /// Pods that are missing, with the time since when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing_since: BTreeMap<String, String>,
    /// Pods whose servers have transactions of their own: these.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errant: BTreeMap<String, String>,
    /// Pods whose servers have transactions of the primary that the primary has not. Theirs alone if that stays so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub suspect: BTreeMap<String, SuspectStatus>,
    /// Value of the annotation for a switchover that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switchover_handled: Option<String>,
    /// Value of the annotation for an unsafe failover that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsafe_failover_handled: Option<String>,
    /// No planned switchover before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switchover_not_before: Option<String>,
    /// When a server last became the primary because commits on the one before did not get on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_stall: Option<String>,
    /// Ordinals of servers that do not know the operator's own account (yet).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub as_root: Vec<u32>,
}

/// Transactions of the primary on another server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SuspectStatus {
    /// At every look since then.
    pub since: String,
    /// These.
    pub transactions: String,
}

/// The parts of the status that hold the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// `currentPrimary`
    pub primary: Option<String>,
    /// `initialized`
    pub initialized: bool,
    /// `durability`
    pub durability: DurabilityStatus,
    /// `operation`
    pub operation: Option<OperationStatus>,
    /// `reseed`
    pub reseed: Option<ReseedStatus>,
    /// `notes`
    pub notes: Notes,
}

/// Writes a record.
pub fn write(names: &Names, record: &Record, target_acks: u32) -> Written {
    let pod = |ordinal: u32| names.pod(ordinal);
    let Record {
        primary,
        initialized,
        durability: Durability { acks, members, barrier, rising },
        operation,
        reseed,
        missing_since,
        errant,
        suspect,
        handled: Handled { switchover, unsafe_failover },
        hold_until,
        last_stall,
        as_root,
    } = record;
    let moment = |at: u64| (at > 0).then(|| time::format(at));
    Written {
        primary: primary.map(pod),
        initialized: *initialized,
        durability: DurabilityStatus {
            acks: *acks,
            target: target_acks,
            members: members.iter().copied().collect(),
            barrier: barrier.to_string(),
            rising: *rising,
        },
        operation: operation.as_ref().map(|operation| OperationStatus {
            kind: format!("{:?}", operation.kind),
            phase: format!("{:?}", operation.phase),
            cause: format!("{:?}", operation.cause),
            target: operation.target.map(pod),
            barrier: operation.barrier.to_string(),
            started_at: time::format(operation.started_at),
            attempt: operation.attempt,
            committed: operation.committed,
        }),
        reseed: reseed.as_ref().map(|reseed| ReseedStatus {
            target: pod(reseed.target),
            contained_in: reseed.contained_in.to_string(),
            started_at: time::format(reseed.started_at),
            attempt: reseed.attempt,
            not_before: time::format(reseed.not_before),
            errant: reseed.errant,
        }),
        notes: Notes {
            missing_since: missing_since.iter().map(|(i, at)| (pod(*i), time::format(*at))).collect(),
            errant: errant.iter().map(|(i, set)| (pod(*i), set.to_string())).collect(),
            suspect: suspect
                .iter()
                .map(|(i, Suspect { since, set })| {
                    (pod(*i), SuspectStatus { since: time::format(*since), transactions: set.to_string() })
                })
                .collect(),
            switchover_handled: switchover.clone(),
            unsafe_failover_handled: unsafe_failover.clone(),
            switchover_not_before: moment(*hold_until),
            last_stall: moment(*last_stall),
            as_root: as_root.iter().copied().collect(),
        },
    }
}

/// Reads a record. One that cannot be read in a part on which safety depends is not known at all; then the primary is
/// looked for as after the loss of the status.
pub fn read(names: &Names, written: &Written) -> Record {
    try_read(names, written).unwrap_or_default()
}

fn try_read(names: &Names, written: &Written) -> Option<Record> {
    let set = |text: &str| text.parse::<GtidSet>().ok();
    let moment = |text: &Option<String>| text.as_deref().and_then(time::parse).unwrap_or_default();
    let Written { primary, initialized, durability, operation, reseed, notes } = written;
    let primary = match primary {
        Some(pod) => Some(names.ordinal(pod)?),
        None => None,
    };
    let mut members: std::collections::BTreeSet<u32> = durability.members.iter().copied().collect();
    members.extend(primary);
    let operation = match operation {
        None => None,
        Some(operation) => Some(Operation {
            kind: word(&KINDS, &operation.kind)?,
            phase: word(&PHASES, &operation.phase)?,
            cause: word(&CAUSES, &operation.cause)?,
            target: operation.target.as_deref().and_then(|pod| names.ordinal(pod)),
            barrier: set(&operation.barrier)?,
            started_at: time::parse(&operation.started_at).unwrap_or_default(),
            attempt: operation.attempt.max(1),
            committed: operation.committed,
        }),
    };
    // One that cannot be read is begun anew.
    let reseed = reseed.as_ref().and_then(|reseed| {
        Some(Reseed {
            target: names.ordinal(&reseed.target)?,
            contained_in: set(&reseed.contained_in)?,
            started_at: time::parse(&reseed.started_at)?,
            attempt: reseed.attempt.max(1),
            not_before: time::parse(&reseed.not_before)?,
            errant: reseed.errant,
        })
    });
    let missing = notes.missing_since.iter();
    let errant = notes.errant.iter();
    let suspect = notes.suspect.iter().filter_map(|(pod, it)| {
        let it = Suspect { since: time::parse(&it.since)?, set: set(&it.transactions)? };
        Some((names.ordinal(pod)?, it))
    });
    Some(Record {
        primary,
        initialized: *initialized,
        durability: Durability {
            acks: durability.acks,
            members,
            barrier: set(&durability.barrier)?,
            rising: durability.rising,
        },
        operation,
        reseed,
        missing_since: missing.filter_map(|(pod, at)| Some((names.ordinal(pod)?, time::parse(at)?))).collect(),
        errant: errant.filter_map(|(pod, text)| Some((names.ordinal(pod)?, set(text)?))).collect(),
        suspect: suspect.collect(),
        handled: Handled {
            switchover: notes.switchover_handled.clone(),
            unsafe_failover: notes.unsafe_failover_handled.clone(),
        },
        hold_until: moment(&notes.switchover_not_before),
        last_stall: moment(&notes.last_stall),
        as_root: notes.as_root.iter().copied().collect(),
    })
}

const KINDS: [Kind; 4] = [Kind::Bootstrap, Kind::Recovery, Kind::Switchover, Kind::Failover];
const PHASES: [Phase; 7] =
    [Phase::Freeze, Phase::CatchUp, Phase::Fence, Phase::Elect, Phase::Drain, Phase::Open, Phase::Attach];
const CAUSES: [Cause; 10] = [
    Cause::New,
    Cause::PrimaryUnknown,
    Cause::Requested,
    Cause::PodDeleted,
    Cause::ScaleDown,
    Cause::Update,
    Cause::PrimaryDown,
    Cause::PrimaryStalled,
    Cause::DataLost,
    Cause::Unsafe,
];

/// The value whose name this is. The names are those of the variants.
fn word<T: Copy + std::fmt::Debug>(all: &[T], text: &str) -> Option<T> {
    all.iter().copied().find(|value| format!("{value:?}") == text)
}
