//! What one desired item needs. In: the item and what was found in its place. Out: nothing, one action, or what stands
//! in the way.

use super::desired::secret_type;
use super::ownership::{self, Belongs};
use super::{Action, Blocked, Desired, Live, Reason, overlay};
use crate::check::Rule;
use crate::decision::{Body, GeneratedSecret, RandomValue, UpdatePolicy};
use crate::diff;
use crate::digest::Digest;
use crate::facts::{External, Facts, Found, LastWrite, Presence, Sighting};
use crate::inventory::{Inventory, Target};
use crate::kind::ObjectKey;
use crate::names;
use crate::text::bounded;
use serde_json::Value;

/// Ready or not, with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Readied {
    pub ready: bool,
    pub reason: String,
}

/// What an item needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// It is as desired.
    None { ready: Readied },
    /// An action. `ready`: what is there now is ready; `None`: nothing is there.
    Needed { action: Box<Action>, reason: Reason, ready: Option<bool> },
    /// What it is laid over is not there yet, which holds up nothing but what comes after it.
    Absent(String),
    /// It cannot be decided, or done, in this pass.
    Wait(String),
    /// A guard holds it back.
    Blocked(Blocked),
    /// Something of others is in its place.
    Collision(String),
}

/// What the item needs.
pub(super) fn of(one: &Desired, facts: &Facts, listed: &Inventory) -> Change {
    let key = match &one.entry.target {
        Target::Object(key) | Target::Secret(key) => key,
        Target::External { .. } => return external(one, facts),
    };
    let (Some(object), Some(desired)) = (&one.object, one.digest) else {
        return Change::Wait("has no object to apply".into());
    };
    if facts.scope(&key.kind).is_none() {
        return Change::Wait(format!("the cluster does not serve the kind {} yet", key.kind));
    }
    let found = match facts.objects.get(key) {
        None => return Change::Wait(format!("{key} was not looked at yet")),
        Some(Sighting::Unknown(why)) => return Change::Wait(bounded(why, 512)),
        Some(Sighting::Absent) if one.update == UpdatePolicy::Overlay => {
            return Change::Absent(format!("{key} does not exist yet"));
        }
        Some(Sighting::Absent) => return create(one, key, object, desired),
        Some(Sighting::Found(found)) => found,
    };
    if one.update == UpdatePolicy::Overlay {
        return overlay::change(one, found, object, desired, facts);
    }
    match ownership::of(found, facts, listed.lists(&one.entry.target)) {
        Belongs::Ours => {}
        Belongs::Earlier => {
            return Change::Wait(format!("{key} belongs to an earlier resource of this name and is being collected"));
        }
        Belongs::Nobody if found.deleting => return Change::Wait(format!("{key} is being deleted by somebody")),
        Belongs::Nobody => return adopt(one, found, object, desired, facts, "it has no mark of this resource"),
        Belongs::Others { who, controlled } => {
            let why = format!("it belongs to {who}");
            if controlled {
                return Change::Collision(bounded(&format!("{key} exists and {why}; choose another name"), 512));
            }
            return adopt(one, found, object, desired, facts, &why);
        }
    }
    if found.deleting {
        return Change::Wait(format!("{key} is being deleted; it is created again when it is gone"));
    }
    if one.update == UpdatePolicy::CreateOnce {
        return Change::None { ready: readied(found) };
    }
    match &one.body {
        Body::Secret(wanted) => secret(one, wanted, found, object, desired),
        _ => compare(one, found, object, desired, facts),
    }
}

pub(super) fn readied(found: &Found) -> Readied {
    Readied { ready: found.readiness.ready, reason: found.readiness.reason.clone() }
}

pub(super) fn live(found: &Found) -> Live {
    Live { uid: found.uid.clone(), resource_version: found.resource_version.clone() }
}

fn create(one: &Desired, key: &ObjectKey, object: &Value, desired: Digest) -> Change {
    let action = match &one.body {
        Body::Secret(GeneratedSecret { plain, random, composed, .. }) => Action::CreateSecret {
            key: key.clone(),
            object: object.clone(),
            plain: plain.clone(),
            random: random.clone(),
            composed: composed.clone(),
            desired,
        },
        _ => Action::Apply { key: key.clone(), object: object.clone(), live: None, desired },
    };
    Change::Needed { action: action.into(), reason: Reason::Missing, ready: None }
}

