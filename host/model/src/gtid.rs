//! Sets of transactions, as MySQL names them: which transactions of which server, by global transaction identifiers. In:
//! the text that servers print. Out: the set, its algebra, and the text again in one form for equal sets.
//!
//! The grammar is that of the manual ("GTID Format and Storage"), with the tags of MySQL 8.3 and later:
//! `uuid:1-5:9:tag:1-3,uuid:7`. A tag applies to the intervals that follow it. Transactions of one server with different
//! tags are counted apart: `uuid:1` and `uuid:tag:1` are two transactions.

mod intervals;
mod text;

use intervals::Intervals;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use text::{GtidError, MOST_BYTES};

/// A set of transactions. The order of two sets is a stable order of their forms, and says nothing about containment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GtidSet {
    /// By server and tag, none of them empty.
    parts: BTreeMap<Source, Intervals>,
}

/// Who counts: a server's UUID, and a tag; the transactions without one have the empty tag, which sorts first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Source {
    uuid: Uuid,
    tag: String,
}

/// The 128 bits of a server's UUID. Its order is that of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Uuid(u128);

impl GtidSet {
    /// Everything that is in one of the two.
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        for (source, intervals) in &other.parts {
            match union.parts.get_mut(source) {
                Some(ours) => *ours = ours.union(intervals),
                None => {
                    union.parts.insert(source.clone(), intervals.clone());
                }
            }
        }
        union
    }

    /// What is in this set and not in the other.
    pub fn subtract(&self, other: &Self) -> Self {
        self.each(|source, ours| match other.parts.get(source) {
            Some(theirs) => ours.subtract(theirs),
            None => ours.clone(),
        })
    }

    /// What is in both.
    pub fn intersect(&self, other: &Self) -> Self {
        self.each(|source, ours| match other.parts.get(source) {
            Some(theirs) => ours.intersect(theirs),
            None => Intervals::default(),
        })
    }

    /// Whether everything in the other set is in this one too. Each set contains itself and the empty set.
    pub fn contains(&self, other: &Self) -> bool {
        other.parts.iter().all(|(source, theirs)| self.parts.get(source).is_some_and(|ours| ours.contains(theirs)))
    }

    /// Whether there is no transaction in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// UUIDs of the servers whose transactions are in it, lower-case, each once, in order.
    pub fn uuids(&self) -> impl Iterator<Item = String> {
        let uuids: BTreeSet<Uuid> = self.parts.keys().map(|source| source.uuid).collect();
        uuids.into_iter().map(|uuid| uuid.to_string())
    }

    /// The set without the transactions of one server, whatever their tags. What is no UUID is no server.
    pub fn without_uuid(&self, uuid: &str) -> Self {
        let uuid = Uuid::parse(uuid);
        self.each(|source, ours| if Some(source.uuid) == uuid { Intervals::default() } else { ours.clone() })
    }

    /// The transactions of one server, whatever their tags. What is no UUID is no server.
    pub fn only_uuid(&self, uuid: &str) -> Self {
        let uuid = Uuid::parse(uuid);
        self.each(|source, ours| if Some(source.uuid) == uuid { ours.clone() } else { Intervals::default() })
    }

    /// How many transactions there are.
    pub fn transactions(&self) -> u128 {
        self.parts.values().map(Intervals::count).fold(0, u128::saturating_add)
    }

    /// The set for people, in at most `bytes` bytes: its text where that fits, else its beginning and how much it holds.
    pub fn summary(&self, bytes: usize) -> String {
        if self.is_empty() {
            return crate::text::truncate("nothing", bytes);
        }
        let text = self.to_string();
        if text.len() <= bytes {
            return text;
        }
        let servers = match self.uuids().count() {
            1 => "one server".to_owned(),
            many => format!("{many} servers"),
        };
        let much = format!(" ({} transactions of {servers})", self.transactions());
        let beginning = crate::text::truncate(&text, bytes.saturating_sub(much.len()));
        crate::text::truncate(&format!("{beginning}{much}"), bytes)
    }

    fn each(&self, part: impl Fn(&Source, &Intervals) -> Intervals) -> Self {
        let parts = self.parts.iter().map(|(source, ours)| (source.clone(), part(source, ours)));
        GtidSet { parts: parts.filter(|(_, intervals)| !intervals.is_empty()).collect() }
    }
}

impl fmt::Display for GtidSet {
    /// As servers print it, but without the line breaks after commas: sorted, merged, the UUID lower-case and once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (source, intervals) in &self.parts {
            if last != Some(source.uuid) {
                let comma = if last.is_some() { "," } else { "" };
                write!(f, "{comma}{}", source.uuid)?;
                last = Some(source.uuid);
            }
            if !source.tag.is_empty() {
                write!(f, ":{}", source.tag)?;
            }
            write!(f, "{intervals}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
