//! HTTP for sources. A URL in, an answer within its limits out.
//!
//! Redirects are followed here, not by a library, so that each hop is judged as the first one was: TLS is never given
//! up, credentials never follow to another host, and an address of this machine or a link-local one is refused even when
//! a name resolves to it: the connection is made to the very address that was judged.

mod address;
mod authorities;

use super::SourceError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{
    Client,
    connect::{HttpConnector, dns::Name},
};
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tower::util::BoxCloneSyncService;

pub use authorities::{Authorities, read as read_authorities};

/// Redirects that are followed.
const HOPS: usize = 5;
/// A connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(15);

type Bytes = axum::body::Bytes;
type Resolver = BoxCloneSyncService<Name, std::vec::IntoIter<SocketAddr>, tower::BoxError>;
type Inner = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// A client that goes nowhere it must not.
#[derive(Clone)]
pub struct Web {
    trusted: Arc<BTreeSet<String>>,
    authorities: Authorities,
    /// For addresses that others reach as well, and for those that the operator trusts.
    clients: Arc<[OnceLock<Result<Inner, String>>; 2]>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header field as text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A status that means failure.
pub fn unexpected(url: &str, status: u16) -> SourceError {
    let what = url.to_owned();
    match status {
        404 | 410 => SourceError::Missing { what, advice: "check the address".into() },
        401 | 403 => SourceError::Forbidden { what, message: format!("the server answers {status}; check the login") },
        status => SourceError::Unreachable { what, message: format!("the server answers {status}") },
    }
}

impl Web {
    /// `trusted` may be on this machine: `host:port`, without TLS where a registry is there, or `https://host:port`.
    /// Servers are checked by `authorities` and those of the machine.
    pub fn new(trusted: BTreeSet<String>, authorities: Authorities) -> Self {
        Web { trusted: Arc::new(trusted), authorities, clients: Arc::new([OnceLock::new(), OnceLock::new()]) }
    }

    /// The operator trusts this `host:port`.
    pub fn trusts(&self, authority: &str) -> bool {
        self.speaks_plainly(authority) || self.trusted.contains(&format!("https://{authority}"))
    }

    /// The operator trusts this `host:port`, and wants no TLS there where the protocol leaves the choice.
    pub fn speaks_plainly(&self, authority: &str) -> bool {
        self.trusted.contains(authority)
    }

    /// GET, following redirects.
    ///
    /// # Errors
    /// When there is no answer, it is longer than `limit` bytes, or it leads where it must not.
    pub async fn get(&self, url: &str, headers: &[(HeaderName, String)], limit: usize) -> Result<Answer, SourceError> {
        self.follow(Method::GET, url, headers, limit).await
    }

    /// HEAD, following redirects.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub async fn head(&self, url: &str, headers: &[(HeaderName, String)]) -> Result<Answer, SourceError> {
        self.follow(Method::HEAD, url, headers, 0).await
    }

    async fn follow(
        &self,
        method: Method,
        url: &str,
        headers: &[(HeaderName, String)],
        limit: usize,
    ) -> Result<Answer, SourceError> {
        let mut at = url.to_owned();
        let origin = authority(&parse(url)?);
        for _ in 0..=HOPS {
            let uri = parse(&at)?;
            // A login is for the host that it was given for.
            let own = authority(&uri) == origin;
            let headers: Vec<_> =
                headers.iter().filter(|(name, _)| own || *name != header::AUTHORIZATION).cloned().collect();
            let answer = self.send(method.clone(), &at, &headers, Vec::new(), limit).await?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let Some(to) = answer.header(header::LOCATION) else { return Ok(answer) };
            let next = resolve(&uri, to)?;
            if uri.scheme_str() == Some("https") && next.starts_with("http:") {
                let message = format!("it redirects from TLS to {next}, which has none");
                return Err(SourceError::Dishonest { what: url.into(), message });
            }
            at = next;
        }
        Err(SourceError::Dishonest { what: url.into(), message: format!("it redirects more than {HOPS} times") })
    }

