//! Two outlooks in, the difference out.

use super::outlook::{Outlook, Planned, Wish};
use super::{Change, Difference, Field, Happens, Judgement, NotJudged, Severity, alone, paths};
use crate::check::holds_state;
use crate::decision::{RemovalPolicy, UpdatePolicy};
use crate::plan::Place;
use crate::text::bounded;
use serde_json::Value;
use std::collections::BTreeMap;

/// What `new` would do otherwise than `old`, with one resource in one state. Nothing for equal outlooks.
pub fn compare(old: &Outlook, new: &Outlook) -> Difference {
    let mut changes = Vec::new();
    match (old, new) {
        (Outlook::Plans(old), Outlook::Plans(new)) => plans(old, new, &mut changes),
        (Outlook::AsIs(status), Outlook::Plans(new)) => {
            alone::changes(new, &mut changes);
            told(&without_hosts_part(status), &without_hosts_part(&new.status), &mut changes);
        }
        (Outlook::Refused { reason, .. } | Outlook::Undecided { reason, .. }, Outlook::Plans(new)) => {
            alone::changes(new, &mut changes);
            changes.push(whole(Severity::Tells, Happens::Recovered, format!("is {reason} now")));
        }
        (Outlook::Refused { reason: before, .. }, Outlook::Refused { reason, message })
            if before != reason =>
        {
            changes.push(whole(Severity::Tells, Happens::Refused, format!("{reason}: {message}")));
        }
        (Outlook::Undecided { reason: before, .. }, Outlook::Undecided { reason, message }) if before != reason => {
            changes.push(whole(Severity::Tells, Happens::Failed, format!("{reason}: {message}")));
        }
        (Outlook::Undecided { .. }, Outlook::Refused { reason, message }) => {
            changes.push(whole(Severity::Tells, Happens::Refused, format!("{reason}: {message}")));
        }
        (Outlook::Refused { .. }, Outlook::Undecided { reason, message }) => {
            changes.push(whole(Severity::Tells, Happens::Failed, format!("{reason}: {message}")));
        }
        (Outlook::Plans(_) | Outlook::AsIs(_), Outlook::Refused { reason, message }) => {
            changes.push(whole(Severity::Fails, Happens::Refused, format!("{reason}: {message}")));
        }
        (Outlook::Plans(_) | Outlook::AsIs(_), Outlook::Undecided { reason, message }) => {
            changes.push(whole(Severity::Fails, Happens::Failed, format!("{reason}: {message}")));
        }
        (Outlook::Refused { .. }, Outlook::Refused { .. })
        | (Outlook::Undecided { .. }, Outlook::Undecided { .. })
        // Nobody decides: there is nothing that would be done.
        | (_, Outlook::AsIs(_)) => {}
    }
    Difference::new(changes)
}

/// The same as a judgement. `blind` says why the outlooks may be of less than there is: a difference is one in any case,
/// but no difference is no proof of being equal then.
pub fn judge(old: &Outlook, new: &Outlook, blind: Option<NotJudged>) -> Judgement {
    let difference = compare(old, new);
    match (difference.is_empty(), blind) {
        (false, _) => Judgement::Different(difference),
        (true, Some(why)) => Judgement::NotJudged(why),
        (true, None) => Judgement::Equal,
    }
}

fn plans(old: &Planned, new: &Planned, changes: &mut Vec<Change>) {
    let places = |planned: &Planned| -> BTreeMap<Place, String> {
        planned.wishes.iter().map(|(id, wish)| (Place::of(&wish.target), id.clone())).collect()
    };
    let (old_places, new_places) = (places(old), places(new));
    for (id, wish) in &new.wishes {
        match old.wishes.get(id) {
            Some(before) => changes.extend(same_id(id, before, wish, new.has(wish))),
            None => match old_places.get(&Place::of(&wish.target)) {
                Some(other) => changes.extend(renamed(id, other, old, wish, new.has(wish))),
                None => changes.push(change(Severity::Changes, Happens::Created, id, wish)),
            },
        }
    }
    for (id, wish) in &old.wishes {
        if !new.wishes.contains_key(id) && !new_places.contains_key(&Place::of(&wish.target)) {
            changes.push(gone(id, wish));
        }
    }
    told(&old.status, &new.status, changes);
    conditions(&old.conditions, &new.conditions, changes);
    if old.wake != new.wake {
        let field = Field { path: "wake".into(), old: old.wake.map(show), new: new.wake.map(show) };
        changes.push(Change { fields: vec![field], ..whole(Severity::Tells, Happens::WakeChanged, String::new()) });
    }
}

fn show(at: u64) -> String {
    format!("{at} ms")
}

