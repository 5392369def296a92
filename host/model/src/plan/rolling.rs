//! One at a time: items with the update policy `rolling` and the same `after` form a group, of which one is touched, and
//! none while another is not ready. In: what each item needs. Out: which of them must wait, and for what.

use super::Desired;
use super::change::Change;
use crate::decision::UpdatePolicy;
use std::collections::{BTreeMap, BTreeSet};

/// Positions of the items that must wait for another of their group, with that one's id and why.
pub(super) fn held(desired: &[Desired], changes: &[Change]) -> BTreeMap<usize, (Vec<String>, String)> {
    let mut groups: BTreeMap<BTreeSet<&str>, Vec<usize>> = BTreeMap::new();
    for (at, one) in desired.iter().enumerate() {
        if one.update == UpdatePolicy::Rolling {
            groups.entry(one.entry.after.iter().map(String::as_str).collect()).or_default().push(at);
        }
    }
    let mut held = BTreeMap::new();
    for group in groups.values() {
        let state = |at: &usize| changes.get(*at).map_or(State::Unsure, state);
        let first = |wanted: State| group.iter().find(|at| state(at) == wanted).copied();
        // Touching what does not serve anyway takes nothing away. Else nothing is touched beside one that is not ready.
        let turn = match first(State::BrokenAndDue) {
            Some(at) => Some(at),
            None if first(State::Unsure).is_some() => None,
            None => group.iter().find(|at| matches!(state(at), State::Due | State::Missing)).copied(),
        };
        let blame = turn.or_else(|| first(State::Unsure));
        let id = blame.and_then(|at| desired.get(at)).map(|one| one.entry.id.clone()).unwrap_or_default();
        for at in group {
            if Some(*at) != turn && matches!(state(at), State::BrokenAndDue | State::Due | State::Missing) {
                held.insert(*at, (vec![id.clone()], format!("one at a time: waits for {id}")));
            }
        }
    }
    held
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// As desired and ready.
    Fine,
    /// Not ready, or nobody knows, and nothing is to be done about it now.
    Unsure,
    /// There, not ready, and to be changed.
    BrokenAndDue,
    /// There, ready, and to be changed.
    Due,
    /// To be created.
    Missing,
}

fn state(change: &Change) -> State {
    match change {
        Change::None { ready } if ready.ready => State::Fine,
        Change::None { .. } | Change::Absent(_) | Change::Wait(_) | Change::Blocked(_) | Change::Collision(_) => {
            State::Unsure
        }
        Change::Needed { ready: None, .. } => State::Missing,
        Change::Needed { ready: Some(true), .. } => State::Due,
        Change::Needed { ready: Some(false), .. } => State::BrokenAndDue,
    }
}
