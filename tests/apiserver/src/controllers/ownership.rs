//! Who controls what. In: an owner, what it owns and what nobody owns. Out: the owner's dependents, after adopting
//! the ones that its selector picks and releasing the ones that it no longer picks.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::core::metadata::ObjectMeta;

use crate::machinery::error::Error;
use crate::machinery::informer::{Informer, Kind};
use crate::machinery::key::Key;
use crate::machinery::store::controller_uid;

/// The reference by which `owner` controls an object and keeps its own foreground deletion waiting for it.
pub(crate) fn controller_reference<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.meta().name.clone().unwrap_or_default(),
        uid: owner.meta().uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The reference of the object's controlling owner.
pub(crate) fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|o| o.controller == Some(true))
}

/// The key of the controlling owner if it is of `kind`.
pub(crate) fn controller_key(meta: &ObjectMeta, kind: &str) -> Option<Key> {
    let owner = controller_of(meta).filter(|o| o.kind == kind)?;
    Some(Key::new(meta.namespace.clone().unwrap_or_default(), owner.name.clone()))
}

/// What an owner does about an object.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    Keep,
    Adopt,
    Release,
    Ignore,
}

/// The rules of controllerRef: own what the selector picks, adopt orphans only while neither side is going away.
fn decide(object: &ObjectMeta, owner: &ObjectMeta, selected: bool) -> Claim {
    let owner_goes = owner.deletion_timestamp.is_some();
    match controller_uid(object) {
        Some(uid) if Some(uid) == owner.uid.as_deref() => match (selected, owner_goes) {
            (true, _) => Claim::Keep,
            (false, false) => Claim::Release,
            (false, true) => Claim::Ignore,
        },
        Some(_) => Claim::Ignore,
        None if selected && !owner_goes && object.deletion_timestamp.is_none() => Claim::Adopt,
        None => Claim::Ignore,
    }
}

/// The dependents of `owner`, adopted and released as `selects` says.
pub(crate) async fn claim<O: Kind, D: Kind>(
    owners: &Informer<O>,
    dependents: &Informer<D>,
    owner: &O,
    selects: impl Fn(&D) -> bool + Send,
) -> Result<Vec<Arc<D>>, Error> {
    let key = Key::of(owner);
    let uid = owner.meta().uid.as_deref().unwrap_or_default();
    let mut kept = Vec::new();
    let mut confirmed = false;
    for object in dependents.owned_by(uid).into_iter().chain(dependents.loose_in(&key.namespace)) {
        match decide(object.meta(), owner.meta(), selects(&object)) {
            Claim::Keep => kept.push(object),
            Claim::Ignore => {}
            Claim::Release => {
                let rest: Vec<_> =
                    object.meta().owner_references.iter().flatten().filter(|o| o.uid != uid).cloned().collect();
                gone_is_fine(
                    dependents.patch(&object, serde_json::json!({"metadata": {"ownerReferences": rest}})).await,
                )?;
            }
            Claim::Adopt => {
                if !confirmed {
                    // The cached owner may be gone already; adopting for it would hand the object to the collector.
                    let live = owners.api(&key.namespace).get_metadata_opt(&key.name).await;
                    let live = live.map_err(|e| Error::api("get", &owners.kind(), &key, e))?;
                    let same = live.is_some_and(|l| {
                        l.metadata.uid.as_deref() == Some(uid) && l.metadata.deletion_timestamp.is_none()
                    });
                    if !same {
                        return Err(Error::Conflict { kind: owners.kind(), key });
                    }
                    confirmed = true;
                }
                let mut references = object.meta().owner_references.clone().unwrap_or_default();
                references.push(controller_reference(owner));
                let patch = serde_json::json!({"metadata": {"ownerReferences": references}});
                kept.extend(gone_is_fine(dependents.patch(&object, patch).await)?);
            }
        }
    }
    Ok(kept)
}

/// Treats an object that disappeared meanwhile as one that was never there.
fn gone_is_fine<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn meta(json: serde_json::Value) -> ObjectMeta {
        serde_json::from_value(json).unwrap()
    }

    fn owned_by(uid: &str) -> ObjectMeta {
        meta(serde_json::json!({"ownerReferences":
            [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": uid, "controller": true}]}))
    }

    #[test]
    fn an_orphan_is_adopted_unless_one_of_both_is_going_away() {
        let owner = meta(serde_json::json!({"uid": "o"}));
        let leaving = meta(serde_json::json!({"uid": "o", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert_eq!(decide(&ObjectMeta::default(), &owner, true), Claim::Adopt);
        assert_eq!(decide(&ObjectMeta::default(), &leaving, true), Claim::Ignore);
        assert_eq!(decide(&leaving, &owner, true), Claim::Ignore);
        assert_eq!(decide(&ObjectMeta::default(), &owner, false), Claim::Ignore);
    }

    #[test]
    fn what_the_selector_lost_is_released_and_what_others_own_is_left_alone() {
        let owner = meta(serde_json::json!({"uid": "o"}));
        assert_eq!(decide(&owned_by("o"), &owner, true), Claim::Keep);
        assert_eq!(decide(&owned_by("o"), &owner, false), Claim::Release);
        assert_eq!(decide(&owned_by("p"), &owner, true), Claim::Ignore);
    }
}
