//! One request to ARM: method, address and body in, the answer as far as anything depends on it out. Through the gate, with
//! a token.

use super::credential::Identity;
use super::gate::{Class, Closed, Permit};
use super::http::HttpError;
use super::{Azure, Silence};
use model::azure::operation;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds of a pause that Azure asks for without saying how long.
const PAUSE: u64 = 10;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status; never 401 or 429, which are [`Silence`].
    pub status: u16,
    /// Its body; null where it has none or none that is JSON.
    pub body: Value,
    /// Its ETag.
    pub etag: Option<String>,
    /// Where to ask how an operation is: address, and whether it is that of the result.
    pub operation: Option<(String, bool)>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// Azure's id of the request.
    pub request_id: String,
}

/// An answer as it came.
pub(super) struct Taken {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What is sent.
pub(super) struct Sending<'a> {
    pub identity: &'a Identity,
    /// For whom the token is.
    pub audience: &'a str,
    /// Whose gate it goes through: a subscription.
    pub scope: &'a str,
    pub method: http::Method,
    pub url: String,
    pub body: Option<Vec<u8>>,
    /// ETag of what was looked at: nothing else is changed.
    pub only_if: Option<&'a str>,
}

/// The subscription of a path: whose gate requests about it go through.
pub(super) fn subscription_of(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or_default()
}

impl Answer {
    /// It was taken.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Code and words of its error. Never without a code.
    pub fn error(&self) -> (String, String) {
        let (code, message) = operation::error(&self.body);
        (if code.is_empty() { format!("Http{}", self.status) } else { code }, message)
    }

    /// Milliseconds that it asks to wait.
    pub fn wait(&self, default: u64) -> u64 {
        operation::wait(self.retry_after.as_deref(), default)
    }
}

impl Azure {
    /// A request about a resource of ARM, `only_if` it still has this ETag.
    pub(super) async fn arm(
        &self,
        identity: &Identity,
        method: http::Method,
        path: &str,
        api_version: &str,
        body: Option<&Value>,
        only_if: Option<&str>,
    ) -> Result<Answer, Silence> {
        let subscription = subscription_of(path);
        let url = format!("{}{path}?api-version={api_version}", self.endpoints.resource_manager);
        let body = body.map(|body| body.to_string().into_bytes());
        let audience = &self.endpoints.resource_manager_audience;
        self.send(Sending { identity, audience, scope: subscription, method, url, body, only_if }).await
    }

    /// How an operation is. None where the address is not one of ARM: a token is never shown to anybody else.
    pub(super) async fn poll(&self, identity: &Identity, url: &str) -> Option<Result<Answer, Silence>> {
        let path = url.strip_prefix(self.endpoints.resource_manager.as_str()).filter(|path| path.starts_with('/'))?;
        let subscription = subscription_of(path).to_owned();
        let sending = Sending {
            identity,
            audience: &self.endpoints.resource_manager_audience,
            scope: &subscription,
            method: http::Method::GET,
            url: url.to_owned(),
            body: None,
            only_if: None,
        };
        Some(self.send(sending).await)
    }

    pub(super) async fn send(&self, sending: Sending<'_>) -> Result<Answer, Silence> {
        let Sending { identity, audience, scope, method, url, body, only_if } = sending;
        let class = Class::of(&method);
        // The token first: whoever holds a permit sends at once.
        let token = self.tokens.token(identity, audience).await?;
        let permit = self.gates.admit(scope, class).await.map_err(|Closed(left)| Silence::Throttled(left))?;
        let mut builder = http::Request::builder()
            .method(method)
            .uri(url)
            .header("user-agent", concat!("windlass/", env!("CARGO_PKG_VERSION")))
            .header("accept", "application/json")
            .header("authorization", format!("Bearer {}", token.secret()));
        if body.is_some() {
            builder = builder.header("content-type", "application/json");
        }
        if let Some(etag) = only_if {
            builder = builder.header("if-match", etag);
        }
        let request = builder.body(body.unwrap_or_default()).map_err(|_| Silence::Unreachable("NotResolved"))?;
        let answer = self.http.send(request).await.map_err(|HttpError(word)| Silence::Unreachable(word))?;
        let (parts, body) = answer.into_parts();
        let readable = |value: &http::HeaderValue| value.to_str().map(str::to_owned).ok();
        let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str().into(), readable(value)?)));
        let taken = Taken { status: parts.status.as_u16(), headers: headers.collect(), body };
        self.conclude(identity, permit, class, taken)
    }

    /// Tells gate and tokens what an answer says about them.
    pub(super) fn conclude(
        &self,
        identity: &Identity,
        permit: Permit,
        class: Class,
        taken: Taken,
    ) -> Result<Answer, Silence> {
        let Taken { status, headers, body } = taken;
        let header = |name: &str| headers.get(name).cloned();
        if status == 429 {
            let pause = Duration::from_millis(operation::wait(header("retry-after").as_deref(), PAUSE).max(1000));
            permit.answered(None, Some(pause));
            return Err(Silence::Throttled(pause));
        }
        permit.answered(header(class.header()).and_then(|left| left.parse().ok()), None);
        if status == 401 {
            self.tokens.forget(identity);
            self.vaults.forget(identity);
            return Err(Silence::NoToken("CredentialRefused"));
        }
        let asked = header("azure-asyncoperation").map(|url| (url, false));
        Ok(Answer {
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            etag: header("etag"),
            operation: asked.or_else(|| header("location").filter(|_| status == 202).map(|url| (url, true))),
            retry_after: header("retry-after"),
            request_id: header("x-ms-request-id").unwrap_or_default(),
        })
    }
}
