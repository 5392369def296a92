//! The volume claim that backups are written to.

use super::{CLAIM, claim_name, labels};
use crate::spec::{BackupSpec, WhenDeleted};
use windlass_sdk::{Item, Metadata, ReadyWhen, RemovalPolicy, json};

/// The claim, unless the user named one.
pub fn item(metadata: &Metadata, spec: &BackupSpec) -> Option<Item> {
    if spec.storage.claim_name.is_some() {
        return None;
    }
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": spec.storage.wished_size() } },
    });
    if let Some(class) = &spec.storage.storage_class_name {
        claim["storageClassName"] = json!(class);
    }
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": claim_name(metadata, spec), "labels": labels(metadata) },
        "spec": claim,
    });
    let removal = match spec.storage.when_deleted {
        // Kept rather than protected: backups outlive what they are of, and deleting a database must not hang on them.
        WhenDeleted::Retain => RemovalPolicy::Keep,
        WhenDeleted::Delete => RemovalPolicy::Delete,
    };
    // Many classes bind a volume only when a pod first wants it.
    Some(Item::kubernetes(CLAIM, manifest).ready_when(ReadyWhen::Exists).removal(removal))
}
