//! The way to Azure: a request in, an answer or the lack of one out. Nothing is repeated, redirected or logged here.

use futures::future::{BoxFuture, FutureExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An answer that takes longer has an unknown outcome.
const DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer that is read; ARM sends no more than 4 MiB.
const MOST_BYTES: usize = 8 << 20;

/// Sends requests.
pub trait Http: Send + Sync + fmt::Debug + 'static {
    /// Sends one request and reads the whole answer, within some deadline.
    fn send(&self, request: http::Request<Vec<u8>>) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, HttpError>>;
}

/// Why there is no answer. The word is as plugins see it; nothing of the request is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer ({0})")]
pub struct HttpError(pub &'static str);

/// The network.
pub struct Wire {
    client: Mutex<Option<HttpClient>>,
    instead: BTreeMap<String, String>,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("instead", &self.instead).finish_non_exhaustive()
    }
}

impl Wire {
    /// A client that asks other addresses instead of some, as [`super::Endpoints::instead`] says.
    pub fn new(instead: BTreeMap<String, String>) -> Self {
        Wire { client: Mutex::default(), instead }
    }

    fn client(&self) -> Result<HttpClient, HttpError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let builder =
            hyper_rustls::HttpsConnectorBuilder::new().with_native_roots().map_err(|_| HttpError("TlsFailed"))?;
        let connector = builder.https_or_http().enable_http1().build();
        let made = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(60)).build(connector);
        *client = Some(made.clone());
        Ok(made)
    }

    /// The address that is asked. What is not encrypted goes to this machine alone, and to its metadata service.
    fn address(&self, uri: &http::Uri) -> Result<http::Uri, HttpError> {
        let text = uri.to_string();
        let instead = self.instead.iter().find_map(|(from, to)| {
            let rest = text.strip_prefix(from.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{}{rest}", to.trim_end_matches('/')))
        });
        let uri = match instead {
            Some(text) => text.parse().map_err(|_| HttpError("NotResolved"))?,
            None => uri.clone(),
        };
        let host = uri.host().unwrap_or_default();
        let near = ["127.0.0.1", "localhost", "[::1]", "169.254.169.254"].contains(&host);
        if uri.scheme_str() == Some("https") || near { Ok(uri) } else { Err(HttpError("TlsFailed")) }
    }

    async fn exchange(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, HttpError> {
        let (mut parts, body) = request.into_parts();
        parts.uri = self.address(&parts.uri)?;
        let request = http::Request::from_parts(parts, Full::new(Bytes::from(body)));
        let response = self
            .client()?
            .request(request)
            .await
            .map_err(|error| HttpError(if error.is_connect() { "Refused" } else { "Broken" }))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|_| HttpError("Broken"))?;
        Ok(http::Response::from_parts(parts, body.to_bytes().to_vec()))
    }
}

impl Http for Wire {
    fn send(&self, request: http::Request<Vec<u8>>) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, HttpError>> {
        async move { tokio::time::timeout(DEADLINE, self.exchange(request)).await.unwrap_or(Err(HttpError("Timeout"))) }
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_not_encrypted_stays_on_this_machine() {
        let instead = [("https://v.vault.azure.net", "http://127.0.0.1:1"), ("https://far.net", "http://far.test")];
        let wire = Wire::new(instead.map(|(from, to)| (from.to_owned(), to.to_owned())).into());
        let of = |text: &str| wire.address(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("https://v.vault.azure.net/secrets/a?x=1").unwrap(), "http://127.0.0.1:1/secrets/a?x=1");
        assert_eq!(of("https://v.vault.azure.net.evil/secrets/a").unwrap(), "https://v.vault.azure.net.evil/secrets/a");
        assert!(of("https://far.net/x").is_err() && of("http://management.azure.com/x").is_err());
        assert!(of("http://169.254.169.254/metadata").is_ok());
    }
}
