//! An authority and a log of a test's own, in the place of Fulcio and Rekor. What they vouch for has exactly the form that
//! cosign reads and writes, and is worth nothing outside of the test.

use crate::sha256;
use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SigningKey, date_time_ymd,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Media type of the bundles that are made.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "application/vnd.in-toto+json";
/// Origin of the log, as its checkpoints say it.
const ORIGIN: &str = "rekor.test";
/// For how long a certificate holds: ten minutes.
const HOLDS: Duration = Duration::from_secs(600);

/// Somebody whom an issuer knows.
#[derive(Clone, Debug)]
pub struct Person {
    /// The OIDC issuer.
    pub issuer: String,
    /// An address of mail; or of a workflow, which begins with `https:`.
    pub subject: String,
}

impl Person {
    /// Known to an issuer by an address.
    pub fn new(issuer: &str, subject: &str) -> Person {
        Person { issuer: issuer.into(), subject: subject.into() }
    }
}

/// A root, and one below it that gives certificates.
pub struct Authority {
    /// PEM of the one that gives certificates, and of the root.
    pub chain: String,
    issuer: Issuer<'static, KeyPair>,
}

fn named(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    parameters.distinguished_name = distinguished_name;
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Authority> {
        let (root_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let mut root = named("root of a test");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_pem = root.self_signed(&root_key)?.pem();
        let root = Issuer::new(root, root_key);
        let mut between = named("authority of a test");
        between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        between.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        between.use_authority_key_identifier_extension = true;
        let between_pem = between.signed_by(&key, &root)?.pem();
        Ok(Authority { chain: format!("{between_pem}{root_pem}"), issuer: Issuer::new(between, key) })
    }

    /// A key with a certificate that holds for ten minutes, from the 4th of May 2026 on.
    fn certify(&self, person: &Person) -> Result<(KeyPair, String)> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        parameters.not_before = date_time_ymd(2026, 5, 4);
        parameters.not_after = parameters.not_before + HOLDS;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        parameters.use_authority_key_identifier_extension = true;
        let subject = person.subject.as_str().try_into()?;
        let address = person.subject.starts_with("https:");
        let name = if address { SanType::URI(subject) } else { SanType::Rfc822Name(subject) };
        parameters.subject_alt_names = vec![name];
        let issuer = person.issuer.as_bytes();
        let der = [&[0x0c, u8::try_from(issuer.len())?][..], issuer].concat();
        parameters.custom_extensions = vec![
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], issuer.to_vec()),
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], der),
        ];
        let certificate = parameters.signed_by(&key, &self.issuer)?.pem();
        Ok((key, certificate))
    }
}

/// A log.
pub struct Log {
    key: KeyPair,
    /// What it calls itself by; that of another where it lies.
    id: Vec<u8>,
}

impl Log {
    /// A new one.
    pub fn new() -> Result<Log> {
        let key = KeyPair::generate()?;
        let id = Sha256::digest(key.subject_public_key_info()).to_vec();
        Ok(Log { key, id })
    }

    /// One that claims to be another.
    pub fn instead_of(other: &Log) -> Result<Log> {
        Ok(Log { id: other.id.clone(), ..Log::new()? })
    }

    /// Its public key, in PEM.
    pub fn pem(&self) -> String {
        self.key.public_key_pem()
    }

