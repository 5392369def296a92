//! Databases and elastic pools.

use super::access::NAME;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::crd::rule;

/// A database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Name of the database.
    #[schemars(length(min = 1, max = 128), regex(pattern = NAME))]
    pub name: String,
    /// Size and tier; without it, Azure's default, or what the pool gives.
    pub sku: Option<Sku>,
    /// Name of the elastic pool of this server that the database is in.
    #[schemars(length(min = 1, max = 128), regex(pattern = NAME))]
    pub elastic_pool: Option<String>,
    /// Collation; it cannot change.
    #[schemars(length(max = 128), extend("x-kubernetes-validations" = [rule("self == oldSelf", "cannot change")]))]
    pub collation: Option<String>,
    /// The most that it may hold, in bytes.
    #[schemars(range(min = 104857600))]
    pub max_size_bytes: Option<i64>,
    /// Copies of it are in several zones.
    pub zone_redundant: Option<bool>,
    /// Where backups are kept.
    pub requested_backup_storage_redundancy: Option<Redundancy>,
    /// Minutes without use after which a serverless database pauses; -1 for never.
    #[schemars(range(min = -1, max = 10080))]
    pub auto_pause_delay: Option<i32>,
    /// Tags of the database.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 40))]
    pub tags: BTreeMap<String, String>,
}

/// An elastic pool.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticPool {
    /// Name of the pool.
    #[schemars(length(min = 1, max = 128), regex(pattern = NAME))]
    pub name: String,
    /// Size and tier; without it, Azure's default.
    pub sku: Option<Sku>,
    /// The most that all databases in it may hold, in bytes.
    #[schemars(range(min = 1))]
    pub max_size_bytes: Option<i64>,
    /// What each database gets.
    pub per_database_settings: Option<PerDatabaseSettings>,
    /// Copies of it are in several zones.
    pub zone_redundant: Option<bool>,
    /// Tags of the pool.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 40))]
    pub tags: BTreeMap<String, String>,
}

/// Size and tier of a database or a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sku {
    /// `GP_Gen5`, `S0`, `StandardPool`.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// `GeneralPurpose`, `Standard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub tier: Option<String>,
    /// `Gen5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub family: Option<String>,
    /// Cores or DTUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100000))]
    pub capacity: Option<i32>,
}

/// What each database of a pool gets, in cores or DTUs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerDatabaseSettings {
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_capacity: Option<f64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_capacity: Option<f64>,
}

/// Where backups are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Redundancy {
    /// In one place.
    Local,
    /// In several zones.
    Zone,
    /// In two regions.
    Geo,
    /// In several zones of two regions.
    GeoZone,
}
