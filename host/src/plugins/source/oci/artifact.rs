//! The layout of Wasm artifacts, and of cosign's signatures of them. Manifests in and out. Pure.

use super::super::SourceError;
use crate::decide::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Media type of manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the configuration of Wasm artifacts.
pub const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of components.
pub const LAYER: &str = "application/wasm";
/// Media type of what cosign signs.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation with a signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Annotation with the certificate of who signed, where it is no key that is known.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// Annotation with the certificates above that one.
pub const CHAIN: &str = "dev.sigstore.cosign/chain";
/// Annotation with what the log Rekor noted.
pub const ENTRY: &str = "dev.sigstore.cosign/bundle";
/// Media type of indexes.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// What media types of sigstore bundles begin with; a version follows.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// Annotation with the kinds that a plugin serves, separated by commas: `GROUP/VERSION/KIND`.
pub const KINDS: &str = "dev.windlass.kinds";
/// Annotation with the version of the contract that a plugin speaks.
pub const CONTRACT: &str = "dev.windlass.contract";
/// Annotation with the name of a file or artifact, for people.
pub const TITLE: &str = "org.opencontainers.image.title";
/// Annotation with the version of what is packed.
pub const VERSION: &str = "org.opencontainers.image.version";
/// Annotation with the address of the sources.
pub const SOURCE: &str = "org.opencontainers.image.source";
/// Annotation with the time at which it was packed.
pub const CREATED: &str = "org.opencontainers.image.created";
/// The world that plugins are built for, as configurations name it.
pub const TARGET: &str = "windlass:plugin/plugin@1.0.0";

/// An OCI manifest, as far as it matters here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`MANIFEST`].
    #[serde(default)]
    pub media_type: String,
    /// The configuration.
    pub config: Blob,
    /// What it is made of.
    pub layers: Vec<Blob>,
    /// Version, source, kinds.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest says of one blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// What it is.
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// Of components: the name of the file. Of signatures: the signature.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// In an index: what sort of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// An OCI index, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    /// What it lists.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Blob>,
}

/// Null is the same as a field that is left out: some tools write it.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A media type of sigstore bundles.
pub fn is_bundle(media_type: &str) -> bool {
    media_type.starts_with(BUNDLE)
}

/// What an index lists may hold a bundle. Tools that keep an index in the place of the API take the type of the
/// configuration for that of the artifact, and bundles have none.
pub fn may_be_bundle(listed: &Blob) -> bool {
    let Some(artifact_type) = &listed.artifact_type else { return true };
    is_bundle(artifact_type) || artifact_type.is_empty() || artifact_type == "application/vnd.oci.empty.v1+json"
}

impl Blob {
    /// Of these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Blob {
        let digest = format!("sha256:{}", Digest::of(bytes));
        let (size, annotations) = (bytes.len() as u64, BTreeMap::new());
        Blob { media_type: media_type.into(), digest, size, annotations, artifact_type: None }
    }
}

impl Manifest {
    /// Of a component and its configuration.
    pub fn of(config: Blob, layers: Vec<Blob>, annotations: BTreeMap<String, String>) -> Manifest {
        Manifest { schema_version: 2, media_type: MANIFEST.into(), config, layers, annotations }
    }

    /// The one component of a Wasm artifact.
    ///
    /// # Errors
    /// When it is another artifact.
    pub fn component(&self, what: &str) -> Result<&Blob, SourceError> {
        let wrong = |message: String| SourceError::Dishonest { what: what.into(), message };
        let layers: Vec<_> = self.layers.iter().filter(|layer| layer.media_type == LAYER).collect();
        let [layer] = layers[..] else {
            let found: Vec<_> = self.layers.iter().map(|layer| layer.media_type.as_str()).collect();
            let found = found.join(", ");
            return Err(wrong(format!("no Wasm artifact: it needs one layer {LAYER} and has [{found}]")));
        };
        if !layer.digest.starts_with("sha256:") {
            return Err(wrong(format!("the digest {} is no sha256", layer.digest)));
        }
        Ok(layer)
    }
}

/// The configuration of a component: what it imports and exports. `created` is RFC 3339; tools that read it insist on it.
pub fn config(component: &[u8], imports: &[String], exports: &[String], created: &str) -> Value {
    json!({
        "created": created,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [format!("sha256:{}", Digest::of(component))],
        "component": { "exports": exports, "imports": imports, "target": TARGET },
    })
}

/// The tag under which cosign stores signatures of a manifest.
pub fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// The tag that stands in for the API of referrers where a registry has none.
pub fn referrers_tag(digest: &str) -> String {
    digest.replace(':', "-")
}

#[cfg(test)]
mod tests;
