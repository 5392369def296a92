//! Who depends on whom. In: objects seen and gone, as metadata. Out: which objects deserve a look, and what is known
//! about them. Pure: no client, no clock.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::metadata::ObjectMeta;

use crate::controllers::discovery::GroupKind;

/// Finalizer of an owner that waits for its dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an owner whose dependents are to be kept.
pub(crate) const ORPHAN: &str = "orphan";
/// Remembered uids of objects that are gone, so that a thousand dependents of one owner do not ask a thousand times.
const ABSENT: usize = 4096;

/// What the graph keeps of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: GroupKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) version: String,
    pub(crate) owners: Vec<OwnerReference>,
    pub(crate) deleting: bool,
    pub(crate) foreground: bool,
    pub(crate) orphan: bool,
}

impl Node {
    /// Reads the node out of metadata.
    pub(crate) fn new(kind: GroupKind, meta: &ObjectMeta) -> Self {
        let has = |finalizer: &str| meta.finalizers.iter().flatten().any(|f| f == finalizer);
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            version: meta.resource_version.clone().unwrap_or_default(),
            owners: meta.owner_references.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            foreground: has(FOREGROUND),
            orphan: has(ORPHAN),
        }
    }

    /// Being deleted and waiting for its dependents to go first.
    pub(crate) fn waits_for_dependents(&self) -> bool {
        self.deleting && self.foreground
    }
}

/// What the graph can say about an owner without asking the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Alive,
    WaitsForDependents,
    Absent,
    Unknown,
}

/// The objects and their owner references, both ways.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: HashMap<String, Node>,
    dependents: HashMap<String, BTreeSet<String>>,
    absent: HashSet<(String, String)>,
    absent_order: VecDeque<(String, String)>,
}

impl Graph {
    /// Takes an object as it is now; returns the uids to look at.
    pub(crate) fn upsert(&mut self, node: Node) -> Vec<String> {
        let old = self.nodes.get(&node.uid).cloned();
        let old = old.as_ref();
        if old.is_some_and(|old| *old == node) {
            return Vec::new();
        }
        let mut look = Vec::new();
        let old_owners: Vec<OwnerReference> = old.map(|o| o.owners.clone()).unwrap_or_default();
        let began_waiting = node.waits_for_dependents() && !old.is_some_and(Node::waits_for_dependents);
        let began_orphaning = node.deleting && node.orphan && !old.is_some_and(|o| o.deleting && o.orphan);
        for owner in &old_owners {
            if !node.owners.iter().any(|o| o.uid == owner.uid) {
                self.unlink(&owner.uid, &node.uid);
            }
            if !node.owners.contains(owner) {
                // The owner may have waited for this reference, or for its blockOwnerDeletion.
                look.extend(self.waiting(&owner.uid));
            }
        }
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(node.uid.clone());
        }
        if !node.owners.is_empty() && (old.is_none() || old_owners != node.owners) || began_waiting || began_orphaning {
            look.push(node.uid.clone());
        }
        if began_waiting {
            look.extend(self.dependents_of(&node.uid));
        }
        self.nodes.insert(node.uid.clone(), node);
        look
    }

    /// Takes the news that an object is gone; returns the uids to look at.
    pub(crate) fn remove(&mut self, uid: &str) -> Vec<String> {
        let Some(node) = self.nodes.remove(uid) else { return Vec::new() };
        let mut look = self.dependents_of(uid);
        for owner in &node.owners {
            self.unlink(&owner.uid, uid);
            look.extend(self.waiting(&owner.uid));
        }
        // Gone from its own namespace means gone for every dependent that may name it.
        self.remember_absent(node.namespace.clone(), uid.to_owned());
        look
    }

    /// Remembers that no object with this uid is in the namespace.
    pub(crate) fn remember_absent(&mut self, namespace: String, uid: String) {
        let entry = (namespace, uid);
        if self.absent.insert(entry.clone()) {
            self.absent_order.push_back(entry);
            if self.absent_order.len() > ABSENT
                && let Some(oldest) = self.absent_order.pop_front()
            {
                self.absent.remove(&oldest);
            }
        }
    }

    /// The node of a uid.
    pub(crate) fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// The uids of all nodes of a kind.
    pub(crate) fn of_kind(&self, kind: &GroupKind) -> Vec<String> {
        self.nodes.values().filter(|n| n.kind == *kind).map(|n| n.uid.clone()).collect()
    }

    /// The uids that name this one as an owner.
    pub(crate) fn dependents_of(&self, uid: &str) -> Vec<String> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The dependents that the deletion of `uid` waits for.
    pub(crate) fn blocking(&self, uid: &str) -> Vec<&Node> {
        let nodes = self.dependents.get(uid).into_iter().flatten().filter_map(|d| self.nodes.get(d));
        nodes.filter(|d| d.owners.iter().any(|o| o.uid == uid && o.block_owner_deletion == Some(true))).collect()
    }

    /// What is known about the owner that an object of `namespace` names.
    pub(crate) fn known(&self, owner: &OwnerReference, namespace: &str, owner_namespaced: bool) -> Known {
        let wanted_namespace = if owner_namespaced { namespace } else { "" };
        if let Some(node) = self.nodes.get(&owner.uid)
            && node.kind == GroupKind::of(&owner.api_version, &owner.kind)
            && node.name == owner.name
            && node.namespace == wanted_namespace
        {
            return if node.waits_for_dependents() { Known::WaitsForDependents } else { Known::Alive };
        }
        match self.absent.contains(&(wanted_namespace.to_owned(), owner.uid.clone())) {
            true => Known::Absent,
            false => Known::Unknown,
        }
    }

    /// The owner references of a node that point at an object which lives in another namespace.
    pub(crate) fn misplaced_owners(&self, node: &Node) -> Vec<OwnerReference> {
        let elsewhere = |owner: &&OwnerReference| {
            self.nodes.get(&owner.uid).is_some_and(|o| !o.namespace.is_empty() && o.namespace != node.namespace)
        };
        node.owners.iter().filter(elsewhere).cloned().collect()
    }

    fn waiting(&self, uid: &str) -> Option<String> {
        self.nodes.get(uid).filter(|o| o.waits_for_dependents()).map(|o| o.uid.clone())
    }

    fn unlink(&mut self, owner: &str, dependent: &str) {
        if let Some(set) = self.dependents.get_mut(owner) {
            set.remove(dependent);
            if set.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests;
