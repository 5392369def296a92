//! Many judgements in, numbers and the worst few out. In whatever order they come, the summary is the same.

use super::{Change, Difference, Happens, Judgement, NotJudged, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many of the worst changes are kept by name.
pub const MOST_ENTRIES: usize = 20;
/// Fields that an entry names.
const MOST_FIELDS: usize = 8;

/// What a shadow run found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Resources about which something can be said.
    pub judged: u32,
    /// Of them, those with which both versions do the same.
    pub equal: u32,
    /// Of them, the others.
    pub different: u32,
    /// Resources about which nothing can be said, by why.
    pub not_judged: BTreeMap<NotJudged, u32>,
    /// Changes by what they are.
    pub changes: BTreeMap<Happens, u32>,
    /// Resources for which the new version fails or is refused, where that is not so now.
    pub failing: u32,
    /// Changes that delete, or make anew, what holds state.
    pub destroys: u32,
    worst: Vec<Entry>,
}

/// One change of one resource, without values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// How bad it may be.
    pub severity: Severity,
    /// The resource: `shop/prod-db`, or with its kind where the plugin has several.
    pub resource: String,
    /// The item; empty where it is the resource itself.
    pub item: String,
    /// What would happen.
    pub happens: Happens,
    /// What it is about.
    pub target: String,
    /// Paths that differ.
    pub fields: Vec<String>,
    /// More words.
    pub note: String,
}

impl Entry {
    fn of(resource: &str, change: &Change) -> Self {
        let Change { severity, happens, item, target, fields, note } = change;
        let mut named: Vec<String> = fields.iter().take(MOST_FIELDS).map(|field| field.path.clone()).collect();
        let more = fields.len().saturating_sub(MOST_FIELDS);
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        Entry {
            severity: *severity,
            resource: resource.into(),
            item: item.clone(),
            happens: *happens,
            target: target.clone(),
            fields: named,
            note: note.clone(),
        }
    }

    /// The worst first, then by name.
    fn rank(&self) -> impl Ord + '_ {
        (
            std::cmp::Reverse(self.severity),
            &self.resource,
            &self.item,
            self.happens,
            &self.target,
            &self.fields,
            &self.note,
        )
    }
}

impl Summary {
    /// Takes in what was found out about one resource.
    pub fn add(&mut self, resource: &str, judgement: &Judgement) {
        match judgement {
            Judgement::Equal => {
                self.judged += 1;
                self.equal += 1;
            }
            Judgement::NotJudged(why) => *self.not_judged.entry(*why).or_default() += 1,
            Judgement::Different(difference) => {
                self.judged += 1;
                self.different += 1;
                self.count(resource, difference);
            }
        }
    }

    /// A resource about which nothing could be said is looked at again.
    pub fn take_back(&mut self, why: NotJudged) {
        if let Some(count) = self.not_judged.get_mut(&why) {
            *count = count.saturating_sub(1);
        }
        self.not_judged.retain(|_, count| *count > 0);
    }

    fn count(&mut self, resource: &str, difference: &Difference) {
        self.failing += u32::from(difference.changes().iter().any(|change| change.severity == Severity::Fails));
        for change in difference.changes() {
            *self.changes.entry(change.happens).or_default() += 1;
            self.destroys += u32::from(change.severity == Severity::Destroys);
            let entry = Entry::of(resource, change);
            let at = self.worst.partition_point(|other| other.rank() <= entry.rank());
            if at < MOST_ENTRIES {
                self.worst.insert(at, entry);
                self.worst.truncate(MOST_ENTRIES);
            }
        }
    }

    /// The worst changes, the worst first; at most [`MOST_ENTRIES`].
    pub fn worst(&self) -> &[Entry] {
        &self.worst
    }

    /// Resources about which nothing can be said though something may happen to them.
    pub fn unknown(&self) -> u32 {
        self.not_judged.iter().filter(|(why, _)| **why != NotJudged::Paused).map(|(_, count)| count).sum()
    }

    /// Resources about which nothing can be said.
    pub fn left_out(&self) -> u32 {
        self.not_judged.values().sum()
    }

    /// How many changes of this sort there are.
    pub fn count_of(&self, happens: Happens) -> u32 {
        self.changes.get(&happens).copied().unwrap_or(0)
    }

    /// In words, for conditions: `3 of 10 resources differ: 3 changes, 1 deletion`.
    pub fn words(&self) -> String {
        let mut parts = vec![format!("{} of {} resources differ", self.different, self.judged + self.left_out())];
        let changes: Vec<String> =
            self.changes.iter().map(|(happens, count)| format!("{} {count}", happens.word())).collect();
        if !changes.is_empty() {
            parts.push(changes.join(", "));
        }
        let left_out: Vec<String> =
            self.not_judged.iter().map(|(why, count)| format!("{count} {}", why.word())).collect();
        if !left_out.is_empty() {
            parts.push(format!("not judged: {}", left_out.join(", ")));
        }
        parts.join("; ")
    }
}
