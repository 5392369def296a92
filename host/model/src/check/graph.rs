//! Ids and order of a decision. In: its items. Out: what is wrong with them among themselves.

use super::{Problem, Rule};
use crate::decision::Item;
use crate::names::syntax;
use crate::order;
use crate::plan::{Desired, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Bad and doubled ids, items that come after unknown ones, circles.
pub(crate) fn problems(items: &[Item]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for item in items {
        if let Err(why) = syntax::item_id(&item.id) {
            problems.push(Problem::new(Rule::InvalidId, &item.id, &why));
        }
        if !ids.insert(item.id.as_str()) {
            problems.push(Problem::new(Rule::DuplicateId, &item.id, "more than one item has this id"));
        }
    }
    for item in items {
        for earlier in item.after.iter().filter(|id| !ids.contains(id.as_str())) {
            let why = format!("comes after {earlier}, which is not in the decision");
            problems.push(Problem::new(Rule::UnknownAfter, &item.id, &why));
        }
    }
    let nodes: Vec<order::Node<'_>> =
        items.iter().map(|item| order::Node { id: &item.id, after: &item.after }).collect();
    if let Err(circle) = order::creation(&nodes) {
        let first = circle.first().cloned().unwrap_or_default();
        let why = format!("these items come after each other in a circle, or after one: {}", circle.join(", "));
        problems.push(Problem::new(Rule::Cycle, &first, &why));
    }
    problems
}

/// Two items that are one object.
pub(crate) fn targets_twice(desired: &[Desired]) -> Vec<Problem> {
    let mut seen: BTreeMap<Place, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for one in desired {
        let id = one.entry.id.as_str();
        match seen.get(&Place::of(&one.entry.target)) {
            Some(other) => {
                let why = format!("{} is also what item {other} is", one.entry.target);
                problems.push(Problem::new(Rule::DuplicateTarget, id, &why));
            }
            None => {
                seen.insert(Place::of(&one.entry.target), id);
            }
        }
    }
    problems
}
