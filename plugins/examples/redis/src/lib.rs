//! A second type of Azure resource, with no change of the host: a `RedisCache` becomes an Azure Cache for Redis.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_sdk::azure::ArmResource;
use windlass_sdk::{
    Column, Condition, Crd, Decision, Description, Fault, FieldError, Item, Reconciler, Snapshot, json,
};

/// Id of the one item.
const CACHE: &str = "cache";
/// Version of ARM's API.
const API_VERSION: &str = "2024-11-01";

/// What users write.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Region, as Azure names it.
    #[schemars(length(min = 1))]
    pub location: String,
    /// Size within the family, 0 to 6.
    #[serde(default)]
    #[schemars(range(min = 0, max = 6))]
    pub capacity: u32,
}

/// What is reported.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// Where clients connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
}

/// The plugin.
pub struct Redis;

impl Reconciler for Redis {
    type Spec = Spec;
    type Status = Status;

    fn describe() -> Description {
        let crd = Crd::of::<Spec, Status>("examples.windlass.dev", "v1", "RedisCache");
        Description::new("redis", env!("CARGO_PKG_VERSION"))
            .serves(crd.column(Column::text("Host", ".status.hostName")))
            .uses_azure()
    }

    fn decide(snapshot: Snapshot<Spec, Status>) -> Result<Decision, Fault> {
        let Some(group) = snapshot.settings.get("resourceGroup").and_then(|group| group.as_str()) else {
            let message = "the operator has to set the id of a resource group";
            return Err(Fault::Invalid(vec![FieldError::at("settings.resourceGroup", message)]));
        };
        let (name, spec) = (&snapshot.resource.metadata.name, &snapshot.resource.spec);
        let body = json!({
            "location": spec.location,
            "properties": {
                "sku": { "name": "Standard", "family": "C", "capacity": spec.capacity },
                "minimumTlsVersion": "1.2",
            },
        });
        let id = format!("{group}/providers/Microsoft.Cache/redis/{name}");
        let cache = Item::arm(CACHE, ArmResource::new(&id, API_VERSION, &body).uniquely_named().patched());

        let seen = snapshot.arm(CACHE).facts();
        let live = seen.map(|facts| facts.parsed()).unwrap_or_default();
        let host_name = live.pointer("/properties/hostName").and_then(|host| host.as_str()).map(str::to_string);
        let condition = match seen.and_then(|facts| facts.failed()) {
            Some(failed) => {
                let code = failed.error_code.clone().unwrap_or_default();
                Condition::no("Ready", "Refused", &format!("Azure refused the cache: {code}"))
            }
            None if snapshot.is_ready(CACHE) => Condition::yes("Ready", "AsWished", "the cache is ready"),
            None => Condition::no("Ready", "Creating", "the cache is being made; Azure takes some minutes"),
        };
        let decision = Decision::new(&Status { host_name }).condition(condition);
        // While the resource is deleted nothing needs to stay.
        Ok(if snapshot.deleting { decision } else { decision.item(cache) })
    }
}

windlass_sdk::export!(Redis);
