//! How much may go because a decision left it out. In: a plan and what would go. Out: the plan without the removals that
//! need a human's word; what is held back stays in place, in the inventory, and is reported.
//!
//! The budget looks at everything that the decision left out, not at what this pass would delete of it: a pass deletes in
//! order, and a budget for each pass would only slow a mistake down. Creations and changes go on, because they take
//! nothing away and do not depend on removals. While the decision as a whole looks like a mistake (nothing desired, or
//! more than half left out), objects are neither recreated nor let go of either.

use super::Rule;
use crate::facts::Facts;
use crate::inventory::{Backend, Entry, Target};
use crate::kind::Kind;
use crate::names;
use crate::plan::{Action, Blocked, Content, Desired, Existing, Place, Proposed, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// Takes out of the plan what the budget does not cover.
pub(super) fn enforce(body: &mut Content, proposed: &Proposed, facts: &Facts) {
    let held = held(proposed, facts);
    if let Some(rule) = suspicion(proposed, facts) {
        hold_whole(body, facts, rule);
    }
    recreations(body, &proposed.desired, facts);
    for (entry, rule) in held.into_values() {
        hold(body, entry, rule);
    }
}

fn held<'a>(proposed: &'a Proposed, facts: &Facts) -> BTreeMap<Place, (&'a Entry, Rule)> {
    let Proposed { problems: _, desired: _, omitted, existing } = proposed;
    let mut held = BTreeMap::new();
    if facts.resource.deleting {
        return held;
    }
    let mut add = |entry: &'a Entry, rule| {
        held.entry(Place::of(&entry.target)).or_insert((entry, rule));
    };
    if let Some(rule) = suspicion(proposed, facts) {
        omitted.iter().for_each(|entry| add(entry, rule));
    }
    omitted.iter().filter(|entry| is_data(&entry.target)).for_each(|entry| add(entry, Rule::DataByOmission));
    for entry in all_of_a_stateful_kind(omitted, existing) {
        add(entry, Rule::AllOfStatefulKind);
    }
    held
}

/// Why the decision as a whole looks like a mistake, if it does.
fn suspicion(proposed: &Proposed, facts: &Facts) -> Option<Rule> {
    let Proposed { problems: _, desired, omitted, existing } = proposed;
    if facts.resource.deleting {
        None
    } else if !desired.iter().any(Desired::owns) {
        Some(Rule::EmptyDesiredSet)
    } else if omitted.len() > (existing.len() / 2).max(1) {
        Some(Rule::TooManyDeletions)
    } else {
        None
    }
}

/// Entries of kinds that hold state, of which nothing that is ready would stay.
fn all_of_a_stateful_kind<'a>(omitted: &'a [Entry], existing: &[Existing]) -> Vec<&'a Entry> {
    let staying: BTreeSet<&str> =
        existing.iter().filter(|one| one.stays).filter_map(|one| stateful(&one.target)).collect();
    omitted.iter().filter(|entry| stateful(&entry.target).is_some_and(|class| !staying.contains(class))).collect()
}

/// A word for the kind of state that a thing holds; things with the same word stand in for each other.
fn stateful(target: &Target) -> Option<&'static str> {
    match target {
        Target::Secret(_) => Some("Secret"),
        Target::Object(key) if is(&key.kind, "", "PersistentVolumeClaim") => Some("PersistentVolumeClaim"),
        Target::Object(key) if is(&key.kind, "apps", "StatefulSet") => Some("StatefulSet"),
        Target::Object(_) => None,
        Target::External { backend: Backend::Azure, .. } => Some("azure"),
        Target::External { backend: Backend::Vault, .. } => Some("vault"),
        Target::External { backend: Backend::Mysql, .. } => None,
    }
}

/// Things whose deletion destroys data that nobody can make again. Of Azure that is everything but what is known to hold
/// none: a new type of resource is one more server until it is known not to be.
fn is_data(target: &Target) -> bool {
    match target {
        Target::Object(key) => {
            is(&key.kind, "", "PersistentVolumeClaim")
                || is(&key.kind, "", "PersistentVolume")
                || is(&key.kind, "", "Namespace")
        }
        Target::Secret(_) => false,
        Target::External { backend: Backend::Azure, name, .. } => {
            let name = name.to_ascii_lowercase();
            let last = name.rsplit('/').nth(1).unwrap_or_default();
            !matches!(
                last,
                "firewallrules" | "virtualnetworkrules" | "privateendpoints" | "diagnosticsettings" | "locks"
            )
        }
        Target::External { backend: Backend::Mysql | Backend::Vault, .. } => false,
    }
}

