//! What another version of a plugin would do differently, before it does anything. Two outlooks on one snapshot in, the
//! difference out: items that would be created, changed, deleted or made anew, another status, a refusal, an error. And the
//! summary of many differences, with the worst of them by name. Pure: the same outlooks give the same difference.
//!
//! Outlooks are compared by what each version wants, and not only by the steps of the next pass: an item that waits for
//! another one is a difference today already.

mod alone;
mod compare;
mod outlook;
mod paths;
mod summary;

pub use compare::{compare, judge};
pub use outlook::{Outlook, Planned};
pub use paths::Field;
pub use summary::{Entry, MOST_ENTRIES, Summary};

use serde::{Deserialize, Serialize};

/// How bad a change may be, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Only what is told changes: status, conditions, the time of the next look.
    Tells,
    /// Something is created or changed.
    Changes,
    /// Something that can be made again is deleted or made anew.
    Takes,
    /// The version does not decide, or its decision is refused, where that is not so now.
    Fails,
    /// Something that holds state is deleted or made anew.
    Destroys,
}

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Happens {
    /// An item that is not wanted now.
    Created,
    /// An item with other content.
    Changed,
    /// An item under another id, for the same thing.
    Renamed,
    /// An item that is not wanted any more.
    Deleted,
    /// An item that is deleted to be made again, in its place or in another one.
    Recreated,
    /// A thing that stays and is looked after no more.
    Released,
    /// The status or a condition is another one.
    StatusChanged,
    /// The resource is looked at again at another time.
    WakeChanged,
    /// The decision is refused by the check.
    Refused,
    /// There is no decision.
    Failed,
    /// There is a decision where there is none now.
    Recovered,
}

impl Happens {
    /// One word for people.
    pub fn word(self) -> &'static str {
        match self {
            Happens::Created => "create",
            Happens::Changed => "change",
            Happens::Renamed => "rename",
            Happens::Deleted => "delete",
            Happens::Recreated => "recreate",
            Happens::Released => "release",
            Happens::StatusChanged => "status",
            Happens::WakeChanged => "wake",
            Happens::Refused => "refused",
            Happens::Failed => "fail",
            Happens::Recovered => "recover",
        }
    }
}

/// One thing that would be otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// How bad it may be.
    pub severity: Severity,
    /// What it is.
    pub happens: Happens,
    /// The item; empty where it is the resource itself.
    pub item: String,
    /// What it is about, for people: `StatefulSet.apps shop/db`; empty where it is the resource itself.
    pub target: String,
    /// Fields that differ. Of what holds secrets, without values.
    pub fields: Vec<Field>,
    /// More words where they are needed: why it is refused, from where it moves. Bounded, without secrets.
    pub note: String,
}

/// Everything that would be otherwise with one resource, the worst first; nothing where both versions do the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference(Vec<Change>);

impl Difference {
    fn new(mut changes: Vec<Change>) -> Self {
        changes.sort_by(|one, two| {
            two.severity.cmp(&one.severity).then_with(|| (&one.item, one.happens).cmp(&(&two.item, two.happens)))
        });
        Difference(changes)
    }

    /// The changes, the worst first.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }

    /// Both versions do the same.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How bad the worst of it is.
    pub fn worst(&self) -> Option<Severity> {
        self.0.first().map(|change| change.severity)
    }
}

/// What was found out about one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Judgement {
    /// Both versions do the same.
    Equal,
    /// They do not.
    Different(Difference),
    /// It cannot be said; the text says why. Never counted as equal.
    NotJudged(NotJudged),
}

/// Why a resource was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotJudged {
    /// It is paused: nothing is done for it in any version.
    Paused,
    /// A server or another backend that it is about does not answer, or nobody asked it yet.
    BackendUnknown,
    /// A kind that is needed for it cannot be seen.
    Unseen,
    /// The new version asks for more each time that it is shown what it asked for.
    NeedsUnending,
    /// It changed each time while it was looked at.
    Moving,
}

impl NotJudged {
    /// Stable, in CamelCase.
    pub fn word(self) -> &'static str {
        match self {
            NotJudged::Paused => "Paused",
            NotJudged::BackendUnknown => "BackendUnknown",
            NotJudged::Unseen => "Unseen",
            NotJudged::NeedsUnending => "NeedsUnending",
            NotJudged::Moving => "Moving",
        }
    }
}

#[cfg(test)]
mod tests;
