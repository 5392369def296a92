//! What acting on one resource taught, for the next plan: bodies that the API server will never take, and fields that
//! somebody else keeps changing back. Steps and what came of them in; whether a step is worth trying out.

use super::{
    Done, Trouble,
    kubernetes::{Class, Failure},
};
use model::{
    digest::Digest,
    plan::{Live, Reason, Step},
    snapshot::Instant,
};
use std::collections::{BTreeMap, VecDeque};

/// How often an edit of an object is taken back within [`WINDOW`]. One edit by a person is one; two programs that do
/// not know of each other would go on for ever.
const MOST_REVERTS: usize = 5;
/// Milliseconds.
const WINDOW: u64 = 10 * 60 * 1000;
/// How long a write that waits for a person or another program is not sent again, in milliseconds: at first, and at most.
/// A resource with servers is looked at each second, and such a write is no reason to send it each second.
const PAUSES: (u64, u64) = (1_000, 30_000);

/// What acting on one resource taught. Losing it costs some writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// By item: not sent again until they or the live object differ (D9), or its time is over.
    refusals: BTreeMap<String, Refusal>,
    /// By item.
    contests: BTreeMap<String, Contest>,
}

#[derive(Clone, Debug, PartialEq)]
struct Refusal {
    desired: Digest,
    live: Option<Live>,
    failure: Failure,
    /// None: a body that can never be taken.
    pause: Option<Pause>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Pause {
    until: Instant,
    /// Milliseconds.
    length: u64,
}

impl Refusal {
    /// Whether the step would send the same over the same object.
    fn is_of(&self, step: &Step) -> bool {
        let live = step.action.live();
        let same = match self.pause {
            // Whatever else changes in it, its body is not taken.
            None => self.live.as_ref().map(|live| &live.uid) == live.map(|live| &live.uid),
            Some(_) => self.live.as_ref() == live,
        };
        same && Some(self.desired) == step.action.desired_digest()
    }
}

/// Edits of one object that were taken back lately.
#[derive(Clone, Debug, Default, PartialEq)]
struct Contest {
    reverts: VecDeque<Instant>,
    /// Who made the last of them, as far as the API server told.
    editors: Vec<String>,
}

impl Past {
    /// Why a step is not worth trying; none when it is.
    pub(super) fn advises_against(&self, step: &Step, now: Instant) -> Option<Failure> {
        self.refused(step, now).or_else(|| self.contested(step, now))
    }

    fn refused(&self, step: &Step, now: Instant) -> Option<Failure> {
        let refusal = self.refusals.get(&step.item)?;
        (refusal.is_of(step) && refusal.pause.is_none_or(|pause| now < pause.until)).then(|| refusal.failure.clone())
    }

    fn contested(&self, step: &Step, now: Instant) -> Option<Failure> {
        let Reason::Drifted(fields) = &step.reason else { return None };
        let contest = self.contests.get(&step.item)?;
        let lately = contest.reverts.iter().filter(|revert| now < revert.saturating_add(WINDOW)).count();
        (lately >= MOST_REVERTS).then(|| Failure::Contested {
            fields: fields.iter().take(5).cloned().collect(),
            editors: contest.editors.clone(),
        })
    }

    /// Takes in what became of a step.
    pub(super) fn note(&mut self, step: &Step, outcome: &Result<Done, Trouble>, now: Instant) {
        match (outcome, step.action.desired_digest()) {
            (Err(Trouble::Failed(failure)), Some(desired)) => self.note_refusal(step, failure, desired, now),
            (Ok(done), _) => {
                self.refusals.remove(&step.item);
                self.note_revert(step, done, now);
            }
            (Err(_), _) => {}
        }
    }

    fn note_refusal(&mut self, step: &Step, failure: &Failure, desired: Digest, now: Instant) {
        let pause = match failure.class() {
            Class::Terminal => None,
            Class::Parked => {
                let before = self.refusals.get(&step.item).filter(|refusal| refusal.is_of(step));
                let before = before.and_then(|refusal| refusal.pause);
                if before.is_some_and(|pause| now < pause.until) {
                    // It was not tried.
                    return;
                }
                let length = before.map_or(PAUSES.0, |pause| pause.length * 2).min(PAUSES.1);
                Some(Pause { until: now.saturating_add(length), length })
            }
            Class::Observe | Class::Backoff => return,
        };
        let live = step.action.live().cloned();
        self.refusals.insert(step.item.clone(), Refusal { desired, live, failure: failure.clone(), pause });
    }

