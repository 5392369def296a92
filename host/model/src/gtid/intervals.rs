//! Sorted intervals of transaction numbers, and their algebra in one sweep each.

use std::fmt;

/// The highest number that a server gives or takes (`GNO_END` of the server, 2^63 - 1, is one beyond).
pub(super) const HIGHEST: u64 = i64::MAX as u64 - 1;

/// Numbers from 1 to [`HIGHEST`], as intervals from first to last. They are sorted, and between two of them at least one
/// number is missing, so that equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// Of intervals in any order, which may overlap. Those that end before they begin are empty.
    pub(super) fn of(mut intervals: Vec<(u64, u64)>) -> Self {
        intervals.retain(|(first, last)| first <= last);
        intervals.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Intervals(merged)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn count(&self) -> u128 {
        self.0.iter().map(|(first, last)| u128::from(*last) - u128::from(*first) + 1).sum()
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Intervals::of(self.0.iter().chain(&other.0).copied().collect())
    }

    pub(super) fn intersect(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some((our_first, our_last)), Some((their_first, their_last))) = (ours.peek(), theirs.peek()) {
            let (first, last) = (our_first.max(their_first), our_last.min(their_last));
            if first <= last {
                both.push((*first, *last));
            }
            // What ends first overlaps with nothing that follows.
            if our_last <= their_last {
                ours.next()
            } else {
                theirs.next()
            };
        }
        Intervals(both)
    }

    pub(super) fn subtract(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut theirs = other.0.iter().peekable();
        for (first, last) in &self.0 {
            let mut rest = *first;
            while let Some((their_first, their_last)) = theirs.peek() {
                if their_first > last {
                    break;
                }
                if *their_first > rest {
                    left.push((rest, their_first - 1));
                }
                rest = rest.max(their_last.saturating_add(1));
                if their_last > last {
                    // It may reach into our next interval too.
                    break;
                }
                theirs.next();
            }
            if rest <= *last {
                left.push((rest, *last));
            }
        }
        Intervals(left)
    }

    /// Whether all of the other's numbers are in here.
    pub(super) fn contains(&self, other: &Self) -> bool {
        let mut ours = self.0.iter().peekable();
        other.0.iter().all(|(first, last)| {
            while ours.next_if(|(_, end)| end < first).is_some() {}
            ours.peek().is_some_and(|(begin, end)| begin <= first && last <= end)
        })
    }
}

impl fmt::Display for Intervals {
    /// `:1-5:9`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (first, last) in &self.0 {
            write!(f, ":{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}
