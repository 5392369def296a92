//! Whether a component is the one that is wanted, from whom it is wanted. What was fetched and what `spec.verify` asks for
//! in; what was found, or why the component is not used, out. Pure.

pub mod bundle;
pub mod key;
pub mod keyless;
pub mod refusal;
pub mod signers;

use super::resource::Verify;
use super::source::oci::{Proof, Signature};
use super::source::{Fetched, SourceError};
use crate::decide::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use key::PublicKey;
use keyless::{Certificates, Entry, Evidence, Keyless, Record, Signed};
use refusal::Refusal;
use serde_json::Value;
use signers::{Signer, Signers};

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
    /// Identities, or by whose word they are believed, are none.
    #[error("spec.verify.keyless{problem}")]
    Keyless {
        /// The field below it, and what is wrong.
        problem: String,
    },
    /// Signatures are asked for, and the source has none.
    #[error(
        "spec.verify asks for a signature, and only OCI artifacts have one; use spec.source.oci or spec.verify.digest"
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
    #[error("manifest {manifest} has no signature; sign it with `cosign sign`")]
    Unsigned {
        /// Digest of the manifest.
        manifest: String,
    },
    /// Somebody else signed, or something else was signed.
    #[error(
        "none of the {count} signatures of manifest {manifest} is by one of the keys or identities that are asked for: {closest}"
    )]
    NotByThese {
        /// Digest of the manifest.
        manifest: String,
        /// Signatures that were looked at.
        count: usize,
        /// What is wrong with the one that came closest.
        closest: Refusal,
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
            VerifyError::Keyless { .. } => "InvalidIdentity",
            VerifyError::NotByThese { closest, .. } => closest.reason(),
        }
    }
}

/// Reason and message of a component that may be used.
///
/// # Errors
/// As [`VerifyError`] tells.
pub fn verify(fetched: &Fetched, wanted: &Verify) -> Result<(&'static str, String), VerifyError> {
    let Verify { digest, cosign_keys, keyless } = wanted;
    let found = Digest::of(&fetched.bytes).to_string();
    if let Some(wanted) = digest
        && wanted.strip_prefix("sha256:") != Some(&found)
    {
        return Err(VerifyError::Digest { found, wanted: wanted.clone() });
    }
    let invalid = |problem: String| VerifyError::Keyless { problem };
    let keyless = keyless.as_ref().map(Keyless::read).transpose().map_err(invalid)?;
    let signers = Signers { keys: read(cosign_keys)?, keyless };
    if !signers.is_empty() {
        let artifact = fetched.artifact.as_ref().ok_or(VerifyError::NoArtifact)?;
        let manifest = &artifact.manifest;
        let unread = |error: &SourceError| VerifyError::Unread { manifest: manifest.clone(), error: error.clone() };
        let signer = signed_by(manifest, artifact.signatures.as_ref().map_err(unread)?, &signers)?;
        return Ok((
            "Signed",
            match signer {
                Signer::Key(at) => format!("manifest {manifest} is signed by spec.verify.cosignKeys[{at}]"),
                Signer::Identity(holder) => format!("manifest {manifest} is signed by {holder}"),
            },
        ));
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

/// Who of those that are asked for signed a manifest.
///
/// # Errors
/// When none of them did.
pub fn signed_by(manifest: &str, signatures: &[Signature], signers: &Signers) -> Result<Signer, VerifyError> {
    let mut closest: Option<Refusal> = None;
    for signature in signatures {
        match judge(manifest, signature, signers) {
            Ok(signer) => return Ok(signer),
            Err(refusal) => {
                closest = Some(closest.take().filter(|best| best.stage > refusal.stage).unwrap_or(refusal));
            }
        }
    }
    let manifest = manifest.to_owned();
    Err(match closest {
        Some(closest) => VerifyError::NotByThese { manifest, count: signatures.len(), closest },
        None => VerifyError::Unsigned { manifest },
    })
}

fn judge(manifest: &str, signature: &Signature, signers: &Signers) -> Result<Signer, Refusal> {
    let (payload, encoded, proof) = match signature {
        Signature::Simple { payload, signature, proof } => (payload, signature, proof),
        Signature::Bundle(bytes) => return bundle::judge(manifest, bytes, signers),
    };
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| Refusal::form("a signature is no base64"))?;
    let signed = Signed { message: payload, record: Record::Message(payload), signature: &bytes };
    let signer = signers.who(&signed, || evidence(proof))?;
    // Only what is signed is believed, and it has to be about this manifest.
    let payload: Value = serde_json::from_slice(payload).map_err(|_| Refusal::content("what is signed is no JSON"))?;
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
    if text("/critical/type") != Some("cosign container image signature") {
        return Err(Refusal::content("what is signed is no signature of an artifact"));
    }
    if text("/critical/image/docker-manifest-digest") != Some(manifest) {
        return Err(Refusal::content("it is about another manifest"));
    }
    Ok(signer)
}

/// What came with a signature; none where it was made with a key.
fn evidence(proof: &Proof) -> Result<Option<Evidence>, String> {
    let Proof { certificate, chain, entry } = proof;
    let Some(own) = certificate.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let certificates = Certificates::of_pem(own, chain.as_deref())?;
    Ok(Some(Evidence { certificates, entry: entry.as_deref().map(Entry::of_annotation).transpose()? }))
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
