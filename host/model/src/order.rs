//! The order of items: creation follows `after`, deletion goes the other way. In: ids and what each comes after. Out: an
//! order, or the circle that makes one impossible.

use std::collections::{BTreeMap, BTreeSet};

/// One item as the order sees it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its id.
    pub id: &'a str,
    /// Ids of what it comes after. Those that are not among the nodes are left out of account.
    pub after: &'a [String],
}

/// Positions of the nodes in an order in which each comes after what it comes after; otherwise as they were given. An
/// error holds the ids that are in, or behind, a circle.
pub fn creation(nodes: &[Node<'_>]) -> Result<Vec<usize>, Vec<String>> {
    let positions = positions(nodes);
    let mut missing: Vec<usize> = Vec::with_capacity(nodes.len());
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let before: BTreeSet<usize> = node.after.iter().filter_map(|id| positions.get(id.as_str()).copied()).collect();
        missing.push(before.len());
        for earlier in before {
            if let Some(followers) = followers.get_mut(earlier) {
                followers.push(at);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|at| missing.get(*at) == Some(&0)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for follower in followers.get(at).into_iter().flatten() {
            if let Some(count) = missing.get_mut(*follower) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert(*follower);
                }
            }
        }
    }
    if order.len() == nodes.len() {
        return Ok(order);
    }
    let done: BTreeSet<usize> = order.into_iter().collect();
    Err(nodes.iter().enumerate().filter(|(at, _)| !done.contains(at)).map(|(_, node)| node.id.to_owned()).collect())
}

/// For each node the positions of those that come after it, directly or through others: they must be gone before it may
/// go. Those that come after each other in a circle (a damaged record) do not hold each other up, or nothing would ever
/// go.
pub fn followers(nodes: &[Node<'_>]) -> Vec<BTreeSet<usize>> {
    let mut by_id: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        by_id.entry(node.id).or_default().push(at);
    }
    let mut direct: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for earlier in node.after.iter().filter_map(|id| by_id.get(id.as_str())).flatten() {
            if let Some(direct) = direct.get_mut(*earlier) {
                direct.push(at);
            }
        }
    }
    let reached: Vec<BTreeSet<usize>> = (0..nodes.len()).map(|from| reach(from, &direct)).collect();
    let mutual = |one: usize, two: usize| reached.get(two).is_some_and(|reached| reached.contains(&one));
    reached
        .iter()
        .enumerate()
        .map(|(at, set)| set.iter().copied().filter(|other| *other != at && !mutual(at, *other)).collect())
        .collect()
}

fn reach(from: usize, direct: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for next in direct.get(at).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

fn positions<'a>(nodes: &[Node<'a>]) -> BTreeMap<&'a str, usize> {
    let mut positions = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        positions.entry(node.id).or_insert(at);
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes<'a>(spec: &'a [(&'a str, Vec<String>)]) -> Vec<Node<'a>> {
        spec.iter().map(|(id, after)| Node { id, after }).collect()
    }

    fn after(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn each_comes_after_what_it_comes_after_and_else_as_given() {
        let spec = [("c", after(&["b"])), ("x", after(&[])), ("b", after(&["a"])), ("a", after(&["gone"]))];
        assert_eq!(creation(&nodes(&spec)), Ok(vec![1, 3, 2, 0]));
    }

    #[test]
    fn a_circle_is_named() {
        let spec = [("a", after(&["b"])), ("b", after(&["a"])), ("c", after(&[])), ("d", after(&["d"]))];
        assert_eq!(creation(&nodes(&spec)), Err(after(&["a", "b", "d"])));
    }

    #[test]
    fn what_comes_after_is_followed_through_others() {
        let spec = [("a", after(&[])), ("b", after(&["a"])), ("c", after(&["b"]))];
        assert_eq!(followers(&nodes(&spec)), [BTreeSet::from([1, 2]), BTreeSet::from([2]), BTreeSet::new()]);
    }

    #[test]
    fn a_circle_does_not_hold_itself_up_but_does_hold_up_others() {
        let spec = [("a", after(&["b"])), ("b", after(&["a"])), ("base", after(&[])), ("c", after(&["base", "a"]))];
        let followers = followers(&nodes(&spec));
        assert_eq!(followers, [BTreeSet::from([3]), BTreeSet::from([3]), BTreeSet::from([3]), BTreeSet::new()]);
    }
}
