//! Types of other providers, each there for what Microsoft.Sql does not do: caches say in their body how far they are, and
//! private DNS zones have ETags.

use super::{Asked, Kind, Pace, Shape, default, set};
use crate::error::ApiError;
use serde_json::{Value, json};

/// The types.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Microsoft.Cache/redis",
        versions: &["2023-08-01", "2024-03-01", "2024-11-01"],
        tracked: true,
        global: true,
        patch: true,
        etag: false,
        pace: Pace::Provisioned,
        poll: ("asyncOperations", "operationResults"),
        operations: ("CreateRedis", "DeleteRedis"),
        state: Some(("/properties/provisioningState", "Succeeded")),
        top: &["identity", "zones"],
        properties: &[
            ("sku", Shape::Object),
            ("redisVersion", Shape::Text),
            ("enableNonSslPort", Shape::Bool),
            ("minimumTlsVersion", Shape::Text),
            ("publicNetworkAccess", Shape::Text),
            ("redisConfiguration", Shape::Object),
            ("shardCount", Shape::Number),
            ("replicasPerPrimary", Shape::Number),
        ],
        hidden: &[],
        immutable: &["/properties/sku/family"],
        name_error: cache_name,
        check: check_cache,
        late: |_| None,
        render: render_cache,
    },
    Kind {
        name: "Microsoft.Network/privateDnsZones",
        versions: &["2020-06-01", "2024-06-01"],
        tracked: true,
        global: false,
        patch: true,
        etag: true,
        pace: Pace::Sync,
        poll: ("operationStatuses", "operationResults"),
        operations: ("CreateZone", "DeleteZone"),
        state: Some(("/properties/provisioningState", "Succeeded")),
        top: &[],
        properties: &[],
        hidden: &[],
        immutable: &[],
        name_error: |name| {
            (!name.contains('.')).then(|| ApiError::new(400, "BadRequest", "The domain name is invalid."))
        },
        check: |_| Ok(()),
        late: |_| None,
        render: |_, body| set(body, "provisioningState", json!("Succeeded")),
    },
];

fn cache_name(name: &str) -> Option<ApiError> {
    let good = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    (!good).then(|| ApiError::new(400, "InvalidRequestBody", "The name of the cache is invalid."))
}

fn check_cache(asked: &Asked<'_>) -> Result<(), ApiError> {
    let sku = |field: &str| asked.body.pointer(&format!("/properties/sku/{field}"));
    let named =
        sku("name").and_then(Value::as_str).is_some_and(|name| ["Basic", "Standard", "Premium"].contains(&name));
    let family = sku("family").and_then(Value::as_str).is_some_and(|family| ["C", "P"].contains(&family));
    if !(named && family && sku("capacity").is_some_and(Value::is_u64)) {
        return Err(ApiError::new(400, "InvalidRequestBody", "The value of the parameter properties.sku is invalid."));
    }
    Ok(())
}

fn render_cache(asked: &Asked<'_>, body: &mut Value) {
    default(body, "redisVersion", json!("6.0"));
    default(body, "enableNonSslPort", json!(false));
    default(body, "publicNetworkAccess", json!("Enabled"));
    set(body, "hostName", json!(format!("{}.redis.cache.windows.net", asked.id.name())));
    set(body, "port", json!(6379));
    set(body, "sslPort", json!(6380));
    set(body, "provisioningState", json!("Succeeded"));
    // Keys come from a call of their own.
    set(body, "accessKeys", Value::Null);
}