    /// Notes something so many seconds after certificates begin to hold.
    fn note(&self, body: &Value, after: i64) -> Result<Noted> {
        let (kind, body) = (&body["kind"], body.to_string());
        let (time, index) = (date_time_ymd(2026, 5, 4).unix_timestamp() + after, 0);
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let encoded = STANDARD.encode(&body);
        let promised = format!(r#"{{"body":"{encoded}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#);
        let promise = STANDARD.encode(self.key.sign(promised.as_bytes())?);
        // A tree of one leaf, which is its own root (RFC 6962), and the log's word for it.
        let root = Sha256::digest([&[0_u8][..], body.as_bytes()].concat());
        let head = format!("{ORIGIN} - 1\n1\n{}\n", STANDARD.encode(root));
        let signature = [&self.id[..4], &self.key.sign(head.as_bytes())?[..]].concat();
        let checkpoint = format!("{head}\n\u{2014} {ORIGIN} {}\n", STANDARD.encode(signature));
        let annotation = json!({
            "SignedEntryTimestamp": promise,
            "Payload": { "body": encoded, "integratedTime": time, "logIndex": index, "logID": id },
        });
        let bundled = json!({
            "logIndex": index.to_string(), "logId": { "keyId": STANDARD.encode(&self.id) },
            "kindVersion": { "kind": kind, "version": "0.0.1" },
            "integratedTime": time.to_string(), "inclusionPromise": { "signedEntryTimestamp": promise },
            "inclusionProof": {
                "logIndex": index.to_string(), "rootHash": STANDARD.encode(root), "treeSize": "1", "hashes": [],
                "checkpoint": { "envelope": checkpoint },
            },
            "canonicalizedBody": encoded,
        });
        Ok(Noted { annotation, bundled })
    }
}

/// An entry, in the two forms that are stored.
struct Noted {
    annotation: Value,
    bundled: Value,
}

/// A signature with all that belongs to it, as cosign stores it in its former format.
#[derive(Clone, Debug)]
pub struct Signed {
    /// What was signed.
    pub payload: Vec<u8>,
    /// The signature, in base64.
    pub signature: String,
    /// The signer's certificate, in PEM.
    pub certificate: String,
    /// The authority's, in PEM.
    pub chain: String,
    /// What the log noted.
    pub entry: Option<Value>,
}

fn hashed(message: &[u8], signature: &str, certificate: &str) -> Value {
    json!({
        "apiVersion": "0.0.1", "kind": "hashedrekord",
        "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": sha256(message) } },
            "signature": { "content": signature, "publicKey": { "content": STANDARD.encode(certificate) } },
        },
    })
}

fn der(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

/// Signs a payload as somebody; the log notes it so many seconds later.
pub fn sign(authority: &Authority, log: &Log, person: &Person, payload: &[u8], after: i64) -> Result<Signed> {
    let (key, certificate) = authority.certify(person)?;
    let signature = STANDARD.encode(key.sign(payload)?);
    let noted = log.note(&hashed(payload, &signature, &certificate), after)?;
    let (payload, chain, entry) = (payload.to_vec(), authority.chain.clone(), Some(noted.annotation));
    Ok(Signed { payload, signature, certificate, chain, entry })
}

/// Signs a manifest as somebody, into a bundle.
pub fn bundle(authority: &Authority, log: &Log, person: &Person, manifest: &str, after: i64) -> Result<Value> {
    let (key, certificate) = authority.certify(person)?;
    let digest = manifest.trim_start_matches("sha256:");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{ "digest": { "sha256": digest } }],
        "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
    });
    let payload = statement.to_string();
    let message = format!("DSSEv1 {} {STATEMENT} {} {payload}", STATEMENT.len(), payload.len());
    let signature = STANDARD.encode(key.sign(message.as_bytes())?);
    let envelope = json!({
        "payload": STANDARD.encode(&payload), "payloadType": STATEMENT, "signatures": [{ "sig": signature }],
    });
    let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": sha256(bytes) });
    let body = json!({
        "apiVersion": "0.0.1", "kind": "dsse",
        "spec": {
            "envelopeHash": hash(envelope.to_string().as_bytes()), "payloadHash": hash(payload.as_bytes()),
            "signatures": [{ "signature": signature, "verifier": STANDARD.encode(&certificate) }],
        },
    });
    let mut bundle = bundled(&certificate, &log.note(&body, after)?);
    bundle["dsseEnvelope"] = envelope;
    Ok(bundle)
}

/// Signs a file as somebody, into a bundle.
pub fn file_bundle(authority: &Authority, log: &Log, person: &Person, file: &[u8], after: i64) -> Result<Value> {
    let (key, certificate) = authority.certify(person)?;
    let signature = STANDARD.encode(key.sign(file)?);
    let noted = log.note(&hashed(file, &signature, &certificate), after)?;
    let digest = json!({ "algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(file)) });
    let mut bundle = bundled(&certificate, &noted);
    bundle["messageSignature"] = json!({ "messageDigest": digest, "signature": signature });
    Ok(bundle)
}

fn bundled(certificate: &str, noted: &Noted) -> Value {
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "certificate": { "rawBytes": der(certificate) }, "tlogEntries": [noted.bundled],
            "timestampVerificationData": {},
        },
    })
}
