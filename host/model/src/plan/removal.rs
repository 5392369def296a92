//! What is no longer desired. In: the inventory, the desired items and what was found. Out: deletions and releases in
//! reverse order, what waits, what is protected, and what is let go of because it is not ours any more.

use super::{Action, Blocked, Content, Desired, Forgotten, Live, Reason, Step, Waiting, ownership};
use crate::check::Rule;
use crate::decision::RemovalPolicy;
use crate::facts::{Facts, Found, Presence, Sighting, Slot};
use crate::inventory::{Backend, Entry, Inventory, Target};
use crate::kind::ObjectKey;
use crate::names;
use crate::order;
use std::collections::{BTreeMap, BTreeSet};

/// What the check needs to know about removals besides the steps.
pub(super) struct Removals {
    /// Entries that stay in the inventory: what they name is, or may be, there.
    pub remaining: Vec<Entry>,
    /// Those of them that exist and go because the decision left them out.
    pub omitted: Vec<Entry>,
    /// What exists at all, of what is listed or desired.
    pub existing: Vec<Existing>,
}

/// One thing that exists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Existing {
    pub target: Target,
    /// It is desired, not being deleted, and ready.
    pub stays: bool,
}

/// What is found in the place of an entry that nobody desires.
enum State<'a> {
    Gone,
    Unknown(String),
    Object(&'a Found),
    /// Something of another backend.
    External,
    /// It is there and not ours.
    NotOurs(String),
}

