//! Signatures by identities, which cosign calls keyless: an authority vouched for some minutes that a key belongs to somebody
//! whom an OIDC issuer knows, and a log noted within them that the key signed. All of it is judged by a trusted root that
//! is given, offline. What the signature is about is judged by the caller.
//!
//! The crate sigstore-verify does this for bundles alone, and brings a second implementation of cryptography along. Here
//! chains of certificates are judged by webpki and signatures by ring, as everywhere in the host.

mod certificate;
mod entry;
mod root;

use super::refusal::{Refusal, Stage};
use super::signers::Holder;
use crate::plugins::resource;
pub use certificate::Certificates;
pub use entry::{Bundled, Entry, Record};
use regex::Regex;
pub use root::CertificateDocument;
use root::TrustedRoot;

/// What a signature without a known key brings along. All of it a stranger's word until it is judged.
pub struct Evidence {
    /// Of the signer, and of who vouches for them.
    pub certificates: Certificates,
    /// What a log noted.
    pub entry: Option<Entry>,
}

/// A signature, and what it is about.
pub struct Signed<'a> {
    /// The bytes that were signed.
    pub message: &'a [u8],
    /// What a log notes of them.
    pub record: Record<'a>,
    /// The signature.
    pub signature: &'a [u8],
}

/// What a text must be.
enum Wanted {
    Exactly(String),
    /// Somewhere in it, as cosign has it: patterns that mean the whole say so by `^` and `$`.
    Like(Regex),
}

impl Wanted {
    /// Of the two fields of a spec; `name` is that of the first.
    fn read(name: &str, exactly: Option<&String>, like: Option<&String>) -> Result<Wanted, String> {
        match (exactly.filter(|text| !text.is_empty()), like.filter(|text| !text.is_empty())) {
            (Some(text), None) => Ok(Wanted::Exactly(text.clone())),
            (None, Some(pattern)) => {
                let read = Regex::new(pattern).map_err(|error| format!(".{name}RegExp is no pattern: {error}"))?;
                Ok(Wanted::Like(read))
            }
            _ => Err(format!(" needs either {name} or {name}RegExp")),
        }
    }

    fn takes(&self, text: &str) -> bool {
        match self {
            Wanted::Exactly(wanted) => wanted == text,
            Wanted::Like(pattern) => pattern.is_match(text),
        }
    }
}

struct Identity {
    issuer: Wanted,
    subject: Wanted,
}

/// Identities, and by whose word they are believed.
pub struct Keyless {
    identities: Vec<Identity>,
    root: TrustedRoot,
}

impl Keyless {
    /// Reads `spec.verify.keyless`.
    ///
    /// # Errors
    /// With the field below it, and what is wrong.
    pub fn read(spec: &resource::Keyless) -> Result<Keyless, String> {
        let resource::Keyless { identities, trusted_root } = spec;
        if identities.is_empty() {
            return Err(".identities is empty: name at least one".into());
        }
        let read = |(at, identity): (usize, &resource::Identity)| {
            let resource::Identity { issuer, issuer_reg_exp, subject, subject_reg_exp } = identity;
            let wanted = || {
                let issuer = Wanted::read("issuer", issuer.as_ref(), issuer_reg_exp.as_ref())?;
                let subject = Wanted::read("subject", subject.as_ref(), subject_reg_exp.as_ref())?;
                Ok(Identity { issuer, subject })
            };
            wanted().map_err(|problem: String| format!(".identities[{at}]{problem}"))
        };
        let identities = identities.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let root = TrustedRoot::read(trusted_root).map_err(|problem| format!(".trustedRoot {problem}"))?;
        Ok(Keyless { identities, root })
    }

    /// Who signed.
    pub(super) fn judge(&self, evidence: &Evidence, signed: &Signed<'_>) -> Result<Holder, Refusal> {
        let Evidence { certificates, entry } = evidence;
        let entry = entry.as_ref().ok_or_else(|| {
            Refusal::new(Stage::Unlogged, "no log noted it: it has a certificate, and no entry with a promise of Rekor")
        })?;
        self.root.noted(entry).map_err(|problem| Refusal::new(Stage::Log, problem))?;
        self.root.vouches(certificates, entry.time)?;
        certificates.made(signed.message, signed.signature).map_err(|why| Refusal::new(Stage::Signature, why))?;
        let about = entry.is_about(&signed.record, signed.signature, &certificates.own);
        about.map_err(|why| Refusal::new(Stage::Log, why))?;
        let holders = certificates.holders().map_err(|why| Refusal::new(Stage::Certificate, why))?;
        let wanted = |holder: &&Holder| {
            let Holder { issuer, subject } = holder;
            self.identities.iter().any(|identity| identity.issuer.takes(issuer) && identity.subject.takes(subject))
        };
        if let Some(holder) = holders.iter().find(wanted) {
            return Ok(holder.clone());
        }
        let found = holders.first().map_or_else(|| "nobody who is named".to_owned(), Holder::to_string);
        Err(Refusal::new(
            Stage::Identity,
            format!("it is by {found}, who is none of the identities that are asked for"),
        ))
    }
}
