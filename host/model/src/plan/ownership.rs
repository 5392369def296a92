//! Whose a live object is. In: the object, the resource, and whether the inventory lists it. Out: a verdict; everything
//! that the host writes or deletes depends on it.
//!
//! Three marks make an object ours: a controller reference with the resource's uid, the label with that uid, and the
//! inventory. None of them alone is enough to delete anything, for any of them can be lost, copied or edited.

use crate::facts::{Facts, Found};
use crate::names;

/// Whose an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// The resource's.
    Ours,
    /// An earlier resource's of the same name, which is gone: the garbage collector will remove it.
    Earlier,
    /// Nobody's, as far as its marks say. The user may allow to take it over.
    Nobody,
    /// Somebody else's, described for people. `controlled`: another controller holds it, so that it cannot be taken over.
    Others { who: String, controlled: bool },
}

/// Whether an object at this place gets an owner reference. Kubernetes knows none across namespaces or from a namespaced
/// owner to a cluster-scoped object (it would collect the object), and one that must outlive the resource gets none, so
/// that no accident with the resource's finalizer can take it along.
pub(crate) fn has_owner_reference(facts: &Facts, namespace: Option<&str>, kept: bool) -> bool {
    !kept && facts.resource.key.namespace.as_deref().is_none_or(|own| namespace == Some(own))
}

/// For writing: whose is it?
pub(crate) fn of(found: &Found, facts: &Facts, listed: bool) -> Belongs {
    let uid = facts.resource.uid.as_str();
    let referenced = found.owners.iter().any(|owner| owner.controller && owner.uid == uid);
    if referenced {
        return Belongs::Ours;
    }
    if let Some(controller) = found.controller() {
        let key = &facts.resource.key;
        let same_name = controller.name == key.name
            && controller.kind.kind == key.kind.kind
            && controller.kind.group == key.kind.group;
        return if same_name {
            Belongs::Earlier
        } else {
            Belongs::Others { who: format!("{} {}", controller.kind, controller.name), controlled: true }
        };
    }
    match found.labels.get(names::LABEL_OWNER) {
        Some(owner) if owner == uid => {
            // The owner reference is gone. What the inventory lists is ours still (F9); what never had a reference is
            // ours if the plugin's name says so too.
            let kept = found.annotations.contains_key(names::ANNOTATION_REMOVAL);
            let never = !has_owner_reference(facts, found.key.namespace.as_deref(), kept);
            let plugin = found.labels.get(names::LABEL_PLUGIN) == Some(&facts.plugin);
            if listed || (never && plugin) { Belongs::Ours } else { Belongs::Nobody }
        }
        Some(owner) => Belongs::Others { who: format!("the resource with uid {owner}"), controlled: false },
        None => Belongs::Nobody,
    }
}

/// For deleting: is it ours beyond doubt, by two marks? `kept`: it is of an item that never had an owner reference.
pub(crate) fn may_delete(found: &Found, facts: &Facts, listed: bool, kept: bool) -> bool {
    let uid = facts.resource.uid.as_str();
    let referenced = found.owners.iter().any(|owner| owner.controller && owner.uid == uid);
    let labelled = found.labels.get(names::LABEL_OWNER).is_some_and(|owner| owner == uid);
    let foreign = found.owners.iter().any(|owner| owner.uid != uid)
        || found.labels.get(names::LABEL_OWNER).is_some_and(|owner| owner != uid);
    if uid.is_empty() || foreign {
        return false;
    }
    if has_owner_reference(facts, found.key.namespace.as_deref(), kept) {
        // Without its reference it was let go of: by a user, or by `kubectl delete --cascade=orphan` (I3).
        referenced && (labelled || listed)
    } else {
        labelled && listed
    }
}
