//! Elastic pools and databases. A database comes after its pool, and goes before it.

use super::server::tags;
use super::{API_VERSION, Design, item_id};
use crate::spec::database::{Database, ElasticPool};
use windlass_sdk::azure::ArmResource;
use windlass_sdk::{Item, Value, json};

/// The items of all pools and databases.
pub fn items(design: &Design<'_>) -> Vec<Item> {
    let spec = design.spec();
    let pools = spec.elastic_pools.iter().map(|pool| pool_item(design, pool));
    pools.chain(spec.databases.iter().map(|database| database_item(design, database))).collect()
}

fn pool_item(design: &Design<'_>, pool: &ElasticPool) -> Item {
    let mut properties = json!({});
    set(&mut properties, "maxSizeBytes", &pool.max_size_bytes);
    set(&mut properties, "perDatabaseSettings", &pool.per_database_settings);
    set(&mut properties, "zoneRedundant", &pool.zone_redundant);
    let mut body =
        json!({ "location": design.location(), "tags": tags(design.settings, &pool.tags), "properties": properties });
    set(&mut body, "sku", &pool.sku);
    let id = design.place.child("elasticPools", &pool.name);
    let resource = ArmResource::new(&id, API_VERSION, &body).patched().ready_at("/properties/state", &["Ready"]);
    design.child(&item_id("pool", &pool.name), resource).removal(design.guarded())
}

fn database_item(design: &Design<'_>, database: &Database) -> Item {
    let mut properties = json!({});
    set(&mut properties, "collation", &database.collation);
    set(&mut properties, "maxSizeBytes", &database.max_size_bytes);
    set(&mut properties, "zoneRedundant", &database.zone_redundant);
    set(&mut properties, "autoPauseDelay", &database.auto_pause_delay);
    let redundancy = &database.requested_backup_storage_redundancy;
    set(&mut properties, "requestedBackupStorageRedundancy", redundancy);
    if let Some(pool) = &database.elastic_pool {
        properties["elasticPoolId"] = json!(design.place.child("elasticPools", pool));
    }
    let mut body = json!({ "location": design.location(), "tags": tags(design.settings, &database.tags), "properties": properties });
    set(&mut body, "sku", &database.sku);
    let id = design.place.child("databases", &database.name);
    // A serverless database that sleeps is as good as one that is awake.
    let ready = ["Online", "Paused", "Pausing", "Resuming"];
    let resource = ArmResource::new(&id, API_VERSION, &body).patched().ready_at("/properties/status", &ready);
    let pool = database.elastic_pool.iter().map(|pool| item_id("pool", pool));
    design.child(&item_id("database", &database.name), resource).after(pool).removal(design.guarded())
}

/// Sets a field where something was written for it.
fn set(body: &mut Value, key: &str, value: &Option<impl serde::Serialize>) {
    if let Some(value) = value {
        body[key] = json!(value);
    }
}
