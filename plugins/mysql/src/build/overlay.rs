//! What is laid over objects that the StatefulSet made: the role of each pod, and the size of each claim. In: the core's
//! roles, the wished size. Out: overlays, which neither make nor delete anything.

use super::Cluster;
use super::service::{READABLE, ROLE};
use super::statefulset::claimed_size;
use crate::cluster::roles::Role;
use std::collections::BTreeMap;
use windlass_sdk::{Item, Quantity, ReadyWhen, UpdatePolicy, Value, json};

/// The role of each pod of which it can be told.
pub fn roles(cluster: &Cluster<'_>, roles: &BTreeMap<u32, Role>) -> Vec<Item> {
    let one = |(ordinal, role): (&u32, &Role)| {
        let mut labels = json!({});
        labels[ROLE] = json!(role.name);
        labels[READABLE] = json!(role.readable.to_string());
        overlay(
            &format!("pod/{ordinal}"),
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": { "name": cluster.names.pod(*ordinal), "labels": labels },
            }),
        )
    };
    roles.iter().map(one).collect()
}

/// Id of the overlay of a claim.
pub fn claim_id(ordinal: u32) -> String {
    format!("claim/{ordinal}")
}

/// The size of each claim, where it is to be larger than the StatefulSet makes it.
pub fn claims(cluster: &Cluster<'_>, live: Option<&Value>, pods: u32) -> Vec<Item> {
    let size = &cluster.spec.storage.size;
    if !live.is_some_and(|live| grows(live, size)) {
        return Vec::new();
    }
    let one = |ordinal: u32| {
        overlay(
            &claim_id(ordinal),
            json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": { "name": cluster.names.claim(ordinal) },
                "spec": { "resources": { "requests": { "storage": size } } },
            }),
        )
    };
    (0..pods).map(one).collect()
}

/// Whether claims are wished larger than the StatefulSet makes them.
pub fn grows(live: &Value, size: &str) -> bool {
    let made = claimed_size(live).and_then(Quantity::parse);
    made.zip(Quantity::parse(size)).is_some_and(|(made, wished)| wished > made)
}

fn overlay(id: &str, manifest: Value) -> Item {
    Item::kubernetes(id, manifest).update(UpdatePolicy::Overlay).ready_when(ReadyWhen::Exists)
}
