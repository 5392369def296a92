//! Tokens: an identity and an audience in, a bearer token out, by the credentials of `azure_identity` over the host's own
//! HTTP client. Tokens are kept by those credentials until shortly before they end.

use super::Silence;
use super::credential::Identity;
use super::endpoints::Endpoints;
use super::http::{Http, HttpError};
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{
    AsyncRawResponse, Body, ClientMethodOptions, ClientOptions, HttpClient, Request, RetryOptions, StatusCode,
    Transport,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Credentials that are kept; more than that are made anew.
const MOST: usize = 10_000;
/// How long a refusal holds, so that a wrong secret is not tried without end.
const REFUSED_FOR: Duration = Duration::from_secs(20);

/// Credentials by identity.
pub(super) struct Tokens {
    options: ClientOptions,
    known: Mutex<HashMap<[u8; 32], Known>>,
}

#[derive(Clone)]
struct Known {
    credential: Arc<dyn TokenCredential>,
    refused: Option<(tokio::time::Instant, &'static str)>,
}

impl Tokens {
    pub fn new(endpoints: &Endpoints, http: Arc<dyn Http>) -> Self {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host.clone_from(&endpoints.login);
        let options = ClientOptions {
            transport: Some(Transport::new(Arc::new(Client(http)))),
            // The next pass is the retry.
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(cloud.into())),
            ..ClientOptions::default()
        };
        Tokens { options, known: Mutex::default() }
    }

    /// A token for an audience (`https://vault.azure.net`).
    pub async fn token(&self, identity: &Identity, audience: &str) -> Result<Secret, Silence> {
        let key = identity.key();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let credential = match known {
            Some(Known { refused: Some((until, word)), .. }) if tokio::time::Instant::now() < until => {
                return Err(Silence::NoToken(word));
            }
            Some(known) => known.credential,
            None => self.make(identity).map_err(|_| Silence::NoToken("CredentialMissing"))?,
        };
        let scope = format!("{}/.default", audience.trim_end_matches('/'));
        let answer = credential.get_token(&[&scope], None).await;
        // Errors of the library may quote answers; only their class is kept.
        let word = answer.as_ref().err().map(word_of);
        let refused =
            word.filter(|word| *word != "Timeout").map(|word| (tokio::time::Instant::now() + REFUSED_FOR, word));
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, Known { credential, refused });
        answer.map(|token| token.token).map_err(|_| Silence::NoToken(word.unwrap_or("Timeout")))
    }

    /// What has given a token for an audience, and gives more.
    pub async fn credential(&self, identity: &Identity, audience: &str) -> Result<Arc<dyn TokenCredential>, Silence> {
        self.token(identity, audience).await?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&identity.key()).cloned();
        known.map(|known| known.credential).ok_or(Silence::NoToken("CredentialMissing"))
    }

    /// How clients of the official libraries speak: over the host's HTTP client, and once.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Forgets the tokens of an identity: one of them was refused.
    pub fn forget(&self, identity: &Identity) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&identity.key());
    }

    fn make(&self, identity: &Identity) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let client_options = self.options.clone();
        Ok(match identity {
            Identity::ClientSecret { tenant, client, secret } => {
                let secret = Secret::new(secret.expose().clone());
                let options = ClientSecretCredentialOptions { client_options };
                ClientSecretCredential::new(tenant, client.clone(), secret, Some(options))?
            }
            Identity::Workload { tenant, client, file } => {
                let options = ClientAssertionCredentialOptions { client_options };
                let assertion = TokenFile(file.clone());
                ClientAssertionCredential::new(tenant.clone(), client.clone(), assertion, Some(options))?
            }
            Identity::Managed { client } => {
                let user_assigned_id = client.clone().map(UserAssignedId::ClientId);
                let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
                ManagedIdentityCredential::new(Some(options))?
            }
        })
    }
}

/// The class of a failure, from the first error in the chain that knows a status.
pub(super) fn word_of(error: &azure_core::Error) -> &'static str {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(known) = error.downcast_ref::<azure_core::Error>() {
            match known.http_status().map(u16::from) {
                Some(429 | 500..) => return "Timeout",
                Some(_) => return "CredentialRefused",
                None => {}
            }
        }
        if error.is::<FileMissing>() {
            return "CredentialMissing";
        }
        at = error.source();
    }
    "Timeout"
}

/// A service account's token, from its file each time: the library's own credential keeps what it read for minutes.
#[derive(Debug)]
struct TokenFile(PathBuf);

#[derive(Debug, thiserror::Error)]
#[error("the file with the service account's token cannot be read")]
struct FileMissing;

#[async_trait::async_trait]
impl ClientAssertion for TokenFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let text = tokio::fs::read_to_string(&self.0).await;
        let text = text.map_err(|_| azure_core::Error::new(ErrorKind::Credential, FileMissing))?;
        Ok(text.trim().to_owned())
    }
}

/// The host's HTTP client, as the library wants it.
#[derive(Debug)]
struct Client(Arc<dyn Http>);

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let unfit = |what: &'static str| azure_core::Error::with_message(ErrorKind::DataConversion, what);
        let mut builder = http::Request::builder().method(request.method().as_ref()).uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::SeekableStream(_) => return Err(unfit("a token request has no streamed body")),
        };
        let request = builder.body(body).map_err(|_| unfit("the token request is malformed"))?;
        let answer =
            self.0.send(request).await.map_err(|error: HttpError| azure_core::Error::new(ErrorKind::Io, error))?;
        let (parts, body) = answer.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(parts.status.as_u16()), headers, body))
    }
}
