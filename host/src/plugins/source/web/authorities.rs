//! Whose word on a server is taken. PEM in, certificates and the TLS that they make out.

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Certificates of authorities besides those of the machine.
pub type Authorities = Arc<[CertificateDer<'static>]>;

/// Reads certificates from PEM.
///
/// # Errors
/// With what is wrong, to follow the name of the file.
pub fn read(pem: &[u8]) -> Result<Authorities, String> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is no PEM: {error}"))?;
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| format!("has a certificate that cannot be used: {error}"))?;
        found.push(certificate);
    }
    if found.is_empty() {
        return Err("holds no certificate; it needs PEM with BEGIN CERTIFICATE and END lines".into());
    }
    Ok(found.into())
}

/// TLS of a client that takes the word of these and of the machine's authorities.
pub(super) fn configuration(authorities: &Authorities) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(authorities.iter().cloned());
    if roots.is_empty() {
        let why = native.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("this machine has no certificates of authorities to check servers by{why}"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A failure with what to do about it, where it is about a certificate.
pub(super) fn explained(failure: String) -> String {
    // The second is what an authority leads to that has the name of the right one and another key.
    if !["peer certificate: UnknownIssuer", "peer certificate: BadSignature"].iter().any(|why| failure.contains(why)) {
        return failure;
    }
    format!(
        "{failure}; no authority that is known here signed the server's certificate: name the file of a private one with \
         --ca-file (`windlass run`: --plugin-source-ca)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_and_told_what_it_needs() {
        for wrong in [&b""[..], b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(read(wrong).unwrap_err().contains("BEGIN CERTIFICATE"));
        }
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(read(broken).unwrap_err().contains("cannot be used"));
        assert!(read(b"-----BEGIN CERTIFICATE-----\n?\n").is_err());
    }

    #[test]
    fn only_a_failure_about_an_unknown_authority_is_explained() {
        assert_eq!(explained("refused".into()), "refused");
        assert!(explained("invalid peer certificate: UnknownIssuer".into()).contains("--ca-file"));
    }
}
