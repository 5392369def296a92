//! What is known about one resource and everything around it when a plan is made: the answer of `observe`, as values.
//!
//! A plan is only ever as good as these facts, so "not there" and "not looked at" are different answers: what nobody
//! looked at is neither created nor deleted.

use crate::decision::ItemId;
use crate::digest::Digest;
use crate::inventory::{Inventory, InventoryError};
use crate::kind::{Kind, ObjectKey};
use crate::names;
use crate::ready::Readiness;
use crate::scope::{Scope, Scopes};
use crate::snapshot::SecretFacts;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that a plan is made from, besides the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The resource.
    pub resource: ResourceFacts,
    /// Name of the plugin that decides for the resource; it goes into a label of each object.
    pub plugin: String,
    /// What was found of each object that the inventory, the decision or an owner reference names.
    pub objects: Objects,
    /// What was found of each item of another backend, by its id. Missing: not looked at.
    pub external: BTreeMap<ItemId, External>,
    /// What was found of each place of another backend that the inventory names, by its name in lower case. An item may
    /// have moved: what is at its new place says nothing about the old one.
    pub listed: BTreeMap<String, External>,
    /// What exists on behalf of the resource, as the last pass wrote it down. An inventory that cannot be read is an
    /// error and never an empty one: nothing is deleted on doubt.
    pub inventory: Result<Inventory, InventoryError>,
    /// What this process applied last, by item. Empty after a restart, which costs at most one write an item.
    pub last_writes: BTreeMap<ItemId, LastWrite>,
    /// Scopes of kinds as the cluster's discovery tells them. Well-known kinds need no entry.
    pub scopes: Scopes,
}

impl Facts {
    /// Facts about a resource of which nothing else is known yet; the inventory is read from its annotation.
    pub fn new(resource: ResourceFacts, plugin: &str) -> Self {
        let inventory = match resource.annotations.get(names::ANNOTATION_INVENTORY) {
            Some(text) => Inventory::read(text),
            None => Ok(Inventory::default()),
        };
        Facts {
            resource,
            plugin: plugin.into(),
            objects: Objects::default(),
            external: BTreeMap::new(),
            listed: BTreeMap::new(),
            inventory,
            last_writes: BTreeMap::new(),
            scopes: Scopes::default(),
        }
    }

    /// The scope of a kind; `None` where the cluster does not serve it, as far as is known.
    pub fn scope(&self, kind: &Kind) -> Option<Scope> {
        self.scopes.of(kind)
    }
}

/// The resource that a plan is for.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceFacts {
    /// Its kind, namespace and name.
    pub key: ObjectKey,
    /// Its uid. Everything that belongs to it carries this, so that a later resource of the same name owns nothing.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its generation; 0 where the kind has none.
    pub generation: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// Its finalizers.
    pub finalizers: Vec<String>,
}

impl ResourceFacts {
    /// Reads a live resource. `None` where it lacks what every live object has: kind, name and uid.
    pub fn from_object(object: &Value) -> Option<Self> {
        let metadata = object.get("metadata")?;
        Some(ResourceFacts {
            key: key_of(object)?,
            uid: text(metadata, "uid").filter(|uid| !uid.is_empty())?,
            resource_version: text(metadata, "resourceVersion").unwrap_or_default(),
            generation: metadata.get("generation").and_then(Value::as_i64).unwrap_or_default(),
            labels: texts(metadata.get("labels")),
            annotations: texts(metadata.get("annotations")),
            deleting: is_deleting(metadata),
            finalizers: strings(metadata.get("finalizers")),
        })
    }

    /// A user asked for no side effects at all (F10).
    pub fn paused(&self) -> bool {
        self.annotations.get(names::ANNOTATION_PAUSED).is_some_and(|value| value.trim() == "true")
    }

    /// A user asked to let a deleted resource go without teardown.
    pub fn abandoned(&self) -> bool {
        self.annotations.get(names::ANNOTATION_ABANDON).is_some_and(|value| value.trim() == "true")
    }

    /// The user allows the deletion of this item's object.
    pub fn allows_delete(&self, item: &str) -> bool {
        self.annotation_names(names::ANNOTATION_ALLOW_DELETE, item)
    }

