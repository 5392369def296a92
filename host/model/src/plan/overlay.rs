//! Fields that are laid over an object of others. In: the item and what was found in its place. Out: the fields to apply,
//! or nothing.
//!
//! Such an object is not ours: it has none of our marks, is in no inventory, and is neither created nor deleted. Whoever
//! owns it, and whoever set these fields before, they are set to what is desired. What it takes is that the operator
//! granted the kind, and that the object is in the namespace of the resource.

use super::change::{Change, live, readied, still_as_answered};
use super::{Action, Desired, Reason, desired};
use crate::check::{Problem, Rule, object as form};
use crate::decision::Body;
use crate::diff;
use crate::digest::Digest;
use crate::facts::{Facts, Found, ResourceFacts};
use crate::kind::ObjectKey;
use serde_json::Value;

/// The fields to lay over an object, with its identity.
pub(super) fn object(id: &str, body: &Body, facts: &Facts) -> Result<(ObjectKey, Value), Vec<Problem>> {
    let Body::Kubernetes(value) = body else {
        let why = "fields can be laid over objects of Kubernetes only; use another update policy";
        return Err(vec![Problem::new(Rule::MalformedObject, id, why)]);
    };
    form::problems(id, value)?;
    let Some((key, object)) = desired::placed_object(value, facts) else {
        return Err(vec![Problem::new(Rule::MalformedObject, id, "the object has no kind or name")]);
    };
    form::placed(id, &key, facts)?;
    if !in_reach(&key, &facts.resource) {
        let why = format!("{key} is not in the namespace of the resource: fields are laid over objects in there only");
        return Err(vec![Problem::new(Rule::NamespaceNotGranted, id, &why)]);
    }
    Ok((key, object))
}

/// An object with a namespace, which is that of the resource.
pub(crate) fn in_reach(key: &ObjectKey, resource: &ResourceFacts) -> bool {
    key.namespace.is_some() && key.namespace == resource.key.namespace
}

/// What the fields need on an object that is there, even if it is being deleted: the label of a pod that ends decides
/// who is sent to it until then.
pub(super) fn change(one: &Desired, found: &Found, object: &Value, desired: Digest, facts: &Facts) -> Change {
    let unchanged = Change::None { ready: readied(found) };
    let last = facts.last_writes.get(&one.entry.id).filter(|last| last.uid == found.uid);
    if last.is_some_and(|last| still_as_answered(last, found, desired)) {
        return unchanged;
    }
    let paths = diff::differences(object, &found.content);
    // With another wish than the last, a field that is not desired any more goes, though nothing that is desired differs.
    let same_wish = last.is_none_or(|last| last.desired == desired);
    if same_wish && paths.is_empty() {
        return unchanged;
    }
    let taken_back = last.is_some_and(|last| last.desired == desired);
    let reason = if taken_back { Reason::Drifted(paths) } else { Reason::Changed(paths) };
    let action = Action::Overlay { key: found.key.clone(), object: object.clone(), live: live(found), desired };
    Change::Needed { action: action.into(), reason, ready: Some(found.readiness.ready) }
}
