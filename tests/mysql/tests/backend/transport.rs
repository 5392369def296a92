//! Ways to talk to servers: without TLS, with it, and with a certificate that is checked.

use crate::on_each;
use model::decision::TlsMode;
use mysql_suite::{Backend, Mysqld, backend::tls};

#[test]
fn a_server_is_reached_without_tls_where_that_is_wanted() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        let mut wish = backend.server(&server);
        wish.tls = tls(TlsMode::Disabled);
        backend.see(&wish).await;
        let open = "SELECT COUNT(*) FROM performance_schema.threads WHERE CONNECTION_TYPE = 'SSL/TLS' AND PROCESSLIST_ID IN \
                    (SELECT PROCESSLIST_ID FROM performance_schema.user_variables_by_thread JOIN performance_schema.threads \
                    USING (THREAD_ID) WHERE VARIABLE_NAME = 'windlass_host')";
        assert_eq!(server.column(open).await, ["'0'"]);
        wish.tls = tls(TlsMode::Required);
        backend.see(&wish).await;
        assert_eq!(server.column(open).await, ["'1'"]);
    });
}

#[test]
fn a_server_that_wants_tls_refuses_those_who_do_not() {
    on_each(|installation| async move {
        let (server, backend) = (Mysqld::start(&installation, &[]).await, Backend::default());
        server.sql(&["SET GLOBAL require_secure_transport = ON"]).await;
        let mut wish = backend.server(&server);
        assert!(backend.look(&wish).await.is_ok());
        wish.tls = tls(TlsMode::Disabled);
        assert_eq!(backend.look(&wish).await.unwrap_err().reason, "TlsFailed");
    });
}

#[test]
fn a_certificate_of_another_authority_or_name_is_not_trusted() {
    on_each(|installation| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let server_options = [("--ssl-ca", "ca.pem"), ("--ssl-cert", "cert.pem"), ("--ssl-key", "key.pem")]
            .map(|(option, file)| format!("{option}={}", path(file).display()));
        let options: Vec<&str> = server_options.iter().map(String::as_str).collect();
        // The name is not known before the server has its address.
        let (authority, issuer) = authority();
        let write = |names: Vec<String>| {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
            std::fs::write(path("ca.pem"), &authority).unwrap();
            std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
            std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        };
        write(vec!["127.1.1.1".into()]);
        let (mut server, mut backend) = (Mysqld::start(&installation, &options).await, Backend::default());
        let mut wish = backend.server(&server);
        wish.tls = tls(TlsMode::Verified);
        backend.value("ca", "ca.crt", &authority);
        assert_eq!(backend.look(&wish).await.unwrap_err().reason, "TlsFailed", "of another name");

        write(vec![server.address.clone()]);
        server.resume().await;
        backend.see(&wish).await;
        backend.value("ca", "ca.crt", &self::authority().0);
        assert_eq!(backend.look(&wish).await.unwrap_err().reason, "TlsFailed", "of another authority");
    });
}

/// A certificate authority: its certificate as PEM, and what signs with it.
fn authority() -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), rcgen::Issuer::new(parameters, key))
}
