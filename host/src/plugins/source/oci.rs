//! Components in OCI registries, in the layout that `wkg` and others read: a manifest with one layer `application/wasm`
//! and a configuration `application/vnd.wasm.config.v0+json`. References in, bytes out, and the other way round.
//!
//! Written on the host's own HTTP client and not on a library, because registries redirect, and where to is judged there.
//! Nothing that a registry says is believed: manifests and blobs are what their digests say, or they are not used.

pub mod artifact;
pub mod login;
pub mod push;
pub mod reference;

use super::web::{Answer, Web, unexpected};
use super::{Fetched, SourceError};
use crate::decide::Digest;
use artifact::Manifest;
use http::{Method, header};
pub use login::{Login, login};
use reference::Reference;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a manifest, as registries limit it.
const LARGEST_MANIFEST: usize = 4 << 20;
/// Bytes of a signed payload.
const LARGEST_PAYLOAD: usize = 64 << 10;
/// Signatures of one artifact that are looked at.
const MOST_SIGNATURES: usize = 32;

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is.
    pub reference: Reference,
    /// Digest of its manifest, `sha256:…`: what signatures are about.
    pub manifest: String,
    /// Whose signatures these are is not judged yet.
    pub signatures: Vec<Signature>,
}

/// A signature as cosign stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What was signed.
    pub payload: Vec<u8>,
    /// The signature in base64.
    pub signature: String,
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
        let signatures = self.signatures(&parsed, &digest).await?;
        let artifact = Artifact { reference: parsed, manifest: digest.clone(), signatures };
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
    pub(super) async fn manifest(
        &self,
        reference: &Reference,
        selector: &str,
    ) -> Result<(Manifest, String), SourceError> {
        let url = format!("{}/manifests/{selector}", self.base(reference));
        let accept = [(header::ACCEPT, artifact::MANIFEST.to_owned())];
        let answer = self.ask(Method::GET, &url, &accept, Vec::new(), LARGEST_MANIFEST).await?;
        if answer.status != 200 {
            return Err(unexpected(&url, answer.status));
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
        let manifest =
            serde_json::from_slice(&answer.body).map_err(|error| lie(format!("no OCI manifest: {error}")))?;
        Ok((manifest, digest))
    }

    async fn blob(&self, reference: &Reference, digest: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}/blobs/{digest}", self.base(reference));
        let answer = self.ask(Method::GET, &url, &[], Vec::new(), limit).await?;
        if answer.status != 200 {
            return Err(unexpected(&url, answer.status));
        }
        let found = format!("sha256:{}", Digest::of(&answer.body));
        if found != digest {
            let message = format!("the registry gave {} bytes of digest {found}", answer.body.len());
            return Err(SourceError::Dishonest { what: url, message });
        }
        Ok(answer.body)
    }

    /// Signatures are artifacts of their own, under a tag that is made of the digest that they are about.
    async fn signatures(&self, reference: &Reference, digest: &str) -> Result<Vec<Signature>, SourceError> {
        let manifest = match self.manifest(reference, &artifact::signature_tag(digest)).await {
            Ok((manifest, _)) => manifest,
            Err(SourceError::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut signatures = Vec::new();
        for layer in manifest.layers.iter().take(MOST_SIGNATURES) {
            let Some(signature) = layer.annotations.get(artifact::SIGNATURE) else { continue };
            let payload = self.blob(reference, &layer.digest, LARGEST_PAYLOAD).await?;
            signatures.push(Signature { payload, signature: signature.clone() });
        }
        Ok(signatures)
    }

    fn base(&self, reference: &Reference) -> String {
        let scheme = if self.web.trusts(&reference.authority()) { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}", reference.registry, reference.repository)
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
        for try_ in 0..2 {
            let mut all = headers.to_vec();
            let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone();
            all.extend(granted.map(|granted| (header::AUTHORIZATION, granted)));
            let answer = match method {
                Method::GET => self.web.get(url, &all, limit).await?,
                Method::HEAD => self.web.head(url, &all).await?,
                _ => self.web.send(method.clone(), url, &all, body.clone(), limit).await?,
            };
            if answer.status != 401 || try_ > 0 {
                return Ok(answer);
            }
            let Some(challenge) = answer.header(header::WWW_AUTHENTICATE) else { return Ok(answer) };
            match login::answer(&self.web, url, challenge, self.login.as_ref()).await? {
                Some(granted) => *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted),
                None => return Ok(answer),
            }
        }
        Err(unexpected(url, 401))
    }
}
