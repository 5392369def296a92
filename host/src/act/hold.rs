//! Credentials that are needed until the last of what was made with them is gone. In: a resource. Out: the Secret with its
//! credential for Azure, with a finalizer that names the resource, or without it.
//!
//! When a namespace is deleted, everything in it is, in any order. Without this the credential goes first, and what is in
//! Azure stays: nobody may delete it any more. Each resource has a finalizer of its own, so that none has to know of others.

use super::{
    Actor,
    kubernetes::{Failure, Target},
};
use crate::azure::{CREDENTIAL_FROM, NAMESPACE_CREDENTIAL};
use crate::watch::Cache;
use model::{Kind, ObjectKey, facts::ResourceFacts, names::credential_finalizer, related::Selector};
use serde_json::json;
use std::collections::BTreeSet;

fn secret_kind() -> Kind {
    Kind::new("", "v1", "Secret")
}

/// Name of the Secret that the credential of a resource comes from, if there is one: else it is the host's.
pub fn credential_of(resource: &ResourceFacts) -> &str {
    resource.annotations.get(CREDENTIAL_FROM).map_or(NAMESPACE_CREDENTIAL, String::as_str)
}

/// Keeps the Secret with the credential of a resource until [`release`]. One that is being deleted already cannot be kept.
pub async fn hold(actor: &Actor, resource: &ResourceFacts) -> Result<(), Failure> {
    let finalizer = credential_finalizer(&resource.uid);
    change(actor, resource, credential_of(resource), |secret| {
        let lacks = !secret.deleting && !secret.finalizers.contains(&finalizer);
        lacks.then(|| secret.finalizers.iter().cloned().chain([finalizer.clone()]).collect())
    })
    .await
}

/// Lets every Secret go that was kept for a resource.
pub async fn release(actor: &Actor, cache: &Cache, resource: &ResourceFacts) -> Result<(), Failure> {
    let finalizer = credential_finalizer(&resource.uid);
    // The one that it names now may have been changed a moment ago; others, that it named before, are in the view.
    let mut names = BTreeSet::from([credential_of(resource).to_owned()]);
    let all = cache.list(&secret_kind(), resource.key.namespace.as_deref(), &Selector::default(), &[]);
    // Those that the host generated are no credentials for Azure.
    for object in all.iter().filter(|object| object.owner_label().is_none()) {
        let secret = ResourceFacts::from_object(&object.value());
        if secret.is_some_and(|secret| secret.finalizers.contains(&finalizer)) {
            names.insert(object.key.name.clone());
        }
    }
    for name in names {
        change(actor, resource, &name, |secret| {
            let has = secret.finalizers.contains(&finalizer);
            has.then(|| secret.finalizers.iter().filter(|other| **other != finalizer).cloned().collect())
        })
        .await?;
    }
    Ok(())
}

/// Writes the finalizers of a Secret, if it is there and they are to change.
async fn change(
    actor: &Actor,
    resource: &ResourceFacts,
    name: &str,
    finalizers: impl FnOnce(&ResourceFacts) -> Option<Vec<String>>,
) -> Result<(), Failure> {
    let Some(namespace) = resource.key.namespace.clone() else { return Ok(()) };
    let key = ObjectKey { kind: secret_kind(), namespace: Some(namespace), name: name.to_owned() };
    let served = actor.served_as(&key).await?;
    let target = Target { key: &key, resource: &served };
    let stored = actor.reader.get(target).await?;
    let Some(secret) = stored.as_ref().and_then(ResourceFacts::from_object) else { return Ok(()) };
    let Some(finalizers) = finalizers(&secret) else { return Ok(()) };
    let body = json!({ "metadata": { "finalizers": finalizers } });
    match actor.writer.merge_secret(target, &secret.uid, &secret.resource_version, &body).await {
        Ok(_) | Err(Failure::NotFound) => Ok(()),
        Err(failure) => Err(failure),
    }
}