fn adopt(one: &Desired, found: &Found, object: &Value, desired: Digest, facts: &Facts, why: &str) -> Change {
    let id = &one.entry.id;
    if !facts.resource.allows_adopt(id) {
        let how = format!(
            "{} exists and {why}; choose another name, or put {id} into annotation {} of the resource to take it over",
            found.key,
            names::ANNOTATION_ADOPT
        );
        return Change::Collision(bounded(&how, 512));
    }
    if found.deleting {
        return Change::Wait(format!("{} is being deleted", found.key));
    }
    let action = match &one.body {
        // The values that are there stay: what uses them would lose its access otherwise.
        Body::Secret(wanted) => add_values(wanted, found, object, missing(wanted, found), Vec::new(), desired),
        _ => Action::Adopt { key: found.key.clone(), object: object.clone(), live: live(found), desired },
    };
    Change::Needed { action: action.into(), reason: Reason::Adopted, ready: Some(found.readiness.ready) }
}

fn compare(one: &Desired, found: &Found, object: &Value, desired: Digest, facts: &Facts) -> Change {
    let unchanged = Change::None { ready: readied(found) };
    if facts.last_writes.get(&one.entry.id).is_some_and(|last| still_as_answered(last, found, desired)) {
        return unchanged;
    }
    let applied = found.desired_digest();
    let paths = diff::differences(object, &found.content);
    let same_wish = applied == Some(desired);
    if same_wish && paths.is_empty() {
        return unchanged;
    }
    if one.update == UpdatePolicy::Recreate {
        // Deleting needs a changed wish: a difference that others made, or that the server always makes, is none.
        let wish_changed = applied.is_some_and(|applied| applied != desired) && differs_in_body(&paths);
        if wish_changed {
            let action = Action::Recreate { key: found.key.clone(), live: live(found) };
            return Change::Needed {
                action: action.into(),
                reason: Reason::Changed(paths),
                ready: Some(found.readiness.ready),
            };
        }
        if paths.iter().all(|path| !path.starts_with("metadata")) {
            return unchanged;
        }
    }
    let reason = if same_wish { Reason::Drifted(paths) } else { Reason::Changed(paths) };
    let action = Action::Apply { key: found.key.clone(), object: object.clone(), live: Some(live(found)), desired };
    Change::Needed { action: action.into(), reason, ready: Some(found.readiness.ready) }
}

fn differs_in_body(paths: &[String]) -> bool {
    paths.iter().any(|path| !path.starts_with("metadata"))
}

/// We applied this very wish, and the object is as the server answered, or others only changed what is not ours: whoever
/// changes the value of a field of ours takes it out of what we own.
pub(super) fn still_as_answered(last: &LastWrite, found: &Found, desired: Digest) -> bool {
    let LastWrite { uid, desired: written, answer, owned_fields } = last;
    *uid == found.uid
        && *written == desired
        && (*answer == found.content_digest || (owned_fields.is_some() && *owned_fields == found.owned_fields))
}

fn secret(one: &Desired, wanted: &GeneratedSecret, found: &Found, object: &Value, desired: Digest) -> Change {
    let found_type = found.content.get("type").and_then(Value::as_str).unwrap_or("Opaque");
    if found_type != secret_type(wanted) {
        return Change::Blocked(Blocked {
            item: one.entry.id.clone(),
            target: found.key.to_string(),
            rule: Rule::ImmutableField,
            message: bounded(
                &format!(
                    "the type of {} is {found_type} and cannot be changed to {}: keep the type, or use another name",
                    found.key,
                    secret_type(wanted)
                ),
                512,
            ),
        });
    }
    let stored = found.secret.as_ref().map_or(0, |facts| facts.generation);
    let missing = missing(wanted, found);
    let rotate: Vec<RandomValue> = if wanted.generation > stored {
        wanted.random.iter().filter(|value| has_key(found, &value.key)).cloned().collect()
    } else {
        Vec::new()
    };
    let plain_missing = wanted.plain.iter().any(|(key, _)| !has_key(found, key))
        || wanted.composed.iter().any(|value| !has_key(found, &value.key));
    let same_wish = found.desired_digest() == Some(desired);
    let marked = diff::differences(&without_digest_and_generation(object), &found.content);
    if missing.is_empty() && rotate.is_empty() && !plain_missing && same_wish && marked.is_empty() {
        return Change::None { ready: readied(found) };
    }
    let mut paths = marked;
    paths.extend(missing.iter().chain(&rotate).map(|value| format!("data['{}']", value.key)));
    Change::Needed {
        action: add_values(wanted, found, object, missing, rotate, desired).into(),
        reason: Reason::Values(paths),
        ready: Some(found.readiness.ready),
    }
}

