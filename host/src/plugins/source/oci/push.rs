//! Pushing: a component with what it says of itself in, an artifact in a registry out. Signatures likewise.

use super::super::SourceError;
use super::super::web::{resolve, unexpected};
use super::artifact::{self, Blob, Manifest};
use super::{Reference, Registry};
use http::{Method, header};
use std::collections::BTreeMap;

/// Bytes of an answer to an upload.
const ANSWER: usize = 64 << 10;

impl Registry {
    /// Pushes a component; the digest of its manifest comes out.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push(
        &self,
        reference: &Reference,
        component: &[u8],
        config: &[u8],
        annotations: BTreeMap<String, String>,
    ) -> Result<String, SourceError> {
        let layer = self.upload(reference, artifact::LAYER, component).await?;
        let config = self.upload(reference, artifact::CONFIG, config).await?;
        self.put_manifest(reference, &reference.selector(), &Manifest::of(config, vec![layer], annotations)).await
    }

    /// Adds a signature, as cosign stores it, to a manifest that is there.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push_signature(
        &self,
        reference: &Reference,
        manifest: &str,
        payload: &[u8],
        signature: &str,
    ) -> Result<(), SourceError> {
        let mut layer = self.upload(reference, artifact::PAYLOAD, payload).await?;
        layer.annotations.insert(artifact::SIGNATURE.into(), signature.into());
        let tag = artifact::signature_tag(manifest);
        let mut layers = match self.manifest(reference, &tag).await {
            Ok((manifest, _)) => manifest.layers,
            Err(SourceError::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        layers.push(layer);
        let config = self.upload(reference, "application/vnd.oci.image.config.v1+json", b"{}").await?;
        self.put_manifest(reference, &tag, &Manifest::of(config, layers, BTreeMap::new())).await.map(drop)
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
        let Some(location) = location else { return Err(unexpected(&begin, begun.status)) };
        let from = begin.parse().map_err(|error| SourceError::Unusable(format!("{begin}: {error}")))?;
        let location = resolve(&from, location)?;
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{separator}digest={}", blob.digest);
        let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned())];
        let done = self.ask(Method::PUT, &url, &headers, bytes.to_vec(), ANSWER).await?;
        if done.status == 201 { Ok(blob) } else { Err(unexpected(&begin, done.status)) }
    }

    async fn put_manifest(
        &self,
        reference: &Reference,
        selector: &str,
        manifest: &Manifest,
    ) -> Result<String, SourceError> {
        let text = serde_json::to_vec(manifest).map_err(|error| SourceError::Unusable(error.to_string()))?;
        let digest = Blob::of(artifact::MANIFEST, &text).digest;
        let url = format!("{}/manifests/{selector}", self.base(reference));
        let headers = [(header::CONTENT_TYPE, artifact::MANIFEST.to_owned())];
        let done = self.ask(Method::PUT, &url, &headers, text, ANSWER).await?;
        if done.status == 201 { Ok(digest) } else { Err(unexpected(&url, done.status)) }
    }
}
