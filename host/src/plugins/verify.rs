//! Whether a component is the one that is wanted, from whom it is wanted. What was fetched and what `spec.verify` asks for
//! in; what was found, or why the component is not used, out. Pure.

pub mod bundle;
pub mod key;

use super::resource::Verify;
use super::source::oci::Signature;
use super::source::{Fetched, SourceError};
use crate::decide::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use key::PublicKey;
use serde_json::Value;

/// Why a component is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is another one.
    #[error(
        "the component has the digest sha256:{found} and spec.verify.digest is {wanted}; whoever changed it has to say so there"
    )]
    Digest {
        /// Of the component.
        found: String,
        /// Of the spec.
        wanted: String,
    },
    /// A key is none.
    #[error("spec.verify.cosignKeys[{at}] {message}")]
    Key {
        /// Which.
        at: usize,
        /// What is wrong.
        message: String,
    },
    /// Signatures are asked for, and the source has none.
    #[error(
        "spec.verify.cosignKeys asks for a signature, and only OCI artifacts have one; use spec.source.oci or spec.verify.digest"
    )]
    NoArtifact,
    /// It is not known whether anybody signed.
    #[error("the signatures of manifest {manifest} cannot be read: {error}")]
    Unread {
        /// Digest of the manifest.
        manifest: String,
        /// What the registry did.
        error: SourceError,
    },
    /// Nobody signed.
    #[error("manifest {manifest} has no signature; sign it with `cosign sign --key`")]
    Unsigned {
        /// Digest of the manifest.
        manifest: String,
    },
    /// Somebody else signed, or something else was signed.
    #[error(
        "none of the {count} signatures of manifest {manifest} is by one of the cosign keys that are asked for: {last}"
    )]
    NotByTheseKeys {
        /// Digest of the manifest.
        manifest: String,
        /// Signatures that were looked at.
        count: usize,
        /// What is wrong with the last.
        last: String,
    },
}

impl VerifyError {
    /// A stable word for the condition.
    pub fn reason(&self) -> &'static str {
        match self {
            VerifyError::Digest { .. } => "DigestMismatch",
            VerifyError::Key { .. } => "InvalidKey",
            VerifyError::NoArtifact => "SignatureImpossible",
            VerifyError::Unread { .. } => "SignaturesUnread",
            VerifyError::Unsigned { .. } => "Unsigned",
            VerifyError::NotByTheseKeys { .. } => "SignatureMismatch",
        }
    }
}

/// Reason and message of a component that may be used.
///
/// # Errors
/// As [`VerifyError`] tells.
pub fn verify(fetched: &Fetched, wanted: &Verify) -> Result<(&'static str, String), VerifyError> {
    let Verify { digest, cosign_keys } = wanted;
    let found = Digest::of(&fetched.bytes).to_string();
    if let Some(wanted) = digest
        && wanted.strip_prefix("sha256:") != Some(&found)
    {
        return Err(VerifyError::Digest { found, wanted: wanted.clone() });
    }
    if !cosign_keys.is_empty() {
        let artifact = fetched.artifact.as_ref().ok_or(VerifyError::NoArtifact)?;
        let unread =
            |error: &SourceError| VerifyError::Unread { manifest: artifact.manifest.clone(), error: error.clone() };
        let keys = read(cosign_keys)?;
        let at = signed_by(&artifact.manifest, artifact.signatures.as_ref().map_err(unread)?, &keys)?;
        return Ok(("Signed", format!("manifest {} is signed by spec.verify.cosignKeys[{at}]", artifact.manifest)));
    }
    Ok(match digest {
        Some(digest) => ("DigestMatches", format!("the component has the digest {digest} that spec.verify asks for")),
        None => ("NotAsked", format!("whatever {} gives is used: spec.verify asks for nothing", fetched.from)),
    })
}

/// The keys of a spec.
fn read(keys: &[String]) -> Result<Vec<PublicKey>, VerifyError> {
    let read = keys.iter().enumerate();
    read.map(|(at, pem)| PublicKey::read(pem).map_err(|message| VerifyError::Key { at, message })).collect()
}

/// Which of the keys signed a manifest.
///
/// # Errors
/// When none of them did.
pub fn signed_by(manifest: &str, signatures: &[Signature], keys: &[PublicKey]) -> Result<usize, VerifyError> {
    if signatures.is_empty() {
        return Err(VerifyError::Unsigned { manifest: manifest.to_owned() });
    }
    let mut last = String::new();
    for signature in signatures {
        match judge(manifest, signature, keys) {
            Ok(at) => return Ok(at),
            Err(why) => last = why.into(),
        }
    }
    Err(VerifyError::NotByTheseKeys { manifest: manifest.to_owned(), count: signatures.len(), last })
}

fn judge(manifest: &str, signature: &Signature, keys: &[PublicKey]) -> Result<usize, &'static str> {
    let (payload, encoded) = match signature {
        Signature::Simple { payload, signature } => (payload, signature),
        Signature::Bundle(bytes) => return bundle::judge(manifest, bytes, keys),
    };
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| "a signature is no base64")?;
    let at = keys.iter().position(|key| key.verifies(payload, &bytes)).ok_or("it is by another key")?;
    // Only what is signed is believed, and it has to be about this manifest.
    let payload: Value = serde_json::from_slice(payload).map_err(|_| "what is signed is no JSON")?;
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
    if text("/critical/type") != Some("cosign container image signature") {
        return Err("what is signed is no signature of an artifact");
    }
    if text("/critical/image/docker-manifest-digest") != Some(manifest) {
        return Err("it is about another manifest");
    }
    Ok(at)
}

/// What cosign signs about a manifest.
pub fn payload(repository: &str, manifest: &str) -> Vec<u8> {
    let payload = serde_json::json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": manifest },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    payload.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
