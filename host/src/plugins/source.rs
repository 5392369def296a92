//! Where components come from. A source of a `Plugin` in; the bytes, within their limit and with a word on where they
//! came from, or a named reason for none, out.
//!
//! Addresses of the machine itself and of its network's metadata services are refused, whether they are named or
//! redirected to: who may write a `Plugin` must not thereby reach what only the host can reach.

mod config_map;
mod file;
pub mod oci;
pub mod web;

use super::resource::{Http, Source};
use crate::decide::Digest;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How the host fetches.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder that sources of kind `file` are in; none: there are no such sources.
    pub files: Option<PathBuf>,
    /// What may be reached though it is on this machine or link-local: `host:port`, where a registry is spoken to without
    /// TLS, or `https://host:port`.
    pub trusted: BTreeSet<String>,
    /// Authorities whose word on a server is taken besides those of the machine.
    pub authorities: web::Authorities,
    /// One fetch, from the first byte asked for to the last one received.
    pub deadline: Duration,
    /// How often tags, files and ConfigMaps are looked at again.
    pub refresh: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            files: None,
            trusted: BTreeSet::new(),
            authorities: web::Authorities::default(),
            deadline: Duration::from_secs(60),
            refresh: Duration::from_secs(30),
        }
    }
}

/// A component as it was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The component.
    pub bytes: Vec<u8>,
    /// Where it came from, for people.
    pub from: String,
    /// Of an OCI source: what signatures are about.
    pub artifact: Option<oci::Artifact>,
}

/// Why there is no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The spec names nothing that can be fetched.
    #[error("{0}")]
    Unusable(String),
    /// There is no such thing.
    #[error("{what} is not there; {advice}")]
    Missing {
        /// What was looked for.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The host may not.
    #[error("the host may not read {what}: {message}")]
    Forbidden {
        /// What was asked for.
        what: String,
        /// Who said no, and what to do.
        message: String,
    },
    /// It is too large.
    #[error("{what} has more than {limit} bytes, the limit `componentSize`; build it smaller or raise the limit")]
    TooLarge {
        /// What was fetched.
        what: String,
        /// Bytes allowed.
        limit: usize,
    },
    /// It is an address that sources must not lead to.
    #[error(
        "{url} leads to {address}, which is on this machine or link-local; name an address that others reach as well"
    )]
    Address {
        /// The URL.
        url: String,
        /// What it leads to.
        address: String,
    },
    /// It took too long.
    #[error("{what} was not there within {} s", .limit.as_secs_f32())]
    Slow {
        /// What was fetched.
        what: String,
        /// Time allowed.
        limit: Duration,
    },
    /// The other side broke its word: lengths, digests, forms.
    #[error("{what}: {message}")]
    Dishonest {
        /// What was fetched.
        what: String,
        /// What does not fit.
        message: String,
    },
    /// No answer, or one that means nothing.
    #[error("cannot fetch {what}: {message}")]
    Unreachable {
        /// What was fetched.
        what: String,
        /// What happened.
        message: String,
    },
}

impl SourceError {
    /// A stable word for the condition.
    pub fn reason(&self) -> &'static str {
        match self {
            SourceError::Unusable(_) => "SourceUnusable",
            SourceError::Missing { .. } => "SourceMissing",
            SourceError::Forbidden { .. } => "SourceForbidden",
            SourceError::TooLarge { .. } => "ComponentTooLarge",
            SourceError::Address { .. } => "AddressRefused",
            SourceError::Slow { .. } => "SourceTooSlow",
            SourceError::Dishonest { .. } => "SourceDishonest",
            SourceError::Unreachable { .. } => "SourceUnreachable",
        }
    }

    /// Trying again may help though nobody changes the `Plugin`.
    pub fn may_pass(&self) -> bool {
        !matches!(self, SourceError::Unusable(_) | SourceError::Address { .. })
    }
}

/// Fetches components.
#[derive(Clone)]
pub struct Fetcher {
    options: Options,
    client: kube::Client,
    web: web::Web,
}

impl Fetcher {
    /// `client` reads ConfigMaps and pull secrets.
    pub fn new(options: Options, client: kube::Client) -> Self {
        let web = web::Web::new(options.trusted.clone(), options.authorities.clone());
        Fetcher { options, client, web }
    }

    /// How the host fetches.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The component, of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`SourceError`] tells.
    pub async fn fetch(&self, source: &Source, limit: usize) -> Result<Fetched, SourceError> {
        self.within(source, async {
            match source {
                Source { oci: Some(oci), .. } => {
                    let login = oci::login(&self.client, oci.pull_secret.as_ref(), &oci.reference).await?;
                    oci::Registry::new(self.web.clone(), login).pull(&oci.reference, limit).await
                }
                Source { config_map: Some(key), .. } => config_map::fetch(&self.client, key, limit).await,
                Source { http: Some(http), .. } => self.http(http, limit).await,
                Source { file: Some(file), .. } => file::fetch(self.options.files.clone(), file.clone(), limit).await,
                _ => Err(SourceError::Unusable(
                    "spec.source names no source; name one of oci, configMap, http, file".into(),
                )),
            }
        })
        .await
    }

    /// A word that changes when the source may give something else than before; none where it never does.
    ///
    /// # Errors
    /// As [`SourceError`] tells.
    pub async fn marker(&self, source: &Source) -> Result<Option<String>, SourceError> {
        self.within(source, async {
            match source {
                Source { oci: Some(oci), .. } => {
                    if oci.reference.contains("@sha256:") {
                        return Ok(None);
                    }
                    let login = oci::login(&self.client, oci.pull_secret.as_ref(), &oci.reference).await?;
                    oci::Registry::new(self.web.clone(), login).resolve(&oci.reference).await.map(Some)
                }
                Source { config_map: Some(key), .. } => config_map::marker(&self.client, key).await.map(Some),
                Source { file: Some(file), .. } => {
                    file::marker(self.options.files.clone(), file.clone()).await.map(Some)
                }
                _ => Ok(None),
            }
        })
        .await
    }

    async fn http(&self, http: &Http, limit: usize) -> Result<Fetched, SourceError> {
        let answer = self.web.get(&http.url, &[], limit).await?;
        if answer.status != 200 {
            return Err(web::unexpected(&http.url, answer.status));
        }
        let found = Digest::of(&answer.body).to_string();
        if found != http.sha256 {
            let message = format!("it has the SHA-256 {found}, and spec.source.http.sha256 is {}", http.sha256);
            return Err(SourceError::Dishonest { what: http.url.clone(), message });
        }
        Ok(Fetched { bytes: answer.body, from: http.url.clone(), artifact: None })
    }

    async fn within<T>(
        &self,
        source: &Source,
        fetch: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let limit = self.options.deadline;
        match tokio::time::timeout(limit, fetch).await {
            Ok(fetched) => fetched,
            Err(_) => Err(SourceError::Slow { what: name(source), limit }),
        }
    }
}

/// A source, for people.
pub fn name(source: &Source) -> String {
    match source {
        Source { oci: Some(oci), .. } => oci.reference.clone(),
        Source { config_map: Some(key), .. } => config_map::name(key),
        Source { http: Some(http), .. } => http.url.clone(),
        Source { file: Some(file), .. } => format!("file {}", file.path),
        _ => "the source".into(),
    }
}
