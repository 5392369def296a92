//! Secrets of a Key Vault over its data plane, by the official client. Every PUT makes a version, so it is asked first; what
//! is deleted is recovered, and nothing is ever purged.
//!
//! The client repeats nothing: the next pass does, and a pause that one request was asked for is kept by all of the vault.

use super::arm::{Answer, Taken};
use super::credential::Identity;
use super::gate::{Class, Closed};
use super::http::HttpError;
use super::tokens::word_of;
use super::{Azure, Silence};
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, Response, StatusCode, headers::Headers};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions, models::SetSecretParameters};
use model::azure::marks::OWNER;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const VERSION: &str = "7.4";
/// Clients that are kept; more than that are made anew.
const MOST: usize = 10_000;

/// What is done with a secret of a vault.
pub(super) enum Verb<'a> {
    Get,
    GetDeleted,
    Set { value: &'a str, content_type: Option<&'a str>, uid: &'a str },
    Recover,
    Delete,
}

impl Verb<'_> {
    fn class(&self) -> Class {
        match self {
            Verb::Get | Verb::GetDeleted => Class::Read,
            Verb::Set { .. } | Verb::Recover => Class::Write,
            Verb::Delete => Class::Delete,
        }
    }
}

/// Clients by identity and vault. Each asks its vault once, without a token, what tokens it takes.
#[derive(Default)]
pub(super) struct Vaults(Mutex<HashMap<Whose, Arc<SecretClient>>>);

/// Digest of an identity, and address of a vault.
type Whose = ([u8; 32], String);

impl Vaults {
    fn client(
        &self,
        identity: &Identity,
        vault: &str,
        credential: Arc<dyn TokenCredential>,
        client_options: ClientOptions,
    ) -> azure_core::Result<Arc<SecretClient>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        let key = (identity.key(), vault.to_ascii_lowercase());
        if let Some(known) = all.get(&key) {
            return Ok(known.clone());
        }
        let options =
            SecretClientOptions { api_version: VERSION.into(), client_options, ..SecretClientOptions::default() };
        let client = Arc::new(SecretClient::new(vault, credential, Some(options))?);
        all.insert(key, client.clone());
        Ok(client)
    }

    /// Forgets the clients of an identity, with the tokens that they keep.
    pub fn forget(&self, identity: &Identity) {
        let key = identity.key();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| *known != key);
    }
}

impl Azure {
    /// A request about one secret. `place` is its address: `https://NAME.vault.azure.net/secrets/SECRET`.
    pub(super) async fn secret(&self, identity: &Identity, place: &str, verb: Verb<'_>) -> Result<Answer, Silence> {
        let (vault, name) = split(place).ok_or(Silence::Unreachable("NotResolved"))?;
        // The token first: whoever holds a permit sends at once. The client gets the same one.
        let credential = self.tokens.credential(identity, &self.endpoints.vault_audience).await?;
        let client = self.vaults.client(identity, vault, credential, self.tokens.options().clone());
        let client = client.map_err(|_| Silence::Unreachable("NotResolved"))?;
        let class = verb.class();
        let permit = self.gates.admit(vault, class).await.map_err(|Closed(left)| Silence::Throttled(left))?;
        let taken = match verb {
            Verb::Get => taken(client.get_secret(name, None).await),
            Verb::GetDeleted => taken(client.get_deleted_secret(name, None).await),
            Verb::Recover => taken(client.recover_deleted_secret(name, None).await),
            Verb::Delete => taken(client.delete_secret(name, None).await),
            Verb::Set { value, content_type, uid } => {
                let parameters = SetSecretParameters {
                    value: Some(value.to_owned()),
                    content_type: content_type.map(str::to_owned),
                    tags: Some(HashMap::from([(OWNER.to_owned(), uid.to_owned())])),
                    secret_attributes: None,
                };
                // Texts alone: they can be written as JSON.
                let parameters = parameters.try_into().map_err(|_| Silence::Unreachable("Broken"))?;
                taken(client.set_secret(name, parameters, None).await)
            }
        };
        self.conclude(identity, permit, class, taken?)
    }
}

/// What a vault answered, whatever it was. The client's own errors may quote it: only a word of them is kept.
fn taken<T>(outcome: azure_core::Result<Response<T>>) -> Result<Taken, Silence> {
    let error = match outcome {
        Ok(response) => {
            let (status, headers, body) = response.deconstruct();
            return Ok(answer(status, &headers, &body));
        }
        Err(error) => error,
    };
    if let ErrorKind::HttpResponse { raw_response: Some(raw), .. } = error.kind() {
        return Ok(answer(raw.status(), raw.headers(), raw.body()));
    }
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = at {
        if let Some(HttpError(word)) = cause.downcast_ref::<HttpError>() {
            return Err(Silence::Unreachable(word));
        }
        at = cause.source();
    }
    Err(match error.kind() {
        ErrorKind::Credential => Silence::NoToken(word_of(&error)),
        // A challenge that names somebody else's domain, or none that can be read.
        _ => Silence::Unreachable("Broken"),
    })
}

fn answer(status: StatusCode, headers: &Headers, body: &[u8]) -> Taken {
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().to_owned()));
    Taken { status: status.into(), headers: headers.collect(), body: body.to_vec() }
}

/// The vault of a secret's address: whose gate requests about it go through.
pub(super) fn vault_of(place: &str) -> &str {
    split(place).map_or(place, |(vault, _)| vault)
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