/// Plans the removal of everything that is listed, or found as ours, and not desired.
pub(super) fn plan(
    desired: &[Desired],
    settled: &BTreeMap<String, bool>,
    facts: &Facts,
    listed: &Inventory,
    body: &mut Content,
) -> Removals {
    let wanted: BTreeSet<Place> = desired.iter().map(|one| Place::of(&one.entry.target)).collect();
    let mut candidates: Vec<(Entry, bool)> = listed
        .entries
        .iter()
        .filter(|entry| !wanted.contains(&Place::of(&entry.target)))
        .map(|entry| (entry.clone(), true))
        .collect();
    candidates.extend(unlisted(facts, listed, &wanted).into_iter().map(|entry| (entry, false)));

    let mut remaining: Vec<(Entry, State<'_>)> = Vec::new();
    for (entry, is_listed) in candidates {
        match state(&entry, facts, is_listed) {
            State::Gone => {}
            State::NotOurs(why) => {
                body.forgotten.push(Forgotten { item: entry.id, target: entry.target.to_string(), why });
            }
            state => remaining.push((entry, state)),
        }
    }
    let nodes: Vec<order::Node<'_>> =
        remaining.iter().map(|(entry, _)| order::Node { id: &entry.id, after: &entry.after }).collect();
    let followers = order::followers(&nodes);
    let last_wave = body.steps.iter().map(|step| step.wave).max().map_or(0, |wave| wave.saturating_add(1));
    let orphaned = facts.resource.deleting && facts.resource.finalizers.iter().any(|name| name == "orphan");
    let abandoned = facts.resource.deleting && facts.resource.abandoned();
    let mut omitted = Vec::new();
    let mut left = Vec::new();
    // Things of other backends that stay: there is no owner reference to take off, they are only forgotten.
    let mut kept = Vec::new();
    for (at, (entry, state)) in remaining.iter().enumerate() {
        let policy = if orphaned { RemovalPolicy::Keep } else { policy(entry, state) };
        if policy == RemovalPolicy::Delete && abandoned {
            left.push(at);
            continue;
        }
        let policy = if abandoned { RemovalPolicy::Keep } else { policy };
        if policy == RemovalPolicy::Keep && matches!(state, State::External) {
            kept.push(at);
            continue;
        }
        let allowed = facts.resource.allows_delete(&entry.id);
        let goes = policy == RemovalPolicy::Delete && !allowed;
        if goes && !facts.resource.deleting && !matches!(state, State::Unknown(_)) {
            omitted.push(entry.clone());
        }
        let blockers: Vec<&Entry> = followers
            .get(at)
            .into_iter()
            .flatten()
            .filter_map(|follower| remaining.get(*follower))
            // What is kept stays for ever; waiting for its end would be waiting for nothing.
            .filter(|(entry, state)| self::policy(entry, state) != RemovalPolicy::Keep)
            .map(|(entry, _)| entry)
            .collect();
        remove(entry, state, policy, allowed, &blockers, desired, settled, facts, last_wave, body);
    }
    let existing = existing(desired, settled, facts, &remaining);
    let abandonment = format!("annotation {} lets it be", names::ANNOTATION_ABANDON);
    let reasons = left.iter().map(|at| (at, abandonment.as_str()));
    let reasons = reasons.chain(kept.iter().map(|at| (at, "its removal policy is to stay")));
    for (at, why) in reasons {
        if let Some((entry, _)) = remaining.get(*at) {
            body.forgotten.push(Forgotten {
                item: entry.id.clone(),
                target: entry.target.to_string(),
                why: why.to_owned(),
            });
        }
    }
    left.extend(kept);
    body.sort();
    let mut at = 0;
    remaining.retain(|_| {
        at += 1;
        !left.contains(&(at - 1))
    });
    Removals { remaining: remaining.into_iter().map(|(entry, _)| entry).collect(), omitted, existing }
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct for it would only repeat the names")]
fn remove(
    entry: &Entry,
    state: &State<'_>,
    policy: RemovalPolicy,
    allowed: bool,
    blockers: &[&Entry],
    desired: &[Desired],
    settled: &BTreeMap<String, bool>,
    facts: &Facts,
    wave: u32,
    body: &mut Content,
) {
    let mut wait = |on: Vec<String>, why: String| {
        body.waiting.push(Waiting { item: entry.id.clone(), on, why, removal: true });
    };
    let reason = if facts.resource.deleting { Reason::Teardown } else { Reason::Undesired };
    let (key, found) = match state {
        State::Gone | State::NotOurs(_) => return,
        State::Unknown(why) => return wait(Vec::new(), why.clone()),
        State::Object(found) if found.deleting => {
            let held = finalizers(found);
            return wait(Vec::new(), format!("{} is being deleted{held}", found.key));
        }
        State::Object(found) => (Some(&found.key), Some(*found)),
        State::External => (None, None),
    };
    if policy == RemovalPolicy::Protect && !allowed {
        body.blocked.push(Blocked {
            item: entry.id.clone(),
            target: entry.target.to_string(),
            rule: Rule::Protected,
            message: format!(
                "{} is protected and stays; put {} into annotation {} of the resource to delete it",
                entry.target,
                entry.id,
                names::ANNOTATION_ALLOW_DELETE
            ),
        });
        return;
    }
    let replaced = desired.iter().any(|one| one.entry.id == entry.id);
    if replaced && settled.get(&entry.id) != Some(&true) {
        // The item moved to another object: the old one serves until the new one does.
        return wait(vec![entry.id.clone()], format!("{} stays until what replaces it is ready", entry.target));
    }
    if policy != RemovalPolicy::Keep && !blockers.is_empty() {
        let on: Vec<String> = blockers.iter().take(20).map(|blocker| blocker.id.clone()).collect();
        let first = blockers.first().map(|blocker| blocker.id.clone()).unwrap_or_default();
        return wait(on, format!("{} is deleted after {first}", entry.target));
    }
    let action = match (key, found, &entry.target) {
        (Some(key), Some(found), _) => {
            let live = Live { uid: found.uid.clone(), resource_version: found.resource_version.clone() };
            if policy == RemovalPolicy::Keep {
                Action::Release { key: key.clone(), live, owner_uid: facts.resource.uid.clone() }
            } else {
                Action::Delete { key: key.clone(), live }
            }
        }
        (_, _, Target::External { backend, name, api_version }) => {
            Action::RemoveExternal { backend: *backend, name: name.clone(), api_version: api_version.clone() }
        }
        (_, _, Target::Object(_) | Target::Secret(_)) => return,
    };
    body.steps.push(Step { item: entry.id.clone(), wave, needs: Vec::new(), action, reason });
}

/// The policy in force: the stricter of what the inventory and the object itself say.
fn policy(entry: &Entry, state: &State<'_>) -> RemovalPolicy {
    let noted = match state {
        State::Object(found) => match found.annotations.get(names::ANNOTATION_REMOVAL).map(String::as_str) {
            Some("Keep") => RemovalPolicy::Keep,
            Some("Protect") => RemovalPolicy::Protect,
            // Somebody edited it; to keep is the careful reading.
            Some(_) => RemovalPolicy::Protect,
            None => RemovalPolicy::Delete,
        },
        State::Gone | State::Unknown(_) | State::External | State::NotOurs(_) => RemovalPolicy::Delete,
    };
    match (entry.removal, noted) {
        (RemovalPolicy::Delete, noted) => noted,
        (listed, RemovalPolicy::Delete) => listed,
        (RemovalPolicy::Protect, _) | (_, RemovalPolicy::Protect) => RemovalPolicy::Protect,
        (RemovalPolicy::Keep, RemovalPolicy::Keep) => RemovalPolicy::Keep,
    }
}

fn state<'a>(entry: &Entry, facts: &'a Facts, listed: bool) -> State<'a> {
    let key = match &entry.target {
        Target::Object(key) | Target::Secret(key) => key,
        Target::External { .. } => return external(entry, facts),
    };
    let found = match facts.objects.get(key) {
        Some(Sighting::Absent) => return State::Gone,
        Some(Sighting::Unknown(why)) => return State::Unknown(crate::text::bounded(why, 512)),
        None => return State::Unknown(format!("{key} was not looked at yet")),
        Some(Sighting::Found(found)) => found,
    };
    let kept = entry.removal != RemovalPolicy::Delete || found.annotations.contains_key(names::ANNOTATION_REMOVAL);
    if ownership::may_delete(found, facts, listed, kept) {
        State::Object(found)
    } else {
        State::NotOurs("it does not carry the marks of this resource (any more), so it is left alone".into())
    }
}

