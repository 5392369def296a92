//! From facts and a decision to a plan that is not checked yet. In: both. Out: what to do to get there, in order. Never
//! panics and never refuses: what is wrong is collected for the check.

use super::change::{Change, Readied};
use super::{Content, Desired, Place, Plan, Proposed, Step, Waiting, change, desired, removal, rolling};
use crate::check::{Problem, Rule, size};
use crate::decision::{Decision, ReadyWhen, UpdatePolicy};
use crate::facts::Facts;
use crate::inventory::{Inventory, Target};
use crate::order;
use crate::ready;
use std::collections::{BTreeMap, BTreeSet};

/// What would have to be done so that what is observed becomes what is desired. The same inputs give the same plan.
pub fn propose(facts: &Facts, decision: &Decision) -> Plan<Proposed> {
    let (desired, mut problems) = desired::all(decision, facts);
    let mut body = Content::default();
    if facts.resource.paused() {
        // No side effects at all, cleanup included (F10); not even a refusal is worth more than that.
        body.paused = true;
        body.inventory = facts.inventory.clone().unwrap_or_default();
        return Plan { body, state: Proposed::default() };
    }
    let listed = match &facts.inventory {
        Ok(inventory) => inventory.clone(),
        Err(error) => {
            problems.push(Problem::new(Rule::InventoryUnreadable, "", &error.to_string()));
            Inventory::default()
        }
    };
    problems.extend(size::status_problems(&decision.status));
    if !problems.is_empty() {
        return Plan { body, state: Proposed { problems, desired, ..Proposed::default() } };
    }
    let nodes: Vec<order::Node<'_>> =
        desired.iter().map(|one| order::Node { id: &one.entry.id, after: &one.entry.after }).collect();
    // Circles are problems and were found above, so that there always is an order here.
    let order = order::creation(&nodes).unwrap_or_default();
    let settled = converge(&desired, &order, facts, &listed, &mut body, &mut problems);
    let removals = removal::plan(&desired, &settled, facts, &listed, &mut body);
    body.inventory = inventory(&desired, &order, &listed, &removals.remaining);
    body.finished =
        facts.resource.deleting && decision.items.is_empty() && removals.remaining.is_empty() && body.settled();
    let overlaid = desired.iter().filter(|one| one.update == UpdatePolicy::Overlay);
    body.overlaid = overlaid.map(|one| one.entry.id.clone()).collect();
    body.inventory_changed = body.inventory != listed && !body.finished;
    Plan { body, state: Proposed { problems, desired, omitted: removals.omitted, existing: removals.existing } }
}

/// How far an item is, as those that come after it see it.
#[derive(Clone, Debug)]
enum Progress {
    /// As desired. Whether it satisfies `ready_when`, and if not why.
    Settled { satisfied: bool, why: String },
    /// A step of this plan makes it so; what comes after may run in a later wave.
    Stepped { wave: u32 },
    /// Not in this pass.
    Later(String),
}

