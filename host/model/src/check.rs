//! What stands between a plugin and the world. In: a proposed plan, the facts, what the operator granted and what the
//! plugin described. Out: a plan that may be acted on, or a refusal as a whole, with each rule and item.

use crate::decision::ItemId;
use std::fmt;

/// Limits on what one decision may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// Items of a decision.
    pub items: usize,
    /// Bytes of one item as JSON. The API server takes 1.5 MiB, and defaults and managed fields come on top.
    pub item_bytes: usize,
    /// Bytes of all items as JSON.
    pub total_bytes: usize,
    /// Maps and lists inside each other.
    pub depth: usize,
    /// Bytes of the inventory annotation. All annotations of an object together may have 256 KiB.
    pub inventory_bytes: usize,
    /// Backends besides Kubernetes that this host can act on.
    pub backends: crate::description::Backends,
}

impl Default for CheckLimits {
    fn default() -> Self {
        CheckLimits {
            items: 1_000,
            item_bytes: 1 << 20,
            total_bytes: 8 << 20,
            depth: 64,
            inventory_bytes: 192 << 10,
            backends: crate::description::Backends::default(),
        }
    }
}

/// Why a decision is refused as a whole. Nothing of it is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Everything that is wrong, in order of the items; never empty.
    problems: Vec<Problem>,
}

/// One thing that is wrong with a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule that it breaks.
    pub rule: Rule,
    /// The item; empty where it is the decision as a whole.
    pub item: ItemId,
    /// What is wrong and what to do, for people. Bounded, escaped, without secrets.
    pub message: String,
}

/// A rule of the check. Its word is stable: conditions, events and metrics carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The id of an item has other characters than it may, or is too long or empty.
    InvalidId,
    /// Two items have the same id.
    DuplicateId,
    /// Two items are the same object.
    DuplicateTarget,
    /// An item comes after one that is not in the decision.
    UnknownAfter,
    /// Items come after each other in a circle.
    Cycle,
    /// An object is not one: no apiVersion, kind or name, or metadata of the wrong type.
    MalformedObject,
    /// A name that the API server would not take.
    InvalidName,
    /// Metadata that is the host's or the server's.
    ReservedMetadata,
    /// A status, which belongs to the controller of the kind.
    ForeignStatus,
    /// A Secret with values: plugins never hold secrets.
    RawSecret,
    /// Too many items, bytes or levels.
    Oversize,
    /// The resource itself as an item.
    SelfReference,
    /// A kind that would make its own plugin decide again without end.
    Recursion,
    /// A kind that the plugin did not say it writes.
    NotDescribed,
    /// A kind that the operator did not grant.
    NotGranted,
    /// A namespace that is not the resource's, or not granted.
    NamespaceNotGranted,
    /// An object of the cluster as a whole, from a resource of a namespace.
    ClusterScope,
    /// The object exists and is not ours.
    NameCollision,
    /// An Azure subscription, resource group or vault outside the grant.
    OutsideScope,
    /// The host cannot act on this backend.
    BackendUnavailable,
    /// The inventory of the resource cannot be read.
    InventoryUnreadable,
    /// Nothing is desired any more though the resource is not being deleted.
    EmptyDesiredSet,
    /// More than half of what exists would be deleted in one pass.
    TooManyDeletions,
    /// All items of a kind that holds state would be deleted at once.
    AllOfStatefulKind,
    /// Data would be deleted because an item was left out.
    DataByOmission,
    /// The item is protected by its removal policy.
    Protected,
    /// A field that cannot be changed would be.
    ImmutableField,
    /// A step does not agree with the facts that it was made from.
    Inconsistent,
}

impl Rule {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Rule::InvalidId => "InvalidId",
            Rule::DuplicateId => "DuplicateId",
            Rule::DuplicateTarget => "DuplicateTarget",
            Rule::UnknownAfter => "UnknownAfter",
            Rule::Cycle => "Cycle",
            Rule::MalformedObject => "MalformedObject",
            Rule::InvalidName => "InvalidName",
            Rule::ReservedMetadata => "ReservedMetadata",
            Rule::ForeignStatus => "ForeignStatus",
            Rule::RawSecret => "RawSecret",
            Rule::Oversize => "Oversize",
            Rule::SelfReference => "SelfReference",
            Rule::Recursion => "Recursion",
            Rule::NotDescribed => "NotDescribed",
            Rule::NotGranted => "NotGranted",
            Rule::NamespaceNotGranted => "NamespaceNotGranted",
            Rule::ClusterScope => "ClusterScope",
            Rule::NameCollision => "NameCollision",
            Rule::OutsideScope => "OutsideScope",
            Rule::BackendUnavailable => "BackendUnavailable",
            Rule::InventoryUnreadable => "InventoryUnreadable",
            Rule::EmptyDesiredSet => "EmptyDesiredSet",
            Rule::TooManyDeletions => "TooManyDeletions",
            Rule::AllOfStatefulKind => "AllOfStatefulKind",
            Rule::DataByOmission => "DataByOmission",
            Rule::Protected => "Protected",
            Rule::ImmutableField => "ImmutableField",
            Rule::Inconsistent => "Inconsistent",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How many problems a refusal names; one decision may break a rule with each of its items.
const MOST_PROBLEMS: usize = 20;

impl Refusal {
    /// A refusal, unless nothing is wrong.
    pub(crate) fn unless_empty(mut problems: Vec<Problem>) -> Result<(), Refusal> {
        problems.truncate(MOST_PROBLEMS);
        if problems.is_empty() { Ok(()) } else { Err(Refusal { problems }) }
    }

    /// Everything that is wrong, at least one thing, at most twenty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The stable word of the first problem, for the condition and the event.
    pub fn reason(&self) -> &'static str {
        self.problems.first().map_or("Refused", |problem| problem.rule.word())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.item.is_empty() {
            write!(f, "{}: {}", self.rule, self.message)
        } else {
            write!(f, "{}: item {}: {}", self.rule, self.item, self.message)
        }
    }
}

impl fmt::Display for Refusal {
    /// The first problems, each with its rule and item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plugin's decision was refused, nothing of it was done: ")?;
        for (index, problem) in self.problems.iter().take(3).enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        match self.problems.len().saturating_sub(3) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Refusal {}
