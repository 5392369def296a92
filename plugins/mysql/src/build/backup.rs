//! The Backup resource, which the backup plugin turns into scheduled work.

use super::{BACKUP, Cluster, labels};
use crate::{BACKUP_GROUP, BACKUP_VERSION};
use windlass_sdk::{Item, json};

/// The Backup, where backups are enabled.
pub fn item(cluster: &Cluster<'_>) -> Option<Item> {
    let backup = &cluster.spec.backup;
    if !backup.enabled {
        return None;
    }
    let mut storage = json!(backup.storage);
    if backup.storage.size.is_none() && backup.storage.claim_name.is_none() {
        storage["size"] = json!(cluster.spec.storage.size);
    }
    let mut spec = json!({
        "source": { "mysql": cluster.metadata.name },
        "schedule": backup.schedule,
        "suspend": backup.suspend,
        "storage": storage,
        "retention": backup.retention,
    });
    if let Some(zone) = &backup.time_zone {
        spec["timeZone"] = json!(zone);
    }
    Some(Item::kubernetes(
        BACKUP,
        json!({
            "apiVersion": format!("{BACKUP_GROUP}/{BACKUP_VERSION}"),
            "kind": "Backup",
            "metadata": { "name": cluster.names.backup, "labels": labels(cluster.names) },
            "spec": spec,
        }),
    ))
}