    /// The user allows that this item takes over an object that exists.
    pub fn allows_adopt(&self, item: &str) -> bool {
        self.annotation_names(names::ANNOTATION_ADOPT, item)
    }

    /// Whether the resource carries the host's finalizer.
    pub fn has_finalizer(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == names::FINALIZER)
    }

    fn annotation_names(&self, annotation: &str, item: &str) -> bool {
        let Some(list) = self.annotations.get(annotation) else { return false };
        list.split(',').map(str::trim).any(|entry| entry == "*" || (!entry.is_empty() && entry == item))
    }
}

/// What was found where an object should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    /// Looked for in a view that is fresh enough, and not there.
    Absent,
    /// There.
    Found(Box<Found>),
    /// Looked for, without an answer that can be relied on; the text says why, for people.
    Unknown(String),
}

/// One live object.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its kind, namespace and name.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its owner references.
    pub owners: Vec<Owner>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// Whether it is ready by the rules of its kind, and why not.
    pub readiness: Readiness,
    /// The object without managedFields. Values of Secrets are replaced by fingerprints before they come here.
    pub content: Arc<Value>,
    /// Digest of what its meaning depends on: everything but status, resourceVersion, generation and managedFields.
    pub content_digest: Digest,
    /// Digest of the set of fields that our field manager owns; `None` where managedFields were not kept.
    pub owned_fields: Option<Digest>,
    /// For a Secret: its generation and keys.
    pub secret: Option<SecretFacts>,
}

/// One owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind of the owner.
    pub kind: Kind,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
    /// It is the controller; an object has at most one.
    pub controller: bool,
}

/// Paths that change without a change of meaning.
const VOLATILE: &[&[&str]] = &[
    &["status"],
    &["metadata", "resourceVersion"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "selfLink"],
];

impl Found {
    /// Reads a live object. Managed fields are used and dropped if they are there; a Secret's values must have been
    /// replaced by fingerprints already. `None` where the object lacks what every live object has.
    pub fn from_object(mut object: Value, readiness: Readiness) -> Option<Self> {
        let key = key_of(&object)?;
        let metadata = object.get_mut("metadata")?.as_object_mut()?;
        let owned_fields = metadata.remove("managedFields").map(|fields| owned_fields(&fields));
        let metadata = object.get("metadata")?;
        let annotations = texts(metadata.get("annotations"));
        let secret = (key.kind.group.is_empty() && key.kind.kind == "Secret").then(|| SecretFacts {
            generation: annotations
                .get(names::ANNOTATION_SECRET_GENERATION)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            keys: texts(object.get("data")).into_iter().collect(),
        });
        Some(Found {
            uid: text(metadata, "uid").filter(|uid| !uid.is_empty())?,
            resource_version: text(metadata, "resourceVersion").unwrap_or_default(),
            owners: owners(metadata.get("ownerReferences")),
            labels: texts(metadata.get("labels")),
            annotations,
            deleting: is_deleting(metadata),
            readiness,
            content_digest: Digest::without(&object, VOLATILE),
            owned_fields,
            secret,
            key,
            content: Arc::new(object),
        })
    }

    /// The controller among the owners.
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }

    /// Id of the item that the object was made for, as its annotation says.
    pub fn item(&self) -> Option<&str> {
        self.annotations.get(names::ANNOTATION_ITEM).map(String::as_str)
    }

    /// Digest of the desired object that was applied last, as its annotation says.
    pub fn desired_digest(&self) -> Option<Digest> {
        self.annotations.get(names::ANNOTATION_DESIRED).and_then(|text| Digest::parse(text))
    }
}

/// Objects by identity, whatever API version they were read or named in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects(BTreeMap<Slot, (ObjectKey, Sighting)>);

/// The place in a cluster that one object takes: versions of an API are views of the same object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    group: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl From<&ObjectKey> for Slot {
    fn from(key: &ObjectKey) -> Self {
        let ObjectKey { kind: Kind { group, version: _, kind }, namespace, name } = key;
        Slot { group: group.clone(), kind: kind.clone(), namespace: namespace.clone(), name: name.clone() }
    }
}

impl Objects {
    /// Notes what was found at a place. A later note about the same place replaces the earlier one.
    pub fn insert(&mut self, key: ObjectKey, sighting: Sighting) {
        self.0.insert(Slot::from(&key), (key, sighting));
    }

