//! Certificates of signers. DER in; whether somebody who is trusted vouched for them, for whom, and whether their key made a
//! signature out.

use super::super::refusal::{Refusal, Stage};
use super::super::signers::Holder;
use chrono::{DateTime, SecondsFormat};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime, pem::PemObject as _};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, ring as algorithms};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode as _, oid::AssociatedOid as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The OIDC issuer, a text in DER.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
/// The same as it was written formerly: the bytes of a text.
const FORMER_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
/// Type of names of users without an address, as Fulcio gives them.
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
/// id-kp-codeSigning, as DER has it without tag and length.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
/// What keys of signers may be.
static KEYS: [&dyn SignatureVerificationAlgorithm; 5] = [
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
];

/// A signer's certificate, and those of whoever vouches for it as far as they came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The signer's.
    pub own: CertificateDer<'static>,
    /// Others.
    pub above: Vec<CertificateDer<'static>>,
}

/// Certificates in PEM.
pub(super) fn of_pem(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    read.map_err(|_| "a certificate is no PEM".to_owned())
}

/// A time in seconds since 1970, for people.
fn shown(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| seconds.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl Certificates {
    /// The signer's alone in one text, the others in another.
    ///
    /// # Errors
    /// When they are no PEM.
    pub fn of_pem(own: &str, above: Option<&str>) -> Result<Certificates, String> {
        let own = of_pem(own)?.into_iter().next().ok_or("its certificate is no PEM")?;
        Ok(Certificates { own, above: above.map(of_pem).transpose()?.unwrap_or_default() })
    }

    fn parsed(&self) -> Result<Certificate, &'static str> {
        Certificate::from_der(&self.own).map_err(|_| "its certificate cannot be read")
    }

    /// Whether one of the anchors vouched for it, as one that signs code, at a time in seconds since 1970.
    pub(super) fn vouched(
        &self,
        anchors: &[TrustAnchor<'static>],
        between: &[CertificateDer<'static>],
        time: i64,
    ) -> Result<(), Refusal> {
        let unread = |_| Refusal::new(Stage::Certificate, "its certificate cannot be read");
        let own = EndEntityCert::try_from(&self.own).map_err(unread)?;
        let between: Vec<_> = between.iter().chain(&self.above).cloned().collect();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time).unwrap_or(0)));
        let usage = KeyUsage::required(CODE_SIGNING);
        match own.verify_for_usage(ALL_VERIFICATION_ALGS, anchors, &between, at, usage, None, None) {
            Ok(_) => Ok(()),
            Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => {
                let parsed = self.parsed().map_err(|why| Refusal::new(Stage::Certificate, why))?;
                let validity = parsed.tbs_certificate.validity;
                let (from, to) = (validity.not_before.to_date_time(), validity.not_after.to_date_time());
                let noted = shown(time);
                let message = format!(
                    "its certificate holds from {from} to {to} (or one above it for less), and the log noted it at {noted}"
                );
                Err(Refusal::new(Stage::Expired, message))
            }
            // The second is a stranger who gave itself the name of somebody who is trusted.
            Err(Error::UnknownIssuer | Error::InvalidSignatureForPublicKey) => {
                let message = "no authority of the trusted root vouches for its certificate at the time of its entry";
                Err(Refusal::new(Stage::Certificate, message))
            }
            Err(error) => Err(Refusal::new(
                Stage::Certificate,
                format!("the trusted root does not vouch for its certificate: {error}"),
            )),
        }
    }

    /// Whether its key made a signature.
    pub(super) fn made(&self, message: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let own = EndEntityCert::try_from(&self.own).map_err(|_| "its certificate cannot be read")?;
        match KEYS.iter().any(|algorithm| own.verify_signature(*algorithm, message, signature).is_ok()) {
            true => Ok(()),
            false => Err("the key of its certificate did not sign this"),
        }
    }

    /// To whom it was given: one for each name in it.
    pub(super) fn holders(&self) -> Result<Vec<Holder>, &'static str> {
        let certificate = self.parsed()?;
        let issuer = issuer(&certificate)?;
        let names = match extension(&certificate, SubjectAltName::OID)? {
            Some(der) => SubjectAltName::from_der(der).map_err(|_| "the names of its certificate cannot be read")?.0,
            None => Vec::new(),
        };
        let subjects = names.iter().filter_map(|name| match name {
            GeneralName::Rfc822Name(text)
            | GeneralName::UniformResourceIdentifier(text)
            | GeneralName::DnsName(text) => Some(text.as_str()),
            GeneralName::OtherName(other) if other.type_id == USER_NAME => {
                Some(Utf8StringRef::try_from(&other.value).ok()?.as_str())
            }
            _ => None,
        });
        Ok(subjects.map(|subject| Holder { issuer: issuer.clone(), subject: subject.to_owned() }).collect())
    }
}

/// The value of an extension. None may be there twice.
fn extension(certificate: &Certificate, kind: ObjectIdentifier) -> Result<Option<&[u8]>, &'static str> {
    let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    let mut values = extensions.iter().filter(|extension| extension.extn_id == kind);
    let value = values.next().map(|extension| extension.extn_value.as_bytes());
    match values.next() {
        None => Ok(value),
        Some(_) => Err("an extension is in its certificate twice"),
    }
}

/// The OIDC issuer.
fn issuer(certificate: &Certificate) -> Result<String, &'static str> {
    let no_text = "the issuer in its certificate is no text";
    if let Some(der) = extension(certificate, ISSUER)? {
        return Ok(Utf8StringRef::from_der(der).map_err(|_| no_text)?.as_str().to_owned());
    }
    match extension(certificate, FORMER_ISSUER)? {
        Some(former) => String::from_utf8(former.to_vec()).map_err(|_| no_text),
        None => Err("its certificate names no OIDC issuer"),
    }
}
