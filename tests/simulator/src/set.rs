//! Sets of transactions, reckoned apart from the host's own GTID sets: what judges the product shares no code with it.
//! In: transactions. Out: sets, and their text as servers print it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Number of a server that ever was: its place among all server uuids of one simulation.
pub type Origin = u32;

/// One transaction: the server that it was committed on first, and its number there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// Where it came from.
    pub origin: Origin,
    /// Its number.
    pub number: u32,
}

/// The uuid of an origin, as a server has it.
pub fn uuid(origin: Origin) -> String {
    format!("{origin:08x}-5113-4000-8000-000000000000")
}

/// A set of transactions. Ranges include both ends, are in order and do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(BTreeMap<Origin, Vec<(u32, u32)>>);

impl Set {
    /// No transaction at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is one of them.
    pub fn contains(&self, gtid: Gtid) -> bool {
        self.0
            .get(&gtid.origin)
            .is_some_and(|ranges| ranges.iter().rev().any(|(first, last)| (*first..=*last).contains(&gtid.number)))
    }

    /// Adds one.
    pub fn insert(&mut self, gtid: Gtid) {
        self.insert_range(gtid.origin, gtid.number, gtid.number);
    }

    fn insert_range(&mut self, origin: Origin, first: u32, last: u32) {
        let ranges = self.0.entry(origin).or_default();
        // Mostly the next one of the last range.
        if let Some(end) = ranges.last_mut()
            && first > end.0
            && first <= end.1 + 1
        {
            end.1 = end.1.max(last);
            return;
        }
        ranges.push((first, last));
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges.drain(..) {
            match merged.last_mut() {
                Some(end) if first <= end.1 + 1 => end.1 = end.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        *ranges = merged;
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Set) {
        for (origin, ranges) in &other.0 {
            for (first, last) in ranges {
                self.insert_range(*origin, *first, *last);
            }
        }
    }

    /// Both together.
    pub fn union(&self, other: &Set) -> Set {
        let mut union = self.clone();
        union.extend(other);
        union
    }

    /// Those that the other has not.
    pub fn minus(&self, other: &Set) -> Set {
        let mut left = Set::default();
        for (origin, ranges) in &self.0 {
            let empty = Vec::new();
            let taken = other.0.get(origin).unwrap_or(&empty);
            for (first, last) in ranges {
                let mut next = *first;
                for (from, to) in taken.iter().filter(|(from, to)| to >= first && from <= last) {
                    if next < *from {
                        left.insert_range(*origin, next, from - 1);
                    }
                    next = next.max(to + 1);
                }
                if next <= *last {
                    left.insert_range(*origin, next, *last);
                }
            }
        }
        left
    }

    /// Whether the other has all of it.
    pub fn within(&self, other: &Set) -> bool {
        self.minus(other).is_empty()
    }

    /// The servers that its transactions came from.
    pub fn origins(&self) -> impl Iterator<Item = Origin> + '_ {
        self.0.keys().copied()
    }

    /// The lowest number of an origin that is not in it: what a server gives to its next transaction.
    pub fn next_of(&self, origin: Origin) -> u32 {
        match self.0.get(&origin).and_then(|ranges| ranges.first()) {
            Some((1, last)) => last + 1,
            _ => 1,
        }
    }

    /// How many.
    pub fn len(&self) -> u32 {
        self.0.values().flatten().map(|(first, last)| last - first + 1).sum()
    }

    /// Reads the text of a set whose uuids are all of this simulation. None: it is not such a text.
    pub fn parse(text: &str) -> Option<Set> {
        let mut set = Set::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (uuid, ranges) = part.split_once(':')?;
            let origin = Origin::from_str_radix(uuid.get(..8)?, 16).ok()?;
            for range in ranges.split(':') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                set.insert_range(origin, first.trim().parse().ok()?, last.trim().parse().ok()?);
            }
        }
        Some(set)
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (origin, ranges)) in self.0.iter().enumerate() {
            if index > 0 {
                // Servers break the line after each comma.
                f.write_str(",\n")?;
            }
            f.write_str(&uuid(*origin))?;
            for (first, last) in ranges {
                f.write_char(':')?;
                if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn of(numbers: &[(Origin, u32)]) -> Set {
        let mut set = Set::default();
        numbers.iter().for_each(|(origin, number)| set.insert(Gtid { origin: *origin, number: *number }));
        set
    }

    #[test]
    fn sets_reckon_as_sets_of_single_transactions_do() {
        let all: Vec<(Origin, u32)> = (0..2).flat_map(|origin| (1..5).map(move |number| (origin, number))).collect();
        let pick = |bits: u32| all.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, g)| *g).collect();
        for left in 0..256_u32 {
            for right in 0..256_u32 {
                let (one, two): (Vec<_>, Vec<_>) = (pick(left), pick(right));
                let (a, b) = (of(&one), of(&two));
                assert_eq!(a.minus(&b), of(&pick(left & !right)), "{one:?} {two:?}");
                assert_eq!(a.union(&b), of(&pick(left | right)));
                assert_eq!(a.within(&b), left & !right == 0);
                assert_eq!(a.len(), one.iter().collect::<BTreeSet<_>>().len() as u32);
            }
        }
    }

    #[test]
    fn the_text_of_a_set_reads_back() {
        let set = of(&[(1, 1), (1, 2), (1, 4), (7, 9)]);
        assert_eq!(Set::parse(&set.to_string()).unwrap(), set);
        assert_eq!(set.to_string(), format!("{}:1-2:4,\n{}:9", uuid(1), uuid(7)));
        assert_eq!(set.next_of(1), 3);
        assert_eq!(set.next_of(7), 1);
    }
}