    fn note_revert(&mut self, step: &Step, done: &Done, now: Instant) {
        if !matches!(step.reason, Reason::Drifted(_)) {
            // Somebody wished for something new, or it was made anew: an old quarrel is over.
            self.contests.remove(&step.item);
        } else if done.changed {
            let contest = self.contests.entry(step.item.clone()).or_default();
            contest.reverts.push_back(now);
            while contest.reverts.len() > MOST_REVERTS {
                contest.reverts.pop_front();
            }
            contest.editors.clone_from(&done.editors);
        }
    }

    /// Forgets items that are not among these any more.
    pub fn only(&mut self, exists: impl Fn(&String) -> bool) {
        self.refusals.retain(|item, _| exists(item));
        self.contests.retain(|item, _| exists(item));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::{Kind, ObjectKey, plan::Action};
    use serde_json::json;

    fn step(reason: Reason) -> Step {
        let key = ObjectKey { kind: Kind::new("", "v1", "ConfigMap"), namespace: None, name: "c".into() };
        let live = Some(Live { uid: "u".into(), resource_version: "1".into() });
        let action = Action::Apply { key, object: json!({}), live, desired: Digest::of(&json!({})) };
        Step { item: "c".into(), wave: 0, needs: Vec::new(), action, reason }
    }

    fn drifted() -> Step {
        step(Reason::Drifted(vec!["data.value".into()]))
    }

    fn reverted() -> Result<Done, Trouble> {
        Ok(Done { changed: true, remember: None, editors: vec!["argo".into()] })
    }

    #[test]
    fn a_fight_over_a_field_ends_with_the_name_of_the_other_and_begins_again_only_later() {
        let mut past = Past::default();
        for now in 0..MOST_REVERTS as u64 {
            assert_eq!(past.advises_against(&drifted(), now), None);
            past.note(&drifted(), &reverted(), now);
        }
        let failure = past.advises_against(&drifted(), 10).unwrap();
        assert_eq!(failure.reason(), "Conflict");
        assert!(failure.to_string().contains("data.value") && failure.to_string().contains("argo"), "{failure}");
        assert_eq!(past.advises_against(&drifted(), WINDOW), None);
    }

    #[test]
    fn a_new_wish_ends_a_fight() {
        let mut past = Past::default();
        (0..5).for_each(|now| past.note(&drifted(), &reverted(), now));
        assert_eq!(past.advises_against(&step(Reason::Changed(Vec::new())), 6), None);
        past.note(&step(Reason::Changed(Vec::new())), &reverted(), 6);
        assert_eq!(past.advises_against(&drifted(), 7), None);
    }

    #[test]
    fn a_write_that_waits_for_somebody_is_sent_again_after_growing_pauses_or_when_its_object_changed() {
        let mut past = Past::default();
        let failure = Failure::Quota("exceeded quota".into());
        let refused = Err(Trouble::Failed(failure.clone()));
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            past.note(&drifted(), &refused, now);
            assert_eq!(past.advises_against(&drifted(), now + seconds * 1000 - 1), Some(failure.clone()));
            now += seconds * 1000;
            assert_eq!(past.advises_against(&drifted(), now), None);
        }
        past.note(&drifted(), &refused, now);
        let mut changed = drifted();
        let Action::Apply { live: Some(live), .. } = &mut changed.action else { unreachable!() };
        live.resource_version = "2".into();
        assert_eq!(past.advises_against(&changed, now), None);
    }

    #[test]
    fn a_body_that_was_rejected_is_not_sent_again() {
        let mut past = Past::default();
        let failure = Failure::Rejected("no".into());
        past.note(&drifted(), &Err(Trouble::Failed(failure.clone())), 0);
        assert_eq!(past.advises_against(&drifted(), 1), Some(failure));
    }
}
