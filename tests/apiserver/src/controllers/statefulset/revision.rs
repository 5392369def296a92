//! ControllerRevisions: the history of a StatefulSet's pod template. In: the set and its revisions. Out: which one is
//! current, which one is wanted, what to write. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::core::metadata::ObjectMeta;

use super::identity;
use crate::controllers::ownership::controller_reference;

const HASH_LABEL: &str = "controller.kubernetes.io/hash";
/// The letters that Kubernetes uses in generated names: no vowels and nothing that looks like another letter.
const SAFE_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// FNV-1a over `bytes`, spelt in safe letters as `rand.SafeEncodeString` does with the decimal number.
pub(crate) fn short_hash(bytes: &[u8], collisions: Option<i32>) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    let extra = collisions.filter(|c| *c > 0).map(|c| c.to_string()).unwrap_or_default();
    for byte in bytes.iter().chain(extra.as_bytes()) {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    let letters = hash.to_string().into_bytes();
    letters.into_iter().map(|c| char::from(SAFE_LETTERS[usize::from(c) % SAFE_LETTERS.len()])).collect()
}

/// The part of the set that a revision keeps: the template, to be put in place of the one that is there.
fn data(set: &StatefulSet) -> Result<serde_json::Value, serde_json::Error> {
    let mut template = serde_json::to_value(identity::spec(set).template)?;
    template["$patch"] = "replace".into();
    Ok(serde_json::json!({"spec": {"template": template}}))
}

/// The revision that the set's template asks for.
pub(crate) fn wanted(
    set: &StatefulSet,
    number: i64,
    collisions: Option<i32>,
) -> Result<ControllerRevision, serde_json::Error> {
    let data = data(set)?;
    let hash = short_hash(data.to_string().as_bytes(), collisions);
    let spec = identity::spec(set);
    let mut labels = spec.template.metadata.and_then(|m| m.labels).unwrap_or_default();
    labels.insert(HASH_LABEL.to_owned(), hash.clone());
    Ok(ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", identity::name(set))),
            namespace: set.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: set.metadata.annotations.clone(),
            owner_references: Some(vec![controller_reference(set)]),
            ..ObjectMeta::default()
        },
        revision: number,
        data: Some(k8s_openapi::apimachinery::pkg::runtime::RawExtension(data)),
    })
}

/// The template that a revision keeps.
pub(crate) fn template(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = revision.data.as_ref()?.0.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    serde_json::from_value(template).ok()
}

/// The revision's name, which pods carry as their label.
pub(crate) fn name(revision: &ControllerRevision) -> &str {
    revision.metadata.name.as_deref().unwrap_or_default()
}

/// How the wanted revision comes about.
pub(crate) enum Choice {
    /// It is there and the newest.
    Use(Arc<ControllerRevision>),
    /// It is there, as an older one: a rollback. It gets the next number.
    Renumber(Arc<ControllerRevision>, i64),
    /// It has to be written.
    Create(Box<ControllerRevision>),
}

/// Finds the wanted revision among the ones there are.
pub(crate) fn choose(
    set: &StatefulSet,
    revisions: &[Arc<ControllerRevision>],
    collisions: Option<i32>,
) -> Result<Choice, serde_json::Error> {
    let next = revisions.iter().map(|r| r.revision).max().unwrap_or(0) + 1;
    let wanted = wanted(set, next, collisions)?;
    let same = revisions.iter().filter(|r| r.data == wanted.data).max_by_key(|r| r.revision);
    Ok(match same {
        Some(held) if held.revision + 1 == next => Choice::Use(held.clone()),
        Some(held) => Choice::Renumber(held.clone(), next),
        None => Choice::Create(Box::new(wanted)),
    })
}

/// The revisions beyond the history limit that nothing refers to any more, oldest first.
pub(crate) fn outdated(
    revisions: &[Arc<ControllerRevision>],
    live: &HashSet<String>,
    limit: i32,
) -> Vec<Arc<ControllerRevision>> {
    let mut unused: Vec<_> = revisions.iter().filter(|r| !live.contains(name(r))).cloned().collect();
    unused.sort_by_key(|r| r.revision);
    let surplus = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    unused.truncate(surplus);
    unused
}
