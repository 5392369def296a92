//! The layout of Wasm artifacts, and of cosign's signatures of them. Manifests in and out. Pure.

use super::super::SourceError;
use crate::decide::Digest;
use serde::{Deserialize, Serialize};
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
/// Annotation with the kinds that a plugin serves.
pub const KINDS: &str = "dev.windlass.kinds";

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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
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
    /// Of signatures: the signature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Blob {
    /// Of these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Blob {
        let digest = format!("sha256:{}", Digest::of(bytes));
        Blob { media_type: media_type.into(), digest, size: bytes.len() as u64, annotations: BTreeMap::new() }
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

/// The configuration of a component: what it imports and exports.
pub fn config(component: &[u8], imports: &[String], exports: &[String], created: &str) -> Value {
    json!({
        "created": created,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [format!("sha256:{}", Digest::of(component))],
        "component": { "exports": exports, "imports": imports },
    })
}

/// The tag under which cosign stores signatures of a manifest.
pub fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}
