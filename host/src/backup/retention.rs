//! Which backups are kept. In: the backups of a folder, the wish, the time. Out: which ones go. Pure.
//!
//! The newest good backup always stays, however old it is and whatever is wished. A damaged one counts for nothing: it goes
//! once as many good ones as are wished are newer, and never makes a good one go.

use super::name::Name;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// What is to be kept. With neither, everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Most good backups. Zero counts as one.
    pub count: Option<u32>,
    /// Greatest age in days, by the time at which they were finished.
    pub days: Option<u32>,
}

/// One backup that exists: its manifest is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its name.
    pub name: Name,
    /// When it was finished, in milliseconds since the Unix epoch.
    pub finished: u64,
    /// Its data is there, and as long as the manifest says.
    pub good: bool,
}

/// The backups that go, oldest first.
pub fn expired(existing: &[Existing], keep: Keep, now: u64) -> Vec<Name> {
    let mut sorted: Vec<&Existing> = existing.iter().collect();
    sorted.sort_by(|a, b| (b.finished, &b.name).cmp(&(a.finished, &a.name)));
    let too_old = |backup: &Existing| {
        keep.days.is_some_and(|days| now.saturating_sub(backup.finished) > u64::from(days).saturating_mul(DAY))
    };
    let mut newer_good = 0_u32;
    let mut gone = Vec::new();
    for backup in sorted {
        // Damaged ones wait too until one good backup is newer: while there is none, they may be all that can be saved.
        let surplus = newer_good > 0 && (keep.count.is_some_and(|count| newer_good >= count.max(1)) || too_old(backup));
        if surplus {
            gone.push(backup.name.clone());
        }
        newer_good = newer_good.saturating_add(u32::from(backup.good));
    }
    gone.reverse();
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backup(day: u64, good: bool) -> Existing {
        Existing { name: Name::new(day * DAY, 0), finished: day * DAY, good }
    }

    fn days(gone: &[Name]) -> Vec<&str> {
        gone.iter().map(|name| &name.as_str()[6..8]).collect()
    }

    #[test]
    fn the_oldest_ones_beyond_the_count_go() {
        let all: Vec<_> = (0..5).map(|day| backup(day, true)).collect();
        let keep = Keep { count: Some(3), days: None };
        assert_eq!(days(&expired(&all, keep, 5 * DAY)), ["01", "02"]);
    }

    #[test]
    fn those_that_are_too_old_go_but_for_the_newest_good_one() {
        let all = [backup(0, true), backup(1, true), backup(2, false)];
        let keep = Keep { count: None, days: Some(7) };
        assert_eq!(days(&expired(&all, keep, 8 * DAY)), ["01"]);
        assert_eq!(days(&expired(&all, keep, 1000 * DAY)), ["01"], "the damaged one waits for a good one after it");
    }

    #[test]
    fn a_damaged_one_never_takes_the_place_of_a_good_one() {
        let all = [backup(0, true), backup(1, false), backup(2, true), backup(3, false)];
        let keep = Keep { count: Some(2), days: None };
        assert_eq!(expired(&all, keep, 4 * DAY), Vec::new());
    }

    #[test]
    fn without_a_wish_everything_stays() {
        let all: Vec<_> = (0..50).map(|day| backup(day, day % 3 != 0)).collect();
        assert_eq!(expired(&all, Keep::default(), 9999 * DAY), Vec::new());
    }

    fn any_existing() -> impl Strategy<Value = Vec<Existing>> {
        prop::collection::vec((0u64..60 * DAY, any::<bool>()), 0..24).prop_map(|all| {
            let with_names = all.into_iter().zip(0u32..);
            with_names.map(|((finished, good), n)| Existing { name: Name::new(finished, n), finished, good }).collect()
        })
    }

    proptest! {
        #[test]
        fn what_retention_promises_holds_for_any_folder(
            existing in any_existing(),
            count in prop::option::of(0u32..9),
            max_days in prop::option::of(0u32..70),
            now in 0u64..90 * DAY,
        ) {
            let keep = Keep { count, days: max_days };
            let gone = expired(&existing, keep, now);
            let stays = |backup: &&Existing| !gone.contains(&backup.name);
            let good: Vec<_> = existing.iter().filter(|backup| backup.good).collect();
            // The newest good one stays.
            let newest = good.iter().max_by_key(|backup| (backup.finished, &backup.name));
            prop_assert!(newest.is_none_or(&stays));
            // Not more than wished stay, and not fewer than there were or were wished, unless they were too old.
            let kept: Vec<_> = good.iter().filter(|backup| stays(backup)).collect();
            if let Some(count) = count {
                let most = usize::try_from(count.max(1)).unwrap_or(usize::MAX);
                prop_assert!(kept.len() <= most);
                if max_days.is_none() {
                    prop_assert_eq!(kept.len(), good.len().min(most));
                }
            }
            // Nothing goes that is neither surplus nor too old; without a good backup nothing goes at all.
            if keep == Keep::default() || good.is_empty() {
                prop_assert!(gone.is_empty());
            }
            // What goes is older than everything good that stays because of the count alone.
            if max_days.is_none() {
                for name in &gone {
                    let this = existing.iter().find(|backup| backup.name == *name);
                    prop_assert!(this.is_some_and(|this| kept.iter().all(|kept| kept.finished >= this.finished)));
                }
            }
            // Asked again, nothing more goes.
            let rest: Vec<_> = existing.iter().filter(stays).cloned().collect();
            prop_assert_eq!(expired(&rest, keep, now), Vec::new());
        }

        #[test]
        fn two_that_clean_up_at_once_leave_the_newest_good_one(
            existing in any_existing(),
            seen_by_one in prop::collection::vec(any::<bool>(), 24),
            count in 1u32..5,
        ) {
            // The other one sees a part only: what is newer may not be there yet.
            let part: Vec<_> = existing.iter().zip(&seen_by_one).filter(|(_, seen)| **seen).map(|(b, _)| b.clone()).collect();
            let keep = Keep { count: Some(count), days: None };
            let both: Vec<_> = expired(&existing, keep, 0).into_iter().chain(expired(&part, keep, 0)).collect();
            let newest = existing.iter().filter(|backup| backup.good).max_by_key(|backup| (backup.finished, &backup.name));
            prop_assert!(newest.is_none_or(|newest| !both.contains(&newest.name)));
        }
    }
}
