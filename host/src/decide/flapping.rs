//! Decisions that do not settle: the digests of what a plugin wanted of each item come in; out comes whether it keeps
//! changing its mind though the user did not, and in which field (G8). Progress is no flapping: an item may change many
//! times on the way to a new state, but it does not come back to an old one again and again, and it does not go on without
//! end.
//! Nor is a decision that follows what is not answered: whoever sees less for a while may want less, as often as that is so.

use super::determinism;
use model::{Body, Decision, digest::Digest, snapshot::Instant};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

/// Changes of one item within [`WINDOW`] that are taken for a plugin that never settles.
const MOST_CHANGES: usize = 30;
/// Returns of one item to what it was before its last change.
const MOST_RETURNS: usize = 4;
/// Milliseconds.
const WINDOW: u64 = 10 * 60 * 1000;

/// What was decided for one resource lately.
#[derive(Clone, Debug, Default)]
pub struct Flapping {
    circumstances: Circumstances,
    items: BTreeMap<Box<str>, History>,
}

/// What may change a decision without it being the plugin's whim, as digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Everything that a user or an operator can say. Another wish starts the count again.
    pub wish: u64,
    /// What gave no answer, and why. Changes of items that come with a change of this are not counted.
    pub unanswered: u64,
}

/// An item that does not settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flap {
    /// Its id.
    pub item: String,
    /// The first field that is wanted otherwise than it is, where that was seen.
    pub field: Option<String>,
}

impl fmt::Display for Flap {
    /// `config, field data.time`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}, field {field}", self.item),
            None => f.write_str(&self.item),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct History {
    /// The field that flaps, once it was found to.
    field: Option<Box<str>>,
    /// The last two different digests, newest first.
    last: [Option<Digest>; 2],
    changes: VecDeque<Instant>,
    returns: VecDeque<Instant>,
}

impl Flapping {
    /// Notes a decision and answers an item that flaps. `live` is the object of an item, as the decisions before left it.
    pub fn note(
        &mut self,
        circumstances: Circumstances,
        decision: &Decision,
        live: impl Fn(&str) -> Option<Value>,
        now: Instant,
    ) -> Option<Flap> {
        let before = std::mem::replace(&mut self.circumstances, circumstances);
        if before.wish != circumstances.wish {
            self.items.clear();
        }
        let counts = before.unanswered == circumstances.unanswered;
        self.items.retain(|id, _| decision.items.iter().any(|item| item.id == **id));
        let mut flapping = None;
        // How a server should be follows what servers are: with each failover it goes back to what it was.
        for item in decision.items.iter().filter(|item| !matches!(item.body, Body::Mysql(_))) {
            let digest = match &item.body {
                Body::Kubernetes(body) => Digest::of(body),
                body => Digest::of_texts(&[&format!("{body:?}")]),
            };
            let history = self.items.entry(item.id.as_str().into()).or_default();
            if history.note(digest, counts, now) {
                if history.field.is_none()
                    && let (Body::Kubernetes(wanted), Some(live)) = (&item.body, live(&item.id))
                {
                    history.field = determinism::first_unmet(wanted, &live).map(String::into_boxed_str);
                }
                let field = history.field.as_deref().map(str::to_owned);
                flapping.get_or_insert_with(|| Flap { item: item.id.clone(), field });
            }
        }
        flapping
    }
}

impl History {
    fn note(&mut self, digest: Digest, counts: bool, now: Instant) -> bool {
        if self.last[0] != Some(digest) {
            if counts && self.last[0].is_some() {
                self.changes.push_back(now);
            }
            if counts && self.last[1] == Some(digest) {
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
    use model::Item;
    use model::decision::{ReadyWhen, RemovalPolicy, UpdatePolicy};
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

    fn nothing(_: &str) -> Option<Value> {
        None
    }

    fn wish(wish: u64) -> Circumstances {
        Circumstances { wish, unanswered: 0 }
    }

    #[test]
    fn a_plugin_that_goes_back_and_forth_is_stopped() {
        let mut flapping = Flapping::default();
        // What is there was wanted one look ago.
        let live = |pass: u32| move |_: &str| Some(json!({ "data": (pass + 1) % 2, "status": {} }));
        let stopped = (0..20).find_map(|pass| {
            let flap = flapping.note(wish(1), &decision(pass % 2), live(pass), u64::from(pass));
            flap.map(|flap| (pass, flap.to_string()))
        });
        assert_eq!(stopped, Some((6, "a, field data".into())));
        // It is said in the same words when what is there happens to be what is wanted.
        let flap = flapping.note(wish(1), &decision(1), live(0), 21).unwrap();
        assert_eq!(flap.to_string(), "a, field data");
    }

    #[test]
    fn a_plugin_that_wants_something_new_at_each_look_is_stopped() {
        let mut flapping = Flapping::default();
        let stopped = (0..100)
            .position(|pass| flapping.note(wish(1), &decision(pass), nothing, u64::from(pass) * 1000).is_some());
        assert!(stopped.is_some_and(|pass| pass < 40), "{stopped:?}");
    }

    #[test]
    fn progress_and_rare_changes_are_no_flapping() {
        let mut flapping = Flapping::default();
        for pass in 0..20 {
            assert_eq!(flapping.note(wish(1), &decision(pass), nothing, u64::from(pass) * 1000), None);
        }
        let mut flapping = Flapping::default();
        for pass in 0..100 {
            assert_eq!(flapping.note(wish(1), &decision(pass % 2), nothing, u64::from(pass) * WINDOW), None);
        }
    }

    #[test]
    fn a_user_who_changes_the_resource_again_and_again_is_no_flapping() {
        let mut flapping = Flapping::default();
        for pass in 0..100 {
            assert_eq!(flapping.note(wish(u64::from(pass)), &decision(pass % 2), nothing, 1), None);
        }
    }

    #[test]
    fn a_plugin_that_wants_less_whenever_something_gives_no_answer_does_not_flap() {
        let mut flapping = Flapping::default();
        for pass in 0..100u32 {
            let silent = pass % 2;
            let circumstances = Circumstances { wish: 1, unanswered: silent.into() };
            assert_eq!(flapping.note(circumstances, &decision(silent), nothing, u64::from(pass)), None);
        }
        // Its own whims are counted beside that.
        let stopped = (0..100u32).position(|pass| {
            let circumstances = Circumstances { wish: 1, unanswered: u64::from(pass / 2 % 2) };
            flapping.note(circumstances, &decision(pass % 2), nothing, u64::from(pass)).is_some()
        });
        assert!(stopped.is_some_and(|pass| pass < 20), "{stopped:?}");
    }
}