/// The annotations that legitimately differ from the wish: the digest is compared by itself, and a generation never goes
/// back.
fn without_digest_and_generation(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(names::ANNOTATION_DESIRED);
        annotations.remove(names::ANNOTATION_SECRET_GENERATION);
    }
    object
}

fn has_key(found: &Found, key: &str) -> bool {
    found.secret.as_ref().is_some_and(|facts| facts.keys.iter().any(|(name, _)| name == key))
}

fn missing(wanted: &GeneratedSecret, found: &Found) -> Vec<RandomValue> {
    wanted.random.iter().filter(|value| !has_key(found, &value.key)).cloned().collect()
}

fn add_values(
    wanted: &GeneratedSecret,
    found: &Found,
    object: &Value,
    random: Vec<RandomValue>,
    rotate: Vec<RandomValue>,
    desired: Digest,
) -> Action {
    let mut object = object.clone();
    let stored = found.secret.as_ref().map_or(0, |facts| facts.generation);
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        let generation = stored.max(wanted.generation).to_string();
        annotations.insert(names::ANNOTATION_SECRET_GENERATION.into(), generation.into());
    }
    Action::AddSecretValues {
        key: found.key.clone(),
        object,
        live: live(found),
        plain: wanted.plain.clone(),
        random,
        rotate,
        composed: wanted.composed.clone(),
        desired,
    }
}

fn external(one: &Desired, facts: &Facts) -> Change {
    let id = &one.entry.id;
    let Some(External { presence, ready, as_desired, ours }) = facts.external.get(id).copied() else {
        return Change::Wait("was not looked at yet".into());
    };
    let watched = match &one.body {
        Body::Azure(resource) => resource.observe_only,
        Body::Vault(secret) => secret.observe_only,
        Body::Mysql(_) | Body::Kubernetes(_) | Body::Secret(_) => false,
    };
    if watched {
        return match presence {
            Presence::Unknown => Change::Wait("its backend does not answer".into()),
            Presence::Present | Presence::Busy => Change::None { ready: external_readied(ready) },
            // Not ready rather than waiting: there is nothing that the host would do.
            Presence::Absent => {
                Change::None { ready: Readied { ready: false, reason: "is not there and only looked at".into() } }
            }
        };
    }
    let (adopts, action) = match &one.body {
        Body::Mysql(server) => (true, Action::Mysql(server.clone())),
        Body::Azure(resource) => (resource.adopt, Action::Azure(Box::new(resource.clone()))),
        Body::Vault(secret) => (false, Action::Vault(Box::new(secret.clone()))),
        Body::Kubernetes(_) | Body::Secret(_) => return Change::Wait("is of no other backend".into()),
    };
    match presence {
        Presence::Unknown => Change::Wait("its backend does not answer".into()),
        Presence::Busy => Change::Wait("is being worked on, or its last change was refused".into()),
        Presence::Present if !ours && !adopts && !facts.resource.allows_adopt(id) => Change::Collision(format!(
            "it exists and is not marked as ours; choose another name, or put {id} into annotation {} of the resource",
            names::ANNOTATION_ADOPT
        )),
        Presence::Present if as_desired => Change::None { ready: external_readied(ready) },
        Presence::Present => Change::Needed { action: action.into(), reason: Reason::External, ready: Some(ready) },
        Presence::Absent => Change::Needed { action: action.into(), reason: Reason::Missing, ready: None },
    }
}

fn external_readied(ready: bool) -> Readied {
    Readied { ready, reason: if ready { "is ready".into() } else { "is not ready".into() } }
}
