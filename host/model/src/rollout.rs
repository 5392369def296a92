//! Which of two versions decides for a resource while a new one is brought in by parts, and when the next part follows.
//! A resource's uid and labels, the share and how the part is doing in; a yes or no, or the next step, out. No state: the
//! answer for a resource is the same in every pass and in every process.

use crate::related::Selector;
use crate::snapshot::Instant;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The part of the resources that the new version decides for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// None: it is only looked what it would do.
    Nobody,
    /// So many in a hundred, chosen by uid: a resource that is in a part is in every larger one.
    Percent(u8),
    /// Those with these labels.
    Labelled(Selector),
}

impl Share {
    /// Whether the new version decides for a resource.
    pub fn includes(&self, uid: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Share::Nobody => false,
            Share::Percent(percent) => place(uid) < u64::from(*percent) * (PLACES / 100),
            Share::Labelled(selector) => selector.matches(labels),
        }
    }
}

/// Places that uids are spread over.
const PLACES: u64 = 10_000;

/// The place of a uid: the first eight bytes of its SHA-256 as a number, modulo 10,000.
fn place(uid: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(uid.as_bytes()).into();
    let head = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    head % PLACES
}

/// How the part of the new version is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Resources in the part, without those that are paused or being deleted.
    pub total: usize,
    /// Of them, those that the new version has decided for.
    pub decided: usize,
    /// Of them, those with which it fails, and which did not fail before.
    pub failing: usize,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on as it is, until then at least; none: until something changes.
    Wait(Option<Instant>),
    /// The new version decides for so many in a hundred.
    Widen(u8),
    /// It decides for all.
    Promote,
    /// It is taken back.
    FallBack,
}

/// What follows for a part of `percent` that began at `since`. `steps` are the parts that are wanted, in any order; the
/// last one is always all. `pause` milliseconds lie between two steps, and everything in the part has to be in order.
pub fn next(percent: u8, since: Instant, steps: &[u8], pause: u64, health: Health, now: Instant) -> Next {
    if health.failing > 0 {
        return Next::FallBack;
    }
    let due = since.saturating_add(pause);
    if now < due {
        return Next::Wait(Some(due));
    }
    if health.decided < health.total {
        return Next::Wait(None);
    }
    match after(percent, steps) {
        100 => Next::Promote,
        wider => Next::Widen(wider),
    }
}

/// The part that follows one of `percent`: the next of the steps, or all.
pub fn after(percent: u8, steps: &[u8]) -> u8 {
    steps.iter().copied().filter(|step| *step > percent && *step < 100).min().unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn includes(percent: u8, uid: &str) -> bool {
        Share::Percent(percent).includes(uid, &BTreeMap::new())
    }

    #[test]
    fn steps_are_taken_one_by_one_and_end_with_all() {
        assert_eq!(after(0, &[50, 10]), 10);
        assert_eq!(after(10, &[50, 10]), 50);
        assert_eq!(after(50, &[50, 10]), 100);
        assert_eq!(after(0, &[]), 100);
    }

    #[test]
    fn a_part_waits_for_its_pause_and_for_every_resource_in_it() {
        let well = Health { total: 3, decided: 3, failing: 0 };
        assert_eq!(next(10, 1000, &[10, 50], 500, well, 1200), Next::Wait(Some(1500)));
        assert_eq!(next(10, 1000, &[10, 50], 500, Health { decided: 2, ..well }, 1600), Next::Wait(None));
        assert_eq!(next(10, 1000, &[10, 50], 500, well, 1600), Next::Widen(50));
        assert_eq!(next(50, 1000, &[10, 50], 500, well, 1600), Next::Promote);
        assert_eq!(next(10, 1000, &[10, 50], 500, Health { failing: 1, ..well }, 0), Next::FallBack);
    }

    #[test]
    fn a_label_chooses_whatever_the_uid_is() {
        let share = Share::Labelled(Selector::parse("track=canary").unwrap());
        assert!(share.includes("a", &BTreeMap::from([("track".into(), "canary".into())])));
        assert!(!share.includes("a", &BTreeMap::new()));
    }

    #[test]
    fn parts_of_many_uids_are_about_as_large_as_asked_for() {
        for percent in [1_u8, 10, 50, 99] {
            let count = (0..10_000).filter(|number| includes(percent, &format!("uid-{number}"))).count();
            let wanted = usize::from(percent) * 100;
            assert!(count.abs_diff(wanted) < 200, "{percent} %: {count}");
        }
    }

    proptest! {
        #[test]
        fn a_resource_stays_in_every_larger_part(uid in ".{0,40}", one in 0..=100_u8, two in 0..=100_u8) {
            let (small, large) = (one.min(two), one.max(two));
            prop_assert!(!includes(small, &uid) || includes(large, &uid));
            prop_assert!(!includes(0, &uid) && includes(100, &uid));
            prop_assert!(!Share::Nobody.includes(&uid, &BTreeMap::new()));
        }

        #[test]
        fn whatever_the_steps_a_healthy_part_ends_with_all(steps in proptest::collection::vec(any::<u8>(), 0..10)) {
            let (mut percent, mut taken) = (0, 0);
            while percent < 100 {
                let wider = after(percent, &steps);
                prop_assert!(wider > percent);
                (percent, taken) = (wider, taken + 1);
            }
            prop_assert!(taken <= steps.len() + 1);
        }
    }
}
