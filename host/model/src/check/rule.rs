//! The rules of the check, by their stable words.

use std::fmt;

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
    /// Objects that the plugin says it must see, and that the operator did not grant.
    ReadNotGranted,
    /// A Secret that is not the resource's own, and that the operator did not grant.
    SecretNotGranted,
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
            Rule::ReadNotGranted => "ReadNotGranted",
            Rule::SecretNotGranted => "SecretNotGranted",
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
