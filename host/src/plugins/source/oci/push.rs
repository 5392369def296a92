//! Pushing: a component with what it says of itself in, an artifact in a registry out.
//!
//! The manifest comes last: whoever looks before that finds what was there before, and a push that breaks off leaves
//! nothing but blobs that nobody refers to.

use super::super::SourceError;
use super::super::web::{authority_of, resolve};
use super::artifact::{self, Blob, Manifest};
use super::refusal::refused;
use super::{Reference, Registry};
use http::{Method, header};
use std::collections::BTreeMap;

/// Bytes of an answer to an upload.
const ANSWER: usize = 64 << 10;

/// What is pushed.
#[derive(Clone, Debug)]
pub struct Parcel<'a> {
    /// The component.
    pub component: &'a [u8],
    /// Name of its file, for tools that unpack it.
    pub file: String,
    /// The configuration, as [`artifact::config`] makes it.
    pub config: String,
    /// Of the manifest.
    pub annotations: BTreeMap<String, String>,
}

impl Registry {
    /// Pushes a component under the tag of the reference; the digest of its manifest comes out.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push(&self, reference: &Reference, parcel: Parcel<'_>) -> Result<String, SourceError> {
        let Parcel { component, file, config, annotations } = parcel;
        let mut layer = self.upload(reference, artifact::LAYER, component).await?;
        layer.annotations.insert(artifact::TITLE.into(), file);
        let config = self.upload(reference, artifact::CONFIG, config.as_bytes()).await?;
        self.put_manifest(reference, &Manifest::of(config, vec![layer], annotations)).await
    }

    async fn upload(&self, reference: &Reference, media_type: &str, bytes: &[u8]) -> Result<Blob, SourceError> {
        let blob = Blob::of(media_type, bytes);
        let base = self.base(reference);
        let there = self.ask(Method::HEAD, &format!("{base}/blobs/{}", blob.digest), &[], Vec::new(), 0).await?;
        if there.status == 200 {
            return Ok(blob);
        }
        let begin = format!("{base}/blobs/uploads/");
        let begun = self.ask(Method::POST, &begin, &[], Vec::new(), ANSWER).await?;
        let location = begun.header(header::LOCATION).filter(|_| begun.status == 202);
        let Some(location) = location else { return Err(refused(&begin, &begun)) };
        let from = begin.parse().map_err(|error| SourceError::Unusable(format!("{begin}: {error}")))?;
        let location = resolve(&from, location)?;
        if begin.starts_with("https:") && !location.starts_with("https:") {
            let message = format!("it wants the upload at {location}, which has no TLS");
            return Err(SourceError::Dishonest { what: begin, message });
        }
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{separator}digest={}", blob.digest);
        let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned())];
        // The login is for the registry; storage elsewhere has its own in the address.
        let done = match authority_of(&url)? == authority_of(&begin)? {
            true => self.ask(Method::PUT, &url, &headers, bytes.to_vec(), ANSWER).await?,
            false => self.web.send(Method::PUT, &url, &headers, bytes.to_vec(), ANSWER).await?,
        };
        if done.status == 201 { Ok(blob) } else { Err(refused(&begin, &done)) }
    }

    async fn put_manifest(&self, reference: &Reference, manifest: &Manifest) -> Result<String, SourceError> {
        let text = serde_json::to_vec(manifest).map_err(|error| SourceError::Unusable(error.to_string()))?;
        let digest = Blob::of(artifact::MANIFEST, &text).digest;
        let url = format!("{}/manifests/{}", self.base(reference), reference.selector());
        let headers = [(header::CONTENT_TYPE, artifact::MANIFEST.to_owned())];
        let done = self.ask(Method::PUT, &url, &headers, text, ANSWER).await?;
        if done.status != 201 {
            return Err(refused(&url, &done));
        }
        let told = done.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        match told.filter(|told| told.starts_with("sha256:") && *told != digest) {
            None => Ok(digest),
            Some(told) => {
                let message = format!("the registry says that it keeps {told}, and what was pushed is {digest}");
                Err(SourceError::Dishonest { what: url, message })
            }
        }
    }
}
