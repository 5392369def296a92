//! The trusted root, as users of cosign have it (`cosign trusted-root create`, or what Sigstore publishes): which authorities
//! and logs are believed, and for when. JSON in; whether they vouch for something out.

use super::super::key::PublicKey;
use super::super::refusal::{Refusal, Stage};
use super::certificate::Certificates;
use super::entry::Entry;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::DateTime;
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, TrustAnchor};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    tlogs: Vec<LogDocument>,
    #[serde(default)]
    certificate_authorities: Vec<AuthorityDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogDocument {
    public_key: KeyDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyDocument {
    raw_bytes: String,
    #[serde(default)]
    valid_for: PeriodDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorityDocument {
    cert_chain: ChainDocument,
    #[serde(default)]
    valid_for: PeriodDocument,
}

#[derive(Deserialize)]
struct ChainDocument {
    certificates: Vec<CertificateDocument>,
}

/// A certificate in base64.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateDocument {
    raw_bytes: String,
}

#[derive(Default, Deserialize)]
struct PeriodDocument {
    start: Option<String>,
    end: Option<String>,
}

/// Seconds since 1970.
#[derive(Debug)]
struct Period {
    start: Option<i64>,
    end: Option<i64>,
}

impl Period {
    fn read(document: &PeriodDocument) -> Result<Period, String> {
        let read = |text: &Option<String>| {
            let read = text.as_deref().map(DateTime::parse_from_rfc3339).transpose();
            read.map(|at| at.map(|at| at.timestamp())).map_err(|error| format!("has a time that is none: {error}"))
        };
        Ok(Period { start: read(&document.start)?, end: read(&document.end)? })
    }

    fn contains(&self, time: i64) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

struct Log {
    /// SHA-256 of its public key.
    id: Vec<u8>,
    key: PublicKey,
    period: Period,
}

struct Authority {
    anchor: TrustAnchor<'static>,
    between: Vec<CertificateDer<'static>>,
    period: Period,
}

/// Authorities and logs that are believed.
pub(super) struct TrustedRoot {
    logs: Vec<Log>,
    authorities: Vec<Authority>,
}

impl CertificateDocument {
    /// As DER.
    ///
    /// # Errors
    /// When it is no base64.
    pub fn der(&self) -> Result<CertificateDer<'static>, String> {
        let der = STANDARD.decode(&self.raw_bytes).map_err(|_| "has a certificate that is no base64")?;
        Ok(CertificateDer::from(der))
    }
}

impl TrustedRoot {
    /// Reads the contents of a `trusted_root.json`. Logs with keys of a sort that no log of signatures has are left out.
    pub(super) fn read(text: &str) -> Result<TrustedRoot, String> {
        let document: Document = serde_json::from_str(text)
            .map_err(|error| format!("is no trusted root: {error}; paste the contents of a trusted_root.json"))?;
        if !document.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err("is no trusted root of Sigstore: its mediaType is another".into());
        }
        let mut logs = Vec::new();
        for LogDocument { public_key: KeyDocument { raw_bytes, valid_for } } in &document.tlogs {
            let der = STANDARD.decode(raw_bytes).map_err(|_| "has a key of a log that is no base64")?;
            if let Some(key) = PublicKey::of_der(&der) {
                let id = digest(&SHA256, &der).as_ref().to_vec();
                logs.push(Log { id, key, period: Period::read(valid_for)? });
            }
        }
        if logs.is_empty() {
            return Err("names no log (tlogs) with a key on P-256 or of Ed25519".into());
        }
        let mut authorities = Vec::new();
        for AuthorityDocument { cert_chain, valid_for } in &document.certificate_authorities {
            let mut chain: Vec<_> =
                cert_chain.certificates.iter().map(CertificateDocument::der).collect::<Result<_, _>>()?;
            let last = chain.pop().ok_or("has an authority without certificates")?;
            let anchor = webpki::anchor_from_trusted_cert(&last)
                .map_err(|error| format!("has a certificate of an authority that is none: {error}"))?
                .to_owned();
            authorities.push(Authority { anchor, between: chain, period: Period::read(valid_for)? });
        }
        match authorities.is_empty() {
            true => Err("names no authority (certificateAuthorities)".into()),
            false => Ok(TrustedRoot { logs, authorities }),
        }
    }

    /// Whether a log that is believed promises to show an entry.
    pub(super) fn noted(&self, entry: &Entry) -> Result<(), &'static str> {
        let mut logs = self.logs.iter().filter(|log| log.id == entry.log).peekable();
        if logs.peek().is_none() {
            return Err("its entry is of a log that the trusted root does not name");
        }
        let mut logs = logs.filter(|log| log.period.contains(entry.time)).peekable();
        if logs.peek().is_none() {
            return Err("its entry is of a time at which the trusted root does not believe the log");
        }
        match logs.any(|log| log.key.verifies(&entry.promised(), &entry.promise)) {
            true => Ok(()),
            false => Err("the promise of its entry is not by the log: something in it was changed"),
        }
    }

    /// Whether an authority that was believed at a time vouched for a certificate then.
    pub(super) fn vouches(&self, certificates: &Certificates, time: i64) -> Result<(), Refusal> {
        let mut closest =
            Refusal::new(Stage::Certificate, "the trusted root believes no authority at the time of its entry");
        let mut expired = None;
        for authority in self.authorities.iter().filter(|authority| authority.period.contains(time)) {
            let anchor = std::slice::from_ref(&authority.anchor);
            match certificates.vouched(anchor, &authority.between, time) {
                Ok(()) => return Ok(()),
                Err(refusal) if refusal.stage == Stage::Expired => expired = Some(refusal),
                Err(refusal) => closest = refusal,
            }
        }
        Err(expired.unwrap_or(closest))
    }
}