fn external<'a>(entry: &Entry, facts: &'a Facts) -> State<'a> {
    // A MySQL server is a process in a pod: there is nothing to delete, only to forget.
    if matches!(entry.target, Target::External { backend: Backend::Mysql, .. }) {
        return State::Gone;
    }
    let listed = match &entry.target {
        Target::External { name, .. } => facts.listed.get(&name.to_ascii_lowercase()),
        Target::Object(_) | Target::Secret(_) => None,
    };
    match listed.or_else(|| facts.external.get(&entry.id)) {
        Some(external) => match external.presence {
            Presence::Absent => State::Gone,
            Presence::Busy => State::Unknown(format!("{} is being worked on, or refused to go for now", entry.target)),
            Presence::Unknown => State::Unknown(format!("the backend of {} does not answer", entry.target)),
            // Without its mark it is never deleted (I7).
            Presence::Present if external.ours => State::External,
            Presence::Present => State::NotOurs("it does not carry the mark of this resource".into()),
        },
        None => State::Unknown(format!("{} was not looked at yet", entry.target)),
    }
}

/// Objects that carry all marks of this resource and plugin and that the inventory has lost (I4).
fn unlisted(facts: &Facts, listed: &Inventory, wanted: &BTreeSet<Place>) -> Vec<Entry> {
    let known: BTreeSet<Place> = listed.entries.iter().map(|entry| Place::of(&entry.target)).collect();
    facts
        .objects
        .all_found()
        .filter(|found| {
            let place = Place::Object(Slot::from(&found.key));
            !known.contains(&place)
                && !wanted.contains(&place)
                && found.labels.get(names::LABEL_PLUGIN) == Some(&facts.plugin)
                && ownership::may_delete(found, facts, false, false)
        })
        .map(|found| Entry {
            id: found.item().map_or_else(|| found.key.to_string(), str::to_owned),
            target: Target::Object(found.key.clone()),
            after: Vec::new(),
            removal: RemovalPolicy::Delete,
        })
        .collect()
}

fn existing(
    desired: &[Desired],
    settled: &BTreeMap<String, bool>,
    facts: &Facts,
    remaining: &[(Entry, State<'_>)],
) -> Vec<Existing> {
    let there = |key: &ObjectKey| facts.objects.found(key).is_some();
    let stays = desired.iter().filter(|one| one.owns()).filter_map(|one| {
        let exists = match &one.entry.target {
            Target::Object(key) | Target::Secret(key) => there(key),
            Target::External { .. } => facts
                .external
                .get(&one.entry.id)
                .is_some_and(|external| matches!(external.presence, Presence::Present | Presence::Busy)),
        };
        let stays = settled.get(&one.entry.id) == Some(&true);
        exists.then(|| Existing { target: one.entry.target.clone(), stays })
    });
    let goes = remaining.iter().filter_map(|(entry, state)| match state {
        State::Object(_) | State::External => Some(Existing { target: entry.target.clone(), stays: false }),
        State::Gone | State::Unknown(_) | State::NotOurs(_) => None,
    });
    stays.chain(goes).collect()
}

fn finalizers(found: &Found) -> String {
    let names = found.content.pointer("/metadata/finalizers").and_then(serde_json::Value::as_array);
    let names: Vec<&str> = names.into_iter().flatten().filter_map(serde_json::Value::as_str).take(5).collect();
    if names.is_empty() {
        String::new()
    } else {
        crate::text::bounded(&format!(" and waits for its finalizers: {}", names.join(", ")), 300)
    }
}

/// A place, whatever version of an API names it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Object(Slot),
    External(Target),
}

impl Place {
    pub(crate) fn of(target: &Target) -> Self {
        match target {
            Target::Object(key) | Target::Secret(key) => Place::Object(Slot::from(key)),
            Target::External { backend, name, api_version: _ } => Place::External(Target::External {
                backend: *backend,
                name: name.to_ascii_lowercase(),
                api_version: String::new(),
            }),
        }
    }
}
