//! The administrator of Microsoft Entra, and whether there are other logins beside.

use super::{API_VERSION, Design};
use crate::spec::access::Administrators;
use windlass_sdk::azure::ArmResource;
use windlass_sdk::{Item, Value, json};

/// Id of the item of the administrator.
pub const ADMINISTRATOR: &str = "administrator";
/// Id of the item that says whether there are other logins.
pub const ONLY: &str = "entra-only";

/// The items of the administrator.
pub fn items(design: &Design<'_>) -> Vec<Item> {
    let Some(entra) = &design.spec().administrators else { return Vec::new() };
    let mut properties = json!({ "administratorType": "ActiveDirectory", "login": entra.login, "sid": entra.sid });
    if let Some(tenant) = &entra.tenant_id {
        properties["tenantId"] = json!(tenant);
    }
    let id = design.place.child("administrators", "ActiveDirectory");
    let body = json!({ "properties": properties });
    let administrator = design.child(ADMINISTRATOR, ArmResource::new(&id, API_VERSION, &body).adopted());
    let id = design.place.child("azureADOnlyAuthentications", "Default");
    let body = json!({ "properties": { "azureADOnlyAuthentication": entra.azure_ad_only_authentication } });
    let only = design.child(ONLY, ArmResource::new(&id, API_VERSION, &body).adopted()).after([ADMINISTRATOR]);
    vec![administrator, only]
}

/// The administrator as a part of the server, where it is created.
pub fn at_creation(entra: &Administrators) -> Value {
    let mut body = json!({
        "administratorType": "ActiveDirectory",
        "login": entra.login,
        "sid": entra.sid,
        "azureADOnlyAuthentication": entra.azure_ad_only_authentication,
    });
    if let Some(tenant) = &entra.tenant_id {
        body["tenantId"] = json!(tenant);
    }
    if let Some(type_) = entra.principal_type {
        body["principalType"] = json!(type_);
    }
    body
}
