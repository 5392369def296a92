//! Signatures of an artifact. The digest of its manifest in, what cosign stored about it out: under a tag that is made of
//! the digest, or as sigstore bundles among what refers to it. Nothing is judged here.

use super::super::SourceError;
use super::artifact::{self, Blob, Index, Manifest};
use super::refusal::refused;
use super::{LARGEST_MANIFEST, Proof, Reference, Registry, Signature};
use http::{Method, header};

/// Bytes of one signature with what was signed.
const LARGEST: usize = 1 << 20;
/// Signatures of one artifact that are looked at, and things that refer to it.
const MOST: usize = 32;

impl Registry {
    /// Everything that may be a signature of a manifest.
    pub(super) async fn signatures(&self, reference: &Reference, digest: &str) -> Result<Vec<Signature>, SourceError> {
        let mut found = self.simple(reference, digest).await?;
        for referrer in self.referrers(reference, digest).await?.iter().take(MOST) {
            found.extend(self.bundles(reference, referrer).await?);
        }
        Ok(found)
    }

    /// Signatures under the tag of signatures.
    async fn simple(&self, reference: &Reference, digest: &str) -> Result<Vec<Signature>, SourceError> {
        let manifest = match self.manifest(reference, &artifact::signature_tag(digest)).await {
            Ok((manifest, _)) => manifest,
            Err(SourceError::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut signatures = Vec::new();
        for layer in manifest.layers.iter().take(MOST) {
            let Some(signature) = layer.annotations.get(artifact::SIGNATURE) else { continue };
            let payload = self.blob(reference, &layer.digest, LARGEST).await?;
            let annotation = |name: &str| layer.annotations.get(name).cloned();
            let (certificate, chain) = (annotation(artifact::CERTIFICATE), annotation(artifact::CHAIN));
            let proof = Proof { certificate, chain, entry: annotation(artifact::ENTRY) };
            signatures.push(Signature::Simple { payload, signature: signature.clone(), proof });
        }
        Ok(signatures)
    }

    /// What refers to a manifest and may be a bundle: by the API for that, or where a registry has none, by the tag that
    /// the distribution specification puts in its place.
    async fn referrers(&self, reference: &Reference, digest: &str) -> Result<Vec<Blob>, SourceError> {
        let url = format!("{}/referrers/{digest}", self.base(reference));
        let accept = [(header::ACCEPT, artifact::INDEX.to_owned())];
        let answer = self.ask(Method::GET, &url, &accept, Vec::new(), LARGEST_MANIFEST).await?;
        let (text, at) = match answer.status {
            200 => (answer.body, url),
            // Registries without the API answer one of these.
            400 | 404 | 405 | 406 | 501 => {
                match self.document(reference, &artifact::referrers_tag(digest), artifact::INDEX).await {
                    Ok((text, _, at)) => (text, at),
                    Err(SourceError::Missing { .. }) => return Ok(Vec::new()),
                    Err(error) => return Err(error),
                }
            }
            _ => return Err(refused(&url, &answer)),
        };
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| SourceError::Dishonest { what: at, message: format!("no OCI index: {error}") })?;
        Ok(index.manifests.into_iter().filter(artifact::may_be_bundle).collect())
    }

    async fn bundles(&self, reference: &Reference, referrer: &Blob) -> Result<Vec<Signature>, SourceError> {
        let manifest: Manifest = match self.manifest(reference, &referrer.digest).await {
            Ok((manifest, _)) => manifest,
            // An index may name what was removed since.
            Err(SourceError::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut bundles = Vec::new();
        for layer in manifest.layers.iter().filter(|layer| artifact::is_bundle(&layer.media_type)).take(MOST) {
            bundles.push(Signature::Bundle(self.blob(reference, &layer.digest, LARGEST).await?));
        }
        Ok(bundles)
    }
}