/// Steps for all desired items. Returns which of them are as desired and ready.
fn converge(
    desired: &[Desired],
    order: &[usize],
    facts: &Facts,
    listed: &Inventory,
    body: &mut Content,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, bool> {
    let changes: Vec<Change> = desired.iter().map(|one| change::of(one, facts, listed)).collect();
    let held = rolling::held(desired, &changes);
    let mut progress: BTreeMap<&str, Progress> = BTreeMap::new();
    let mut settled = BTreeMap::new();
    for at in order {
        let (Some(one), Some(change)) = (desired.get(*at), changes.get(*at)) else { continue };
        let id = one.entry.id.as_str();
        let now = match change {
            Change::None { ready } => {
                body.unchanged += 1;
                settle(one, ready)
            }
            // It is nobody's fault and no work of ours: the resource can be settled without it.
            Change::Absent(why) => Progress::Later(why.clone()),
            Change::Collision(why) => {
                problems.push(Problem::new(Rule::NameCollision, id, why));
                Progress::Later(why.clone())
            }
            Change::Blocked(blocked) => {
                body.blocked.push(blocked.clone());
                Progress::Later(blocked.message.clone())
            }
            Change::Wait(why) => {
                body.wait(id, Vec::new(), why.clone());
                Progress::Later(why.clone())
            }
            Change::Needed { action, reason, .. } => match (held.get(at), clearance(one, &progress)) {
                (Some((on, why)), _) => {
                    body.wait(id, on.clone(), why.clone());
                    Progress::Later(why.clone())
                }
                (None, Err((on, why))) => {
                    body.wait(id, on, why.clone());
                    Progress::Later(why)
                }
                (None, Ok((wave, needs))) => {
                    let step =
                        Step { item: id.to_owned(), wave, needs, action: (**action).clone(), reason: reason.clone() };
                    body.steps.push(step);
                    after_step(one, change, wave)
                }
            },
        };
        settled.insert(id.to_owned(), matches!(now, Progress::Settled { satisfied: true, .. }));
        progress.insert(id, now);
    }
    settled
}

fn settle(one: &Desired, ready: &Readied) -> Progress {
    match one.ready_when {
        ReadyWhen::Exists => Progress::Settled { satisfied: true, why: String::new() },
        ReadyWhen::Ready => Progress::Settled { satisfied: ready.ready, why: ready.reason.clone() },
    }
}

/// What a step leaves for those that come after its item.
fn after_step(one: &Desired, change: &Change, wave: u32) -> Progress {
    let recreated = match change {
        Change::Needed { action, .. } => matches!(**action, super::Action::Recreate { .. }),
        Change::None { .. } | Change::Absent(_) | Change::Wait(_) | Change::Blocked(_) | Change::Collision(_) => false,
    };
    let by_existence = match &one.entry.target {
        Target::Object(key) | Target::Secret(key) => ready::by_existence(&key.kind),
        Target::External { .. } => false,
    };
    if recreated {
        Progress::Later("is deleted first, to be created again".into())
    } else if one.ready_when == ReadyWhen::Exists || by_existence {
        Progress::Stepped { wave }
    } else {
        Progress::Later("is created or changed in this pass".into())
    }
}

/// Whether everything that the item comes after lets it go on: the wave, and the steps that must succeed before. Else
/// what it waits for.
fn clearance(one: &Desired, progress: &BTreeMap<&str, Progress>) -> Result<(u32, Vec<String>), (Vec<String>, String)> {
    let mut wave = 0;
    let mut needs = Vec::new();
    let mut on = Vec::new();
    let mut why = String::new();
    for earlier in &one.entry.after {
        let reason = match progress.get(earlier.as_str()) {
            Some(Progress::Settled { satisfied: true, .. }) => continue,
            Some(Progress::Stepped { wave: earlier_wave }) => {
                wave = wave.max(earlier_wave.saturating_add(1));
                needs.push(earlier.clone());
                continue;
            }
            Some(Progress::Settled { why, .. } | Progress::Later(why)) => why.as_str(),
            None => "is not in the decision",
        };
        if on.is_empty() {
            why = format!("waits for {earlier}: {reason}");
        }
        on.push(earlier.clone());
    }
    if on.is_empty() { Ok((wave, needs)) } else { Err((on, crate::text::bounded(&why, 512))) }
}

/// What is listed stays in its place, so that an unchanged set gives an unchanged text; what is new follows in order.
fn inventory(
    desired: &[Desired],
    order: &[usize],
    listed: &Inventory,
    remaining: &[crate::inventory::Entry],
) -> Inventory {
    let (owned, others): (Vec<&Desired>, Vec<&Desired>) = desired.iter().partition(|one| one.owns());
    let mut wanted: BTreeMap<Place, &crate::inventory::Entry> =
        owned.iter().map(|one| (Place::of(&one.entry.target), &one.entry)).collect();
    // What was made once, and is only laid over now, stays written down.
    let overlaid: BTreeSet<Place> = others.iter().map(|one| Place::of(&one.entry.target)).collect();
    let mut left: BTreeMap<Place, &crate::inventory::Entry> =
        remaining.iter().map(|entry| (Place::of(&entry.target), entry)).collect();
    let mut entries = Vec::with_capacity(desired.len() + remaining.len());
    for old in &listed.entries {
        let place = Place::of(&old.target);
        let laid_over = || overlaid.contains(&place).then_some(old).filter(|old| old.target.object().is_some());
        entries.extend(wanted.remove(&place).or_else(|| left.remove(&place)).or_else(laid_over).cloned());
    }
    entries.extend(remaining.iter().filter(|entry| left.contains_key(&Place::of(&entry.target))).cloned());
    let new = order.iter().filter_map(|at| desired.get(*at)).map(|one| &one.entry);
    entries.extend(new.filter(|entry| wanted.contains_key(&Place::of(&entry.target))).cloned());
    Inventory { entries }
}

impl Content {
    pub(super) fn wait(&mut self, item: &str, on: Vec<String>, why: String) {
        self.waiting.push(Waiting { item: item.to_owned(), on, why, removal: false });
    }

    pub(super) fn settled(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_empty() && self.blocked.is_empty()
    }

    /// Steps of one wave side by side, otherwise in the order in which they were found.
    pub(super) fn sort(&mut self) {
        self.steps.sort_by_key(|step| step.wave);
    }
}