    /// One request, without redirects.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(HeaderName, String)],
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Answer, SourceError> {
        let unreachable = |message: String| SourceError::Unreachable { what: url.to_owned(), message };
        let uri = parse(url)?;
        let trusted = self.trusts(&authority(&uri));
        if !trusted {
            // Names are judged when they are resolved; an address that is written out is not resolved.
            address::judge_literal(url, uri.host().unwrap_or_default())?;
        }
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|error| unreachable(error.to_string()))?;
            request = request.header(name, value);
        }
        request = request.header(header::USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| unreachable(error.to_string()))?;
        let response = self.client(trusted)?.request(request).await;
        let response = response.map_err(|error| {
            address::of_failure(url, &error)
                .unwrap_or_else(|| unreachable(authorities::explained(crate::watch::page::chain(&error))))
        })?;
        let (parts, mut stream) = response.into_parts();
        let length =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let too_large = || SourceError::TooLarge { what: url.to_owned(), limit };
        let bodiless = limit == 0;
        if !bodiless && length.is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            if bodiless {
                break;
            }
            let frame = match tokio::time::timeout(SILENCE, stream.frame()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => return Err(SourceError::Slow { what: url.to_owned(), limit: SILENCE }),
            };
            // An answer that ends before its length says so ends here as well.
            let frame = frame.map_err(|error| SourceError::Dishonest {
                what: url.to_owned(),
                message: format!(
                    "the answer broke off after {} bytes: {}",
                    body.len(),
                    crate::watch::page::chain(&error)
                ),
            })?;
            if let Ok(data) = frame.into_data() {
                if body.len() + data.len() > limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&data);
            }
        }
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    fn client(&self, trusted: bool) -> Result<&Inner, SourceError> {
        let slot = &self.clients[usize::from(trusted)];
        let built = slot.get_or_init(|| build(trusted, &self.authorities));
        built.as_ref().map_err(|message| SourceError::Unusable(message.clone()))
    }
}

fn build(trusted: bool, authorities: &Authorities) -> Result<Inner, String> {
    let resolver = tower::service_fn(move |name: Name| address::resolve(name, trusted));
    let mut connector = HttpConnector::new_with_resolver(Resolver::new(resolver));
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    let tls = HttpsConnectorBuilder::new().with_tls_config(authorities::configuration(authorities)?);
    let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

fn parse(url: &str) -> Result<Uri, SourceError> {
    let uri: Uri = url.parse().map_err(|error| SourceError::Unusable(format!("{url} is no URL: {error}")))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let userinfo = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if uri.host().is_none_or(str::is_empty) || !matches!(scheme, "http" | "https") || userinfo {
        return Err(SourceError::Unusable(format!("{url} is no URL of http or https with a host and without a login")));
    }
    Ok(uri)
}

/// `host:port` of a URL.
pub(super) fn authority_of(url: &str) -> Result<String, SourceError> {
    parse(url).map(|uri| authority(&uri))
}

/// `host:port`.
fn authority(uri: &Uri) -> String {
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    format!("{}:{port}", uri.host().unwrap_or_default())
}

/// Where a redirect leads: a whole URL, a path of the same host, or a host of the same scheme.
pub(super) fn resolve(base: &Uri, to: &str) -> Result<String, SourceError> {
    let scheme = base.scheme_str().unwrap_or("https");
    let host = base.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let whole = if to.starts_with("http://") || to.starts_with("https://") {
        to.to_owned()
    } else if let Some(rest) = to.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if to.starts_with('/') {
        format!("{scheme}://{host}{to}")
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{to}")
    };
    parse(&whole).map(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_may_be_relative() {
        let base = parse("https://a.example:8443/x/y").unwrap();
        assert_eq!(resolve(&base, "/z").unwrap(), "https://a.example:8443/z");
        assert_eq!(resolve(&base, "z").unwrap(), "https://a.example:8443/x/z");
        assert_eq!(resolve(&base, "//b.example/z").unwrap(), "https://b.example/z");
        assert_eq!(resolve(&base, "http://c.example/").unwrap(), "http://c.example/");
        assert!(resolve(&base, "https://user:secret@c.example/").is_err());
    }

    #[test]
    fn what_is_no_url_of_a_host_is_refused() {
        for url in ["", "ftp://a/b", "file:///etc/passwd", "https://", "https://user@a/", "http:/a"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
