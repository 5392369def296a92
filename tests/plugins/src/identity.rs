//! An authority of a test's own, and a server on loopback that it vouches for.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::Arc;

/// Certificates and a key, all in PEM.
#[derive(Clone)]
pub struct Identity {
    /// Of the authority.
    pub authority: String,
    /// Of the server, for `127.0.0.1` and `localhost`.
    pub certificate: String,
    /// The server's.
    pub key: String,
}

impl Identity {
    /// A new one.
    pub fn new() -> Result<Identity> {
        let authority_key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::<String>::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = parameters.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(parameters, authority_key);
        let key = KeyPair::generate()?;
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?.pem();
        Ok(Identity { authority, certificate, key: key.serialize_pem() })
    }

    /// TLS of the server.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).context("no certificate")?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).context("no key")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key)?))
    }
}
