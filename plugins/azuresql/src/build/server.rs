//! The server itself.

use super::{API_VERSION, CREDENTIALS, Design, PASSWORD, SERVER};
use crate::login;
use crate::place::Place;
use crate::settings::Settings;
use crate::spec::ServerSpec;
use crate::status::ServerStatus;
use std::collections::BTreeMap;
use windlass_sdk::azure::ArmResource;
use windlass_sdk::{Item, Resource, SecretKey, Value, json};

/// Where the password goes.
pub const PASSWORD_POINTER: &str = "/properties/administratorLoginPassword";

/// Fields that can be changed, as JSON pointers.
const MUTABLE: [&str; 3] =
    ["/properties/minimalTlsVersion", "/properties/publicNetworkAccess", "/properties/restrictOutboundNetworkAccess"];

/// The item of the server. `with_password`: the Secret's password is sent.
pub fn item(design: &Design<'_>, with_password: bool) -> Item {
    let mut body = wanted(design.spec(), design.settings);
    if let Some(live) = &design.case.live {
        // What cannot change is asked for as it is, so that a wish that cannot come true holds nothing else back.
        for pointer in ["/location", "/properties/administratorLogin", "/properties/version"] {
            if let (Some(place), Some(value)) = (body.pointer_mut(pointer), live.pointer(pointer)) {
                *place = value.clone();
            }
        }
    } else if let Some(entra) = &design.spec().administrators {
        // Taken at creation alone; later it is an item of its own.
        body["properties"]["administrators"] = super::entra::at_creation(entra);
    }
    let resource = ArmResource::new(&design.place.id, API_VERSION, &body)
        .uniquely_named()
        .patched()
        .ready_at("/properties/state", &["Ready"])
        .observed_only(design.looks_only());
    let item = if with_password {
        Item::arm(SERVER, resource.secret(PASSWORD_POINTER, SecretKey::new(&design.place.secret, PASSWORD)))
            .after([CREDENTIALS])
    } else {
        Item::arm(SERVER, resource)
    };
    item.removal(design.guarded())
}

/// What is asked for, but for the password.
pub fn wanted(spec: &ServerSpec, settings: &Settings) -> Value {
    json!({
        "location": spec.location,
        "tags": tags(settings, &spec.tags),
        "properties": {
            "administratorLogin": login::effective(&spec.administrator_login),
            "version": "12.0",
            "minimalTlsVersion": spec.minimal_tls_version.as_str(),
            "publicNetworkAccess": spec.public_network_access.as_str(),
            "restrictOutboundNetworkAccess": spec.restrict_outbound_network_access.as_str(),
        },
    })
}

/// Tags of one thing: those of the operator, and those that the user wrote, which win.
pub fn tags<'a>(settings: &'a Settings, own: &'a BTreeMap<String, String>) -> BTreeMap<&'a String, &'a String> {
    settings.tags.iter().chain(own).collect()
}

/// The login that the server has, or is to get.
pub fn login<'a>(design: &'a Design<'_>) -> &'a str {
    let live = design.case.live.as_ref().and_then(|live| live.pointer("/properties/administratorLogin"));
    live.and_then(Value::as_str).unwrap_or_else(|| login::effective(&design.spec().administrator_login))
}

/// Fields that can be changed and are not as wished.
pub fn fields_that_differ(live: &Value, wanted: &Value) -> Vec<String> {
    let mut fields: Vec<String> = MUTABLE
        .iter()
        .filter(|pointer| live.pointer(pointer) != wanted.pointer(pointer))
        .map(|pointer| pointer.trim_start_matches("/properties/").to_string())
        .collect();
    let has = |key: &String, value: &Value| live.pointer("/tags").and_then(|tags| tags.get(key)) == Some(value);
    if wanted["tags"].as_object().is_some_and(|tags| !tags.iter().all(|(key, value)| has(key, value))) {
        fields.push("tags".to_string());
    }
    fields
}

/// Fields that cannot change and are not as wished.
pub fn fixed_fields_that_differ(
    resource: &Resource<ServerSpec, ServerStatus>,
    place: &Place,
    live: &Value,
) -> Vec<String> {
    let spec = &resource.spec;
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    let mut fields = Vec::new();
    if place.moved {
        fields.push("azureName or owner".to_string());
    }
    if text("/location").is_some_and(|location| region(location) != region(&spec.location)) {
        fields.push("location".to_string());
    }
    let wished = login::effective(&spec.administrator_login);
    if text("/properties/administratorLogin").is_some_and(|login| login != wished) {
        fields.push("administratorLogin".to_string());
    }
    fields
}

/// `East US` and `eastus` are one region.
fn region(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}
