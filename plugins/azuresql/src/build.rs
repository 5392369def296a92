//! What should exist for one server. In: the resource, its place and what is the case. Out: items: the Secret first, so
//! that no password is ever lost, then the server, then what is in it and the Key Vault.

pub mod credentials;
pub mod database;
pub mod entra;
pub mod kept;
pub mod rule;
pub mod server;
pub mod vault;

use crate::place::Place;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::situation::{Case, Situation};
use crate::spec::ServerSpec;
use crate::status::ServerStatus;
use windlass_sdk::azure::ArmResource;
use windlass_sdk::{Item, RemovalPolicy, Snapshot, names};

/// Id of the item of the Secret.
pub const CREDENTIALS: &str = "credentials";
/// Id of the item of the server.
pub const SERVER: &str = "server";
/// Key of the password in the Secret.
pub const PASSWORD: &str = "password";
/// Version of ARM's API for all types of Microsoft.Sql that are used.
pub const API_VERSION: &str = "2021-11-01";

/// What everything is built from.
pub struct Design<'a> {
    /// The resource, and what was found.
    pub snapshot: &'a Snapshot<ServerSpec, ServerStatus>,
    /// Where the server is.
    pub place: &'a Place,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// What is the case.
    pub case: &'a Case,
    /// What may be done.
    pub policy: Policy,
}

impl Design<'_> {
    /// What the user wrote.
    pub fn spec(&self) -> &ServerSpec {
        &self.snapshot.resource.spec
    }

    /// Nothing may be written.
    pub fn looks_only(&self) -> bool {
        self.policy == Policy::Skip
    }

    /// Nothing is known of the server.
    fn is_blind(&self) -> bool {
        matches!(self.case.situation, Situation::Looking | Situation::Unreachable { .. })
    }

    /// The Secret is among the items. Where it may not be made, it stays if it is there.
    fn has_secret(&self) -> bool {
        if self.looks_only() {
            return false;
        }
        if self.is_blind() || matches!(self.case.situation, Situation::NameTaken(_)) {
            return self.snapshot.secret(CREDENTIALS).is_some();
        }
        self.case.may_have_secret
    }

    /// Policy for what holds data.
    pub fn guarded(&self) -> RemovalPolicy {
        if self.spec().deletion_protection { RemovalPolicy::Protect } else { RemovalPolicy::Delete }
    }

    /// An item of something in the server.
    pub fn child(&self, id: &str, resource: ArmResource) -> Item {
        Item::arm(id, resource.observed_only(self.looks_only())).after([SERVER])
    }

    /// Region of what is in the server.
    pub fn location(&self) -> String {
        let live = self.case.live.as_ref().and_then(|live| live.get("location")).and_then(|location| location.as_str());
        live.unwrap_or(&self.spec().location).to_string()
    }
}

/// Every item.
pub fn items(design: &Design<'_>) -> Vec<Item> {
    let has_secret = design.has_secret();
    let server = server::item(design, has_secret);
    // A server without its password is never created.
    let creatable = has_secret || design.case.live.is_some();
    let mut items = Vec::new();
    items.extend(has_secret.then(|| credentials::item(design)));
    items.push(if creatable { server } else { watched(server) });
    items.extend(rule::items(design));
    items.extend(entra::items(design));
    items.extend(database::items(design));
    items.extend(vault::items(design, has_secret));
    if design.looks_only() {
        let kept = kept::items(design, &items);
        items.extend(kept);
        return items.into_iter().map(|item| item.removal(RemovalPolicy::Keep)).collect();
    }
    // What nobody has looked at may be somebody else's: nothing is written to it, nor into it.
    if design.is_blind() { items.into_iter().map(watched).collect() } else { items }
}

/// The same item, only to be looked at.
fn watched(mut item: Item) -> Item {
    use windlass_sdk::bindings::windlass::plugin::types::Body;
    match &mut item.body {
        Body::Azure(resource) => resource.observe_only = true,
        Body::Vault(secret) => secret.observe_only = true,
        Body::Kubernetes(_) | Body::Secret(_) | Body::Mysql(_) => {}
    }
    item
}

/// Id of an item from the name of a thing in Azure, which may have capitals and signs that ids have not. Names that differ
/// by case alone are one in Azure.
pub fn item_id(kind: &str, name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if lower.len() <= 80 && lower.chars().all(plain) {
        return format!("{kind}/{lower}");
    }
    let stem: String = lower.chars().map(|c| if plain(c) { c } else { '-' }).take(60).collect();
    // A colon is in no name, so that no name gives this id by itself.
    format!("{kind}/{stem}:{}", &names::hash(lower.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_the_name_and_different_names_have_different_ids() {
        assert_eq!(item_id("rule", "AllowAllWindowsAzureIps"), "rule/allowallwindowsazureips");
        assert_eq!(item_id("rule", "A.b"), item_id("rule", "a.B"));
        assert_ne!(item_id("rule", "a_b"), item_id("rule", "a-b"));
        assert_ne!(item_id("rule", "a_b"), item_id("rule", "a(b"));
        assert!(item_id("database", &"x_".repeat(64)).len() <= 100);
    }
}
