//! A second look at each step, from the facts alone. In: steps. Out: those that the facts do not bear out. The plan is
//! made so that there are none; this is the wall behind that.

use super::{CheckLimits, Problem, Rule, grants};
use crate::facts::{Facts, Found};
use crate::inventory::{Inventory, Target};
use crate::kind::ObjectKey;
use crate::names;
use crate::plan::{Action, Belongs, Blocked, Content, Live, Step, belongs, in_reach, may_delete};

/// Steps that do not agree with the facts.
pub(crate) fn verify_steps(steps: &[Step], facts: &Facts) -> Vec<Problem> {
    let none = Inventory::default();
    let listed = facts.inventory.as_ref().unwrap_or(&none);
    steps.iter().filter_map(|step| verify(step, facts, listed).err()).collect()
}

fn verify(step: &Step, facts: &Facts, listed: &Inventory) -> Result<(), Problem> {
    let wrong = |why: &str| Err(Problem::new(Rule::Inconsistent, &step.item, why));
    if facts.resource.paused() {
        return wrong("the resource is paused");
    }
    let lists = |key: &ObjectKey| listed.lists(&Target::Object(key.clone()));
    match &step.action {
        Action::Apply { key, live: None, .. } | Action::CreateSecret { key, .. } => {
            if matches!(facts.objects.get(key), Some(crate::facts::Sighting::Absent)) {
                Ok(())
            } else {
                wrong("it would create what was not seen to be absent")
            }
        }
        Action::Apply { key, live: Some(live), .. } => match seen(facts, key, live) {
            Some(found) if belongs(found, facts, lists(key)) == Belongs::Ours => Ok(()),
            _ => wrong("it would change what is not ours"),
        },
        Action::AddSecretValues { key, live, .. } | Action::Adopt { key, live, .. } => match seen(facts, key, live) {
            Some(found) if belongs(found, facts, lists(key)) == Belongs::Ours => Ok(()),
            Some(found) if found.controller().is_none() && facts.resource.allows_adopt(&step.item) => Ok(()),
            _ => wrong("it would take over what nobody allowed to be taken over"),
        },
        Action::Overlay { key, live, .. } => match facts.objects.found(key) {
            Some(found)
                if found.uid == live.uid
                    && found.resource_version == live.resource_version
                    && in_reach(key, &facts.resource) =>
            {
                Ok(())
            }
            _ => wrong("it would change what was not seen, or is in another namespace"),
        },
        Action::Recreate { key, live } => match seen(facts, key, live) {
            Some(found) if deletable(found, facts, listed) => Ok(()),
            _ => wrong("it would delete what is not ours beyond doubt"),
        },
        Action::Delete { key, live } => match seen(facts, key, live) {
            Some(found) if deletable(found, facts, listed) => Ok(()),
            _ => wrong("it would delete what is not ours beyond doubt"),
        },
        Action::Release { key, live, owner_uid } => match seen(facts, key, live) {
            Some(found) if deletable(found, facts, listed) && *owner_uid == facts.resource.uid => Ok(()),
            _ => wrong("it would change what is not ours"),
        },
        Action::RemoveExternal { name, .. } => {
            match facts.listed.get(&name.to_ascii_lowercase()).or_else(|| facts.external.get(&step.item)) {
                Some(external) if external.ours => Ok(()),
                _ => wrong("it would delete what is not marked as ours"),
            }
        }
        Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) => Ok(()),
    }
}

/// The object that the step is about, if it is the one that was seen.
fn seen<'a>(facts: &'a Facts, key: &ObjectKey, live: &Live) -> Option<&'a Found> {
    facts
        .objects
        .found(key)
        .filter(|found| found.uid == live.uid && found.resource_version == live.resource_version && !found.deleting)
}

fn deletable(found: &Found, facts: &Facts, listed: &Inventory) -> bool {
    let kept = found.annotations.contains_key(names::ANNOTATION_REMOVAL);
    let lists = listed.lists(&Target::Object(found.key.clone()));
    may_delete(found, facts, lists, kept) || may_delete(found, facts, lists, listed_as_kept(found, listed))
}

fn listed_as_kept(found: &Found, listed: &Inventory) -> bool {
    listed.entries.iter().any(|entry| match &entry.target {
        Target::Object(key) | Target::Secret(key) => {
            crate::facts::Slot::from(key) == crate::facts::Slot::from(&found.key)
                && entry.removal != crate::decision::RemovalPolicy::Delete
        }
        Target::External { .. } => false,
    })
}

/// Holds back what would be removed from backends that this host cannot act on.
pub(crate) fn without_backends(body: &mut Content, limits: &CheckLimits) {
    let mut kept = Vec::with_capacity(body.steps.len());
    for step in body.steps.drain(..) {
        match &step.action {
            Action::RemoveExternal { backend, name, .. } if !grants::has(&limits.backends, *backend) => {
                body.blocked.push(Blocked {
                    message: format!("this host cannot act on backend {}: it stays", backend.word()),
                    item: step.item,
                    target: name.clone(),
                    rule: Rule::BackendUnavailable,
                });
            }
            _ => kept.push(step),
        }
    }
    body.steps = kept;
}