/// The same item in both.
fn same_id(id: &str, old: &Wish, new: &Wish, exists: bool) -> Option<Change> {
    if Place::of(&old.target) != Place::of(&new.target) {
        // What was made for it goes, unless it was never its own.
        let severity = if old.owns { taken(old) } else { Severity::Changes };
        let note = format!("takes the place of {}", old.what());
        return Some(Change { note, ..change(severity, Happens::Recreated, id, new) });
    }
    let fields = fields(old, new);
    // What is made once is left alone from then on.
    let left_alone = exists && old.update == UpdatePolicy::CreateOnce && new.update == UpdatePolicy::CreateOnce;
    if fields.is_empty() || left_alone {
        return None;
    }
    let anew = new.update == UpdatePolicy::Recreate
        && old.body != new.body
        && fields.iter().any(|field| !field.path.starts_with("metadata") && !field.path.starts_with('('));
    let reseeded = fields.iter().any(|field| field.path == "reseed" || field.path.starts_with("reseed."))
        && new.body.get("reseed").is_some_and(|reseed| !reseed.is_null());
    let (severity, happens) = match (anew, reseeded) {
        // The data of a database server would be replaced by that of another one.
        (_, true) => (Severity::Destroys, Happens::Recreated),
        (true, false) => (taken(new), Happens::Recreated),
        (false, false) => (Severity::Changes, Happens::Changed),
    };
    Some(Change { fields, ..change(severity, happens, id, new) })
}

fn renamed(id: &str, before: &str, old: &Planned, new: &Wish, exists: bool) -> Option<Change> {
    let was = old.wishes.get(before)?;
    let inner = same_id(id, was, new, exists);
    let note = format!("was item {}", bounded(before, 100));
    Some(match inner {
        Some(inner) if inner.severity > Severity::Changes => Change { note, ..inner },
        Some(inner) => Change { happens: Happens::Renamed, note, ..inner },
        None => Change { note, ..change(Severity::Changes, Happens::Renamed, id, new) },
    })
}

/// An item that is wanted no more.
fn gone(id: &str, wish: &Wish) -> Change {
    if !wish.owns || wish.removal == RemovalPolicy::Keep {
        return change(Severity::Changes, Happens::Released, id, wish);
    }
    change(taken(wish), Happens::Deleted, id, wish)
}

fn taken(wish: &Wish) -> Severity {
    if holds_state(&wish.target) { Severity::Destroys } else { Severity::Takes }
}

fn fields(old: &Wish, new: &Wish) -> Vec<Field> {
    let mut fields = paths::fields(&old.body, &new.body);
    if old.secret || new.secret {
        fields = fields.into_iter().map(Field::hidden).collect();
    }
    let policies = [
        ("(update)", format!("{:?}", old.update), format!("{:?}", new.update)),
        ("(removal)", format!("{:?}", old.removal), format!("{:?}", new.removal)),
        ("(readyWhen)", format!("{:?}", old.order.0), format!("{:?}", new.order.0)),
        ("(after)", old.order.1.join(", "), new.order.1.join(", ")),
    ];
    let policies = policies.into_iter().filter(|(_, old, new)| old != new).map(|(path, old, new)| Field {
        path: path.into(),
        old: Some(bounded(&old, 80)),
        new: Some(bounded(&new, 80)),
    });
    fields.extend(policies);
    fields
}

/// The status, and nothing else that is told.
fn told(old: &Value, new: &Value, changes: &mut Vec<Change>) {
    let fields: Vec<Field> = paths::fields(old, new)
        .into_iter()
        .map(|field| Field {
            path: if field.path.is_empty() { "status".into() } else { format!("status.{}", field.path) },
            ..field
        })
        .collect();
    if !fields.is_empty() {
        changes.push(Change { fields, ..whole(Severity::Tells, Happens::StatusChanged, String::new()) });
    }
}

fn conditions(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>, changes: &mut Vec<Change>) {
    let mut types: Vec<&String> = old.keys().chain(new.keys()).collect();
    types.sort();
    types.dedup();
    let fields: Vec<Field> = types
        .into_iter()
        .filter(|type_| old.get(*type_) != new.get(*type_))
        .map(|type_| Field {
            path: bounded(&format!("status.conditions[{type_}]"), 200),
            old: old.get(type_).map(|text| bounded(text, 80)),
            new: new.get(type_).map(|text| bounded(text, 80)),
        })
        .collect();
    if !fields.is_empty() {
        changes.push(Change { fields, ..whole(Severity::Tells, Happens::StatusChanged, "conditions".into()) });
    }
}

/// A status without what the host writes into it.
fn without_hosts_part(status: &Value) -> Value {
    let mut status = if status.is_object() { status.clone() } else { Value::Object(Default::default()) };
    if let Some(map) = status.as_object_mut() {
        map.remove("conditions");
        map.remove("observedGeneration");
        map.retain(|_, value| !value.is_null());
    }
    status
}

/// A change of one item, without fields.
pub(super) fn change(severity: Severity, happens: Happens, item: &str, wish: &Wish) -> Change {
    let (item, target) = (bounded(item, 100), bounded(&wish.what(), 300));
    Change { severity, happens, item, target, fields: Vec::new(), note: String::new() }
}

/// A change of the resource itself.
pub(super) fn whole(severity: Severity, happens: Happens, note: String) -> Change {
    let note = bounded(&note, 512);
    Change { severity, happens, item: String::new(), target: String::new(), fields: Vec::new(), note }
}
