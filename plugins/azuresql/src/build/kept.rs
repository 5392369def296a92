//! What the last pass had and this one has no wish for, while nothing may be taken away: it is only looked at, so that it
//! is not missed. In: what was found. Out: items without a wish.

use super::{API_VERSION, Design, SERVER, vault};
use windlass_sdk::azure::{ArmResource, VaultSecret};
use windlass_sdk::{Item, SecretKey, UpdatePolicy, Value, json};

/// Items for everything of the last pass that is not among these.
pub fn items(design: &Design<'_>, wanted: &[Item]) -> Vec<Item> {
    let known = |id: &str| id == SERVER || wanted.iter().any(|item| item.id == id);
    let all = design.snapshot.items.iter().filter(|item| !item.id.is_empty() && !known(&item.id));
    all.filter_map(|item| {
        if item.id == super::CREDENTIALS {
            let there = design.snapshot.secret(&item.id).is_some();
            return there.then(|| super::credentials::item(design).update(UpdatePolicy::CreateOnce));
        }
        if let Some(part) = item.id.strip_prefix("vault/") {
            let address = design.snapshot.resource.status.key_vault.as_ref().or(design.place.vault.as_ref())?;
            let (part, key, _) = vault::VALUES.iter().find(|(known, _, _)| *known == part)?;
            let value = SecretKey::new(&design.place.secret, key);
            let secret = VaultSecret::new(address, &design.place.vault_secret(part), value);
            return Some(Item::vault(&item.id, secret.observed_only(true)));
        }
        let body = design.snapshot.arm(&item.id).facts().filter(|facts| facts.found)?.parsed();
        let id = body.get("id").and_then(Value::as_str)?;
        Some(Item::arm(&item.id, ArmResource::new(id, API_VERSION, &json!({})).observed_only(true)))
    })
    .collect()
}
