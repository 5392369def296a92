//! Secrets of the Key Vault: the same values as in the Secret. They come after the server, so that a vault never shows a
//! password that the server does not have yet.

use super::{Design, PASSWORD, SERVER};
use windlass_sdk::azure::VaultSecret;
use windlass_sdk::{Item, SecretKey};

/// Last part of a name in the vault and of an item's id, the key in the Secret, and what it is.
pub const VALUES: [(&str, &str, &str); 4] = [
    ("host", "host", "text/plain"),
    ("login", "username", "text/plain"),
    ("password", PASSWORD, "text/plain"),
    ("connection-string", "adoConnectionString", "application/x-ado-connection-string"),
];

/// Id of the item of one secret.
pub fn id(part: &str) -> String {
    format!("vault/{part}")
}

/// The items of all secrets. Without the Secret they are left as they are.
pub fn items(design: &Design<'_>, has_secret: bool) -> Vec<Item> {
    let Some(vault) = &design.place.vault else { return Vec::new() };
    VALUES
        .iter()
        .map(|(part, key, type_)| {
            let value = SecretKey::new(&design.place.secret, key);
            let secret = VaultSecret::new(vault, &design.place.vault_secret(part), value).content_type(type_);
            Item::vault(&id(part), secret.observed_only(!has_secret)).after([SERVER])
        })
        .collect()
}
