//! Decisions that do not settle: the digests of what a plugin wanted of each item come in; out comes whether it keeps
//! changing its mind though the user did not (G8). Progress is no flapping: an item may change many times on the way to a
//! new state, but it does not come back to an old one again and again, and it does not go on without end.

use model::{Decision, digest::Digest, snapshot::Instant};
use std::collections::{BTreeMap, VecDeque};

/// Changes of one item within [`WINDOW`] that are taken for a plugin that never settles.
const MOST_CHANGES: usize = 30;
/// Returns of one item to what it was before its last change.
const MOST_RETURNS: usize = 4;
/// Milliseconds.
const WINDOW: u64 = 10 * 60 * 1000;

/// What was decided for one resource lately.
#[derive(Clone, Debug, Default)]
pub struct Flapping {
    /// What the user wants; another wish starts the count again.
    wish: u64,
    items: BTreeMap<Box<str>, History>,
}

#[derive(Clone, Debug, Default)]
struct History {
    /// The last two different digests, newest first.
    last: [Option<Digest>; 2],
    changes: VecDeque<Instant>,
    returns: VecDeque<Instant>,
}

impl Flapping {
    /// Notes a decision and answers the id of an item that flaps. `wish` is everything that a user or an operator can
    /// say: a new one begins a new count.
    pub fn note(&mut self, wish: u64, decision: &Decision, now: Instant) -> Option<String> {
        if self.wish != wish {
            *self = Flapping { wish, items: BTreeMap::new() };
        }
        self.items.retain(|id, _| decision.items.iter().any(|item| item.id == **id));
        let mut flapping = None;
        // How a server should be follows what servers are: with each failover it goes back to what it was.
        for item in decision.items.iter().filter(|item| !matches!(item.body, model::Body::Mysql(_))) {
            let digest = match &item.body {
                model::Body::Kubernetes(body) => Digest::of(body),
                body => Digest::of_texts(&[&format!("{body:?}")]),
            };
            let history = self.items.entry(item.id.as_str().into()).or_default();
            if history.note(digest, now) {
                flapping.get_or_insert_with(|| item.id.clone());
            }
        }
        flapping
    }
}

impl History {
    fn note(&mut self, digest: Digest, now: Instant) -> bool {
        if self.last[0] != Some(digest) {
            if self.last[0].is_some() {
                self.changes.push_back(now);
            }
            if self.last[1] == Some(digest) {
                self.returns.push_back(now);
            }
            self.last = [Some(digest), self.last[0]];
        }
        for times in [&mut self.changes, &mut self.returns] {
            while times.front().is_some_and(|time| time.saturating_add(WINDOW) < now) {
                times.pop_front();
            }
        }
        self.changes.len() > MOST_CHANGES || self.returns.len() > MOST_RETURNS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        Body, Item,
        decision::{ReadyWhen, RemovalPolicy, UpdatePolicy},
    };
    use serde_json::json;

    fn decision(value: u32) -> Decision {
        let item = Item {
            id: "a".into(),
            after: Vec::new(),
            ready_when: ReadyWhen::Ready,
            update: UpdatePolicy::Apply,
            removal: RemovalPolicy::Delete,
            body: Body::Kubernetes(json!({ "data": value })),
        };
        Decision { items: vec![item], ..Decision::default() }
    }

    #[test]
    fn a_plugin_that_goes_back_and_forth_is_stopped() {
        let mut flapping = Flapping::default();
        let stopped = (0..20).position(|pass| flapping.note(1, &decision(pass % 2), u64::from(pass)).is_some());
        assert!(stopped.is_some_and(|pass| pass < 10), "{stopped:?}");
    }

    #[test]
    fn a_plugin_that_wants_something_new_at_each_look_is_stopped() {
        let mut flapping = Flapping::default();
        let stopped = (0..100).position(|pass| flapping.note(1, &decision(pass), u64::from(pass) * 1000).is_some());
        assert!(stopped.is_some_and(|pass| pass < 40), "{stopped:?}");
    }

    #[test]
    fn progress_and_rare_changes_are_no_flapping() {
        let mut flapping = Flapping::default();
        for pass in 0..20 {
            assert_eq!(flapping.note(1, &decision(pass), u64::from(pass) * 1000), None);
        }
        let mut flapping = Flapping::default();
        for pass in 0..100 {
            assert_eq!(flapping.note(1, &decision(pass % 2), u64::from(pass) * WINDOW), None);
        }
    }

    #[test]
    fn a_user_who_changes_the_resource_again_and_again_is_no_flapping() {
        let mut flapping = Flapping::default();
        for pass in 0..100 {
            assert_eq!(flapping.note(u64::from(pass), &decision(pass % 2), 1), None);
        }
    }
}