    /// Notes an object that was found.
    pub fn insert_found(&mut self, found: Found) {
        self.insert(found.key.clone(), Sighting::Found(Box::new(found)));
    }

    /// What was found at a place; `None` where nobody looked.
    pub fn get(&self, key: &ObjectKey) -> Option<&Sighting> {
        self.0.get(&Slot::from(key)).map(|(_, sighting)| sighting)
    }

    /// The live object at a place, if one was found.
    pub fn found(&self, key: &ObjectKey) -> Option<&Found> {
        match self.get(key)? {
            Sighting::Found(found) => Some(found),
            Sighting::Absent | Sighting::Unknown(_) => None,
        }
    }

    /// Everything that was looked at, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Sighting)> {
        self.0.values().map(|(key, sighting)| (key, sighting))
    }

    /// Every live object that was found, in a stable order.
    pub fn all_found(&self) -> impl Iterator<Item = &Found> {
        self.iter().filter_map(|(_, sighting)| match sighting {
            Sighting::Found(found) => Some(&**found),
            Sighting::Absent | Sighting::Unknown(_) => None,
        })
    }
}

/// What a backend besides Kubernetes found of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct External {
    /// Whether it exists.
    pub presence: Presence,
    /// Whether it is ready by the rules of the backend.
    pub ready: bool,
    /// It is as desired: nothing would be changed.
    pub as_desired: bool,
    /// It carries the mark that makes it ours (I7).
    pub ours: bool,
}

/// Whether something exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Asked, and it is not there.
    Absent,
    /// It is there.
    Present,
    /// No answer.
    Unknown,
    /// It is, or may be, there, and nothing can be done about it now: work is under way, or was refused and is not yet to
    /// be tried again.
    Busy,
}

/// What this process knows of its own last successful write of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWrite {
    /// Uid of the object that was written.
    pub uid: String,
    /// Digest of the desired object, as [`crate::plan::Action::desired_digest`] gives it.
    pub desired: Digest,
    /// [`Found::content_digest`] of the server's answer.
    pub answer: Digest,
    /// [`Found::owned_fields`] of the server's answer.
    pub owned_fields: Option<Digest>,
}

impl LastWrite {
    /// The record of a write that the server answered.
    pub fn new(desired: Digest, answer: &Found) -> Self {
        LastWrite { uid: answer.uid.clone(), desired, answer: answer.content_digest, owned_fields: answer.owned_fields }
    }
}

/// The key of an object in the form that a manifest or a live object has.
pub fn key_of(object: &Value) -> Option<ObjectKey> {
    let metadata = object.get("metadata")?;
    Some(ObjectKey {
        kind: crate::snapshot::manifest_kind(object)?,
        namespace: text(metadata, "namespace").filter(|namespace| !namespace.is_empty()),
        name: text(metadata, "name").filter(|name| !name.is_empty())?,
    })
}

/// Digest of what our field manager owns by server-side apply, from the metadata's managedFields.
fn owned_fields(managed: &Value) -> Digest {
    let ours = managed.as_array().into_iter().flatten().filter(|entry| {
        entry.get("manager").and_then(Value::as_str) == Some(names::FIELD_MANAGER)
            && entry.get("operation").and_then(Value::as_str) == Some("Apply")
            && entry.get("subresource").and_then(Value::as_str).unwrap_or_default().is_empty()
    });
    Digest::of(&Value::Array(ours.filter_map(|entry| entry.get("fieldsV1").cloned()).collect()))
}

fn owners(references: Option<&Value>) -> Vec<Owner> {
    let references = references.and_then(Value::as_array).into_iter().flatten();
    references
        .filter_map(|reference| {
            Some(Owner {
                kind: crate::snapshot::manifest_kind(reference)?,
                name: text(reference, "name")?,
                uid: text(reference, "uid")?,
                controller: reference.get("controller").and_then(Value::as_bool).unwrap_or_default(),
            })
        })
        .collect()
}

fn is_deleting(metadata: &Value) -> bool {
    metadata.get("deletionTimestamp").is_some_and(|time| !time.is_null())
}

fn text(map: &Value, key: &str) -> Option<String> {
    map.get(key)?.as_str().map(str::to_owned)
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
