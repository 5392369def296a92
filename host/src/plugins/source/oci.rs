//! Components in OCI registries, in the layout that `wkg` and others read: a manifest with one layer `application/wasm`
//! and a configuration `application/vnd.wasm.config.v0+json`. References in, bytes out, and the other way round.
//!
//! Written on the host's own HTTP client and not on a library, because registries redirect, and where to is judged there.
//! Nothing that a registry says is believed: manifests and blobs are what their digests say, or they are not used.

pub mod artifact;
pub mod docker;
pub mod login;
pub mod push;
pub mod reference;
mod refusal;
mod signatures;

use super::web::{Answer, Web};
use super::{Fetched, SourceError};
use crate::decide::Digest;
use artifact::Manifest;
use http::{Method, header};
pub use login::{Login, login};
use reference::Reference;
use refusal::refused;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a manifest, as registries limit it.
const LARGEST_MANIFEST: usize = 4 << 20;

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is.
    pub reference: Reference,
    /// Digest of its manifest, `sha256:…`: what signatures are about.
    pub manifest: String,
    /// What its manifest says of it. Nobody vouches for that.
    pub annotations: BTreeMap<String, String>,
    /// Whose signatures these are is not judged yet. Where they cannot be read, that matters to who asks for one.
    pub signatures: Result<Vec<Signature>, SourceError>,
}

/// A signature as cosign stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// A payload of cosign's own, under a tag that ends in `.sig`.
    Simple {
        /// What was signed.
        payload: Vec<u8>,
        /// The signature in base64.
        signature: String,
        /// What came with it.
        proof: Proof,
    },
    /// A sigstore bundle, among what refers to the artifact.
    Bundle(Vec<u8>),
}

/// What cosign stores beside a signature whose key nobody knows, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Certificate of the signer, in PEM.
    pub certificate: Option<String>,
    /// Certificates of who vouches for it, in PEM.
    pub chain: Option<String>,
    /// What the log Rekor noted, in JSON.
    pub entry: Option<String>,
}

/// A registry, with a login.
#[derive(Clone)]
pub struct Registry {
    web: Web,
    login: Option<Login>,
    /// What the registry gave for the login.
    granted: Arc<Mutex<Option<String>>>,
}

impl Registry {
    /// `login` is sent to the registry and its token service alone.
    pub fn new(web: Web, login: Option<Login>) -> Self {
        Registry { web, login, granted: Arc::default() }
    }

    /// The component behind a reference, of at most `limit` bytes, with its signatures.
    ///
    /// # Errors
    /// When it is not there, is no Wasm artifact, or is not what its digests say.
    pub async fn pull(&self, reference: &str, limit: usize) -> Result<Fetched, SourceError> {
        let parsed = Reference::parse(reference)?;
        let (manifest, digest) = self.manifest(&parsed, &parsed.selector()).await?;
        let layer = manifest.component(reference)?;
        if layer.size > limit as u64 {
            return Err(SourceError::TooLarge { what: reference.into(), limit });
        }
        let bytes = self.blob(&parsed, &layer.digest, limit).await?;
        let signatures = self.signatures(&parsed, &digest).await;
        let Manifest { annotations, .. } = manifest;
        let artifact = Artifact { reference: parsed, manifest: digest.clone(), annotations, signatures };
        Ok(Fetched { bytes, from: format!("{reference}, manifest {digest}"), artifact: Some(artifact) })
    }

    /// Digest of the manifest that a reference means now.
    ///
    /// # Errors
    /// As [`Registry::pull`].
    pub async fn resolve(&self, reference: &str) -> Result<String, SourceError> {
        let parsed = Reference::parse(reference)?;
        Ok(self.manifest(&parsed, &parsed.selector()).await?.1)
    }

    /// A manifest and its digest.
    async fn manifest(&self, reference: &Reference, selector: &str) -> Result<(Manifest, String), SourceError> {
        let (text, digest, url) = self.document(reference, selector, artifact::MANIFEST).await?;
        let manifest = serde_json::from_slice(&text)
            .map_err(|error| SourceError::Dishonest { what: url, message: format!("no OCI manifest: {error}") })?;
        Ok((manifest, digest))
    }

    /// The text of what has a tag or digest, its digest, and where it is.
    async fn document(
        &self,
        reference: &Reference,
        selector: &str,
        media_type: &str,
    ) -> Result<(Vec<u8>, String, String), SourceError> {
        let url = format!("{}/manifests/{selector}", self.base(reference));
        let accept = [(header::ACCEPT, media_type.to_owned())];
        let answer = self.ask(Method::GET, &url, &accept, Vec::new(), LARGEST_MANIFEST).await?;
        if answer.status != 200 {
            return Err(refused(&url, &answer));
        }
        let digest = format!("sha256:{}", Digest::of(&answer.body));
        let lie = |message: String| SourceError::Dishonest { what: url.clone(), message };
        if selector.starts_with("sha256:") && selector != digest {
            return Err(lie(format!("the registry gave a manifest of digest {digest}")));
        }
        let told = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        if let Some(told) = told.filter(|told| told.starts_with("sha256:") && *told != digest) {
            return Err(lie(format!("the registry says that the digest is {told}, and it is {digest}")));
        }
        Ok((answer.body, digest, url))
    }

    async fn blob(&self, reference: &Reference, digest: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}/blobs/{digest}", self.base(reference));
        let answer = self.ask(Method::GET, &url, &[], Vec::new(), limit).await?;
        if answer.status != 200 {
            return Err(refused(&url, &answer));
        }
        let found = format!("sha256:{}", Digest::of(&answer.body));
        if found != digest {
            let message = format!("the registry gave {} bytes of digest {found}", answer.body.len());
            return Err(SourceError::Dishonest { what: url, message });
        }
        Ok(answer.body)
    }

    fn base(&self, reference: &Reference) -> String {
        let scheme = if self.web.speaks_plainly(&reference.authority()) { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}", reference.host(), reference.repository)
    }

    /// One request, with the login once the registry asks for one. Only what asks is redirected: uploads never are.
    async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(header::HeaderName, String)],
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Answer, SourceError> {
        let mut tries = 0;
        loop {
            let mut all = headers.to_vec();
            let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone();
            all.extend(granted.map(|granted| (header::AUTHORIZATION, granted)));
            let answer = match method {
                Method::GET => self.web.get(url, &all, limit).await?,
                Method::HEAD => self.web.head(url, &all).await?,
                _ => self.web.send(method.clone(), url, &all, body.clone(), limit).await?,
            };
            tries += 1;
            if answer.status != 401 || tries > 1 {
                return Ok(answer);
            }
            let Some(challenge) = answer.header(header::WWW_AUTHENTICATE) else { return Ok(answer) };
            match login::answer(&self.web, url, challenge, self.login.as_ref()).await? {
                Some(granted) => *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted),
                None => return Ok(answer),
            }
        }
    }
}
