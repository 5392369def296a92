//! Secrets of a Key Vault over its data plane: addresses and bodies. Every PUT makes a version, so it is asked first; what is
//! deleted is recovered, and nothing is ever purged.

use super::arm::{Answer, Sending};
use super::credential::Identity;
use super::{Azure, Silence};
use model::azure::marks::OWNER;
use serde_json::json;

const VERSION: &str = "7.4";

/// What is done with a secret of a vault.
pub(super) enum Verb<'a> {
    Get,
    GetDeleted,
    Set { value: &'a str, content_type: Option<&'a str>, uid: &'a str },
    Recover,
    Delete,
}

impl Azure {
    /// A request about one secret. `place` is its address: `https://NAME.vault.azure.net/secrets/SECRET`.
    pub(super) async fn secret(&self, identity: &Identity, place: &str, verb: Verb<'_>) -> Result<Answer, Silence> {
        let Some((vault, name)) = split(place) else { return Err(Silence::Unreachable("NotResolved")) };
        let (method, path, body) = match verb {
            Verb::Get => (http::Method::GET, format!("secrets/{name}"), None),
            Verb::GetDeleted => (http::Method::GET, format!("deletedsecrets/{name}"), None),
            Verb::Recover => (http::Method::POST, format!("deletedsecrets/{name}/recover"), None),
            Verb::Delete => (http::Method::DELETE, format!("secrets/{name}"), None),
            Verb::Set { value, content_type, uid } => {
                let mut body = json!({ "value": value, "tags": { OWNER: uid } });
                if let Some(type_) = content_type {
                    body["contentType"] = type_.into();
                }
                (http::Method::PUT, format!("secrets/{name}"), Some(body.to_string().into_bytes()))
            }
        };
        let url = format!("{vault}/{path}?api-version={VERSION}");
        let audience = &self.endpoints.vault_audience;
        self.send(Sending { identity, audience, scope: vault, method, url, body }).await
    }
}

/// A vault's address and a secret's name. Names have letters, digits and hyphens alone.
pub(super) fn split(place: &str) -> Option<(&str, &str)> {
    let (vault, name) = place.rsplit_once("/secrets/")?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let host = vault.strip_prefix("https://")?;
    let known = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    (plain && known && !name.is_empty() && !host.is_empty()).then_some((vault, name))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn an_address_is_taken_apart_and_nothing_else_is_one() {
        assert_eq!(split("https://v.vault.azure.net/secrets/a-b"), Some(("https://v.vault.azure.net", "a-b")));
        for wrong in ["http://v/secrets/a", "https://v/secrets/a?b", "https://v/x/secrets/a", "https:///secrets/a", "a"]
        {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
