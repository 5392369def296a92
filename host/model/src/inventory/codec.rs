//! The annotation's form: `{"v":1,"items":[{"id":"svc","api":"v1","kind":"Service","ns":"default","name":"db"},…]}`.
//! Defaults are left out, so that a thousand items stay below what annotations may hold.

use super::{Backend, Entry, Inventory, InventoryError, Target};
use crate::decision::RemovalPolicy;
use crate::kind::{Kind, ObjectKey};
use crate::text::{escape, truncate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Newest form that this host writes and reads.
const VERSION: u64 = 1;
/// An annotation cannot be longer than all annotations together may be.
const MAX_BYTES: usize = 256 << 10;

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u64,
    items: Vec<StoredEntry>,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    id: String,
    /// Backend; an object of Kubernetes where it is left out.
    #[serde(default, skip_serializing_if = "StoredBackend::is_object")]
    on: StoredBackend,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    api: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ns: Option<String>,
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
    #[serde(default, skip_serializing_if = "StoredRemoval::is_delete")]
    removal: StoredRemoval,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredBackend {
    #[default]
    Object,
    Secret,
    Mysql,
    Azure,
    Vault,
}

impl StoredBackend {
    fn is_object(&self) -> bool {
        matches!(self, StoredBackend::Object)
    }
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredRemoval {
    #[default]
    Delete,
    Keep,
    Protect,
}

impl StoredRemoval {
    fn is_delete(&self) -> bool {
        matches!(self, StoredRemoval::Delete)
    }
}

pub(super) fn write(inventory: &Inventory) -> String {
    let stored = Stored { v: VERSION, items: inventory.entries.iter().map(store).collect() };
    // Strings, numbers and lists of them: this cannot fail. An empty text would read as damaged, never as empty.
    serde_json::to_string(&stored).unwrap_or_default()
}

pub(super) fn read(text: &str) -> Result<Inventory, InventoryError> {
    if text.len() > MAX_BYTES {
        return Err(InventoryError::Damaged(format!("{} bytes, at most {MAX_BYTES} are read", text.len())));
    }
    // The version first: a newer form may well have other fields.
    let Version { v } = serde_json::from_str(text).map_err(damaged)?;
    if v > VERSION {
        return Err(InventoryError::Newer(v));
    }
    let Stored { v: _, items } = serde_json::from_str(text).map_err(damaged)?;
    let entries = items.into_iter().map(load).collect::<Result<Vec<Entry>, InventoryError>>()?;
    let mut targets = BTreeSet::new();
    for entry in &entries {
        if !targets.insert(&entry.target) {
            return Err(InventoryError::Damaged(format!("item {} is there twice", truncate(&escape(&entry.id), 100))));
        }
    }
    Ok(Inventory { entries })
}

fn damaged(error: serde_json::Error) -> InventoryError {
    // The error names line and column and quotes at most a field's name or a short literal.
    InventoryError::Damaged(truncate(&escape(&error.to_string()), 200))
}

fn store(entry: &Entry) -> StoredEntry {
    let Entry { id, target, after, removal } = entry;
    let (on, api, kind, ns, name) = match target {
        Target::Object(ObjectKey { kind, namespace, name }) => {
            (StoredBackend::Object, kind.api_version(), kind.kind.clone(), namespace.clone(), name.clone())
        }
        Target::Secret(ObjectKey { kind, namespace, name }) => {
            (StoredBackend::Secret, kind.api_version(), kind.kind.clone(), namespace.clone(), name.clone())
        }
        Target::External { backend, name, api_version } => {
            let on = match backend {
                Backend::Mysql => StoredBackend::Mysql,
                Backend::Azure => StoredBackend::Azure,
                Backend::Vault => StoredBackend::Vault,
            };
            (on, api_version.clone(), String::new(), None, name.clone())
        }
    };
    let removal = match removal {
        RemovalPolicy::Delete => StoredRemoval::Delete,
        RemovalPolicy::Keep => StoredRemoval::Keep,
        RemovalPolicy::Protect => StoredRemoval::Protect,
    };
    StoredEntry { id: id.clone(), on, api, kind, ns, name, after: after.clone(), removal }
}

fn load(stored: StoredEntry) -> Result<Entry, InventoryError> {
    let StoredEntry { id, on, api, kind, ns, name, after, removal } = stored;
    let lacks = |what: &str| InventoryError::Damaged(format!("item {} has no {what}", truncate(&escape(&id), 100)));
    if name.is_empty() {
        return Err(lacks("name"));
    }
    let external = |backend| Target::External { backend, name: name.clone(), api_version: api.clone() };
    let target = match on {
        StoredBackend::Object | StoredBackend::Secret => {
            if api.is_empty() || kind.is_empty() {
                return Err(lacks("kind"));
            }
            let key = ObjectKey { kind: Kind::from_manifest(&api, &kind), namespace: ns, name: name.clone() };
            if matches!(on, StoredBackend::Secret) { Target::Secret(key) } else { Target::Object(key) }
        }
        StoredBackend::Mysql => external(Backend::Mysql),
        StoredBackend::Azure => external(Backend::Azure),
        StoredBackend::Vault => external(Backend::Vault),
    };
    let removal = match removal {
        StoredRemoval::Delete => RemovalPolicy::Delete,
        StoredRemoval::Keep => RemovalPolicy::Keep,
        StoredRemoval::Protect => RemovalPolicy::Protect,
    };
    Ok(Entry { id, target, after, removal })
}