/// What cannot be made again as it was: data, what serves it, and generated values.
pub(crate) fn holds_state(target: &Target) -> bool {
    match target {
        Target::Secret(_) => true,
        Target::Object(key) => is(&key.kind, "apps", "StatefulSet") || is_data(target),
        Target::External { backend: Backend::Vault, .. } => true,
        Target::External { backend: Backend::Azure | Backend::Mysql, .. } => is_data(target),
    }
}

fn is(kind: &Kind, group: &str, name: &str) -> bool {
    kind.group == group && kind.kind == name
}

fn hold(body: &mut Content, entry: &Entry, rule: Rule) {
    let place = Place::of(&entry.target);
    let same = |item: &str, target: &str| item == entry.id && target == entry.target.to_string();
    body.steps.retain(|step| {
        let here = step.action.key().map(|key| Place::of(&Target::Object(key.clone())));
        let removes =
            matches!(step.action, Action::Delete { .. } | Action::Release { .. }) && here.as_ref() == Some(&place);
        let removes_external = matches!(step.action, Action::RemoveExternal { .. }) && step.item == entry.id;
        !(removes || removes_external)
    });
    body.waiting.retain(|waiting| !(waiting.removal && waiting.item == entry.id));
    if !body.blocked.iter().any(|blocked| same(&blocked.item, &blocked.target)) {
        body.blocked.push(Blocked {
            item: entry.id.clone(),
            target: entry.target.to_string(),
            rule,
            message: message(entry, rule),
        });
    }
}

fn message(entry: &Entry, rule: Rule) -> String {
    let why = match rule {
        Rule::EmptyDesiredSet => "nothing is desired any more though the resource is not being deleted",
        Rule::TooManyDeletions => "more than half of what exists would be deleted at once",
        Rule::AllOfStatefulKind => "nothing of its kind that is ready would be left",
        Rule::DataByOmission => "data is not deleted because an item was left out",
        _ => "the deletion needs a human's word",
    };
    format!(
        "{} stays: {why}; put {} into annotation {} of the resource to delete it",
        entry.target,
        entry.id,
        names::ANNOTATION_ALLOW_DELETE
    )
}

/// The decision as a whole looks like a mistake: what else it takes away waits too.
fn hold_whole(body: &mut Content, facts: &Facts, rule: Rule) {
    let mut kept = Vec::with_capacity(body.steps.len());
    for step in body.steps.drain(..) {
        let taken_away = matches!(step.action, Action::Recreate { .. } | Action::Release { .. });
        if !taken_away || facts.resource.allows_delete(&step.item) {
            kept.push(step);
            continue;
        }
        let target = step.action.key().map(ToString::to_string).unwrap_or_default();
        body.blocked.push(Blocked {
            message: format!(
                "{target} stays as it is while the decision leaves out so much; put {} into annotation {} of the resource to go on",
                step.item,
                names::ANNOTATION_ALLOW_DELETE
            ),
            item: step.item,
            target,
            rule,
        });
    }
    body.steps = kept;
}

/// To recreate is to delete: not what holds data.
fn recreations(body: &mut Content, desired: &[Desired], facts: &Facts) {
    let mut kept = Vec::with_capacity(body.steps.len());
    for step in body.steps.drain(..) {
        let target = desired.iter().find(|one| one.entry.id == step.item).map(|one| &one.entry.target);
        let data = target.is_some_and(is_data);
        if !matches!(step.action, Action::Recreate { .. }) || !data || facts.resource.allows_delete(&step.item) {
            kept.push(step);
            continue;
        }
        let target = target.map(ToString::to_string).unwrap_or_default();
        let paths = match &step.reason {
            Reason::Changed(paths) => paths.iter().take(5).cloned().collect::<Vec<_>>().join(", "),
            _ => String::new(),
        };
        body.blocked.push(Blocked {
            message: format!(
                "{target} holds data and would be deleted to change {paths}; put {} into annotation {} of the resource to allow it",
                step.item,
                names::ANNOTATION_ALLOW_DELETE
            ),
            item: step.item,
            target,
            rule: Rule::DataByOmission,
        });
    }
    body.steps = kept;
}
