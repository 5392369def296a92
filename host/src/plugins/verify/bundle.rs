//! Sigstore bundles, the format that current cosign writes. A bundle and signers in, whose signature of what it is out. Of its two contents, a signed statement is about an artifact in a registry, and a signed message about a file.

use super::keyless::{Bundled, CertificateDocument, Certificates, Entry, Evidence, Record, Signed};
use super::refusal::{Refusal, Stage};
use super::signers::{Signer, Signers};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// What a statement is wrapped in.
const ENVELOPE: &str = "application/vnd.in-toto+json";
/// The predicate by which cosign says `I sign this`. Other statements, as those on how something was built, are none.
const SIGNS: &str = "https://sigstore.dev/cosign/sign/v1";

/// As far as it matters here. Everything in it is a stranger's until a signature says otherwise.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

/// Who signed, where no key is known.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<CertificateDocument>,
    /// As bundles had it before 0.3: the signer's first.
    x509_certificate_chain: Option<Chain>,
    #[serde(default)]
    tlog_entries: Vec<Bundled>,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<CertificateDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<OneSignature>,
}

#[derive(Deserialize)]
struct OneSignature {
    sig: String,
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

impl Material {
    /// What vouches for a signature; none where it was made with a key.
    fn evidence(&self) -> Result<Option<Evidence>, String> {
        let chain = self.x509_certificate_chain.as_ref().map_or(&[][..], |chain| chain.certificates.as_slice());
        let mut all = self.certificate.iter().chain(chain).map(CertificateDocument::der);
        let Some(own) = all.next().transpose()? else { return Ok(None) };
        let certificates = Certificates { own, above: all.collect::<Result<_, _>>()? };
        let mut entry = None;
        for bundled in &self.tlog_entries {
            entry = entry.or(Entry::of_bundled(bundled)?);
        }
        Ok(Some(Evidence { certificates, entry }))
    }
}

fn read(bytes: &[u8]) -> Result<Bundle, Refusal> {
    let none = |_| Refusal::form("a bundle is none of sigstore");
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(none)?;
    match bundle.media_type.starts_with("application/vnd.dev.sigstore.bundle") {
        true => Ok(bundle),
        false => Err(Refusal::form("a bundle is none of sigstore")),
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text.trim()).map_err(|_| Refusal::form("a bundle has what is no base64"))
}

/// Who signed a manifest in this bundle.
pub(super) fn judge(manifest: &str, bundle: &[u8], signers: &Signers) -> Result<Signer, Refusal> {
    let Bundle { verification_material: material, dsse_envelope, .. } = read(bundle)?;
    let envelope = dsse_envelope.ok_or_else(|| Refusal::form("a bundle has no signed statement"))?;
    let payload = decoded(&envelope.payload)?;
    let message = authenticated(&envelope.payload_type, &payload);
    let mut judged = Err(Refusal::form("a bundle has no signature"));
    for one in &envelope.signatures {
        let signature = decoded(&one.sig)?;
        let signed = Signed { message: &message, record: Record::Envelope(&payload), signature: &signature };
        judged = judged.or_else(|_| signers.who(&signed, || material.evidence()));
    }
    let signer = judged?;
    // Only what is signed is believed, and it has to be about this manifest.
    if envelope.payload_type != ENVELOPE {
        return Err(Refusal::content("what is signed is no statement"));
    }
    let statement: Value =
        serde_json::from_slice(&payload).map_err(|_| Refusal::content("what is signed is no JSON"))?;
    let text = |field: &str| statement.get(field).and_then(Value::as_str).unwrap_or_default();
    if !text("_type").starts_with("https://in-toto.io/Statement/") || text("predicateType") != SIGNS {
        return Err(Refusal::content("what is signed is no signature of an artifact"));
    }
    let subjects = statement.get("subject").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut about = subjects.iter().filter_map(|subject| subject.pointer("/digest/sha256")?.as_str());
    match about.any(|digest| manifest.strip_prefix("sha256:") == Some(digest)) {
        true => Ok(signer),
        false => Err(Refusal::content("it is about another manifest")),
    }
}

/// Who signed a file. What cosign wrote about it is a bundle, or a signature in base64 alone.
///
/// # Errors
/// When it is none of them.
pub fn judge_file(file: &[u8], about: &[u8], signers: &Signers) -> Result<Signer, Refusal> {
    let neither = || Refusal::form("it is neither a bundle nor a signature in base64");
    let (encoded, material) = match about.trim_ascii_start().starts_with(b"{") {
        true => {
            let Bundle { verification_material, message_signature, .. } = read(about)?;
            let none = || Refusal::form("the bundle is about no file; sign with `cosign sign-blob`");
            (message_signature.ok_or_else(none)?.signature, verification_material)
        }
        false => (String::from_utf8(about.to_vec()).map_err(|_| neither())?, Material::default()),
    };
    let signature = STANDARD.decode(encoded.trim()).map_err(|_| neither())?;
    let signed = Signed { message: file, record: Record::Message(file), signature: &signature };
    let judged = signers.who(&signed, || material.evidence());
    judged.map_err(|Refusal { stage, message }| match stage {
        Stage::Key | Stage::Signature => Refusal { stage, message: format!("{message}, or is of another file") },
        _ => Refusal { stage, message },
    })
}

/// What is signed in an envelope: its type belongs to it (DSSE v1).
fn authenticated(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::super::key::PublicKey;
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    /// A bundle that cosign 3.1 wrote, and the key that it wrote it with: `cosign sign --key` into a registry.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwx4Gjb4WOwxhIzCvMH3vkiSpq8I5
62cMW4BlOqv74hFmlSEve9I+b7Ueh+MmSlFyjJK7q0qHN8pBYM4WknkGPg==
-----END PUBLIC KEY-----
";
    const BUNDLE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"g8rCh04OWAzF/ZhFyX+A8y6Aara1afsEwMvQhwKnZSo="}},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCAic3ViamVjdCI6W3siZGlnZXN0Ijp7InNoYTI1NiI6ImU3Yzk1ZjdkMjhiMWYwYmFmMTEyMzUxNzY2ZGNlMGIwY2I0NDBmMDU4MGYwNWYwNDg3MWM4MTRiYmI0YzA2NWEifSwgImFubm90YXRpb25zIjp7fX1dLCAicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2lnbi9zaWduL3YxIiwgInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEUCIQC3CBxIipJnI+/h+8r669YerBlJyjFjQhJE0qVD99xQbwIgcA6PlyN4U4F37Z0A6qmKvRleTMH7V1WXEM8DvDATxOg="}]}}"#;
    const MANIFEST: &str = "sha256:e7c95f7d28b1f0baf112351766dce0b0cb440f0580f05f04871c814bbb4c065a";

    fn by(keys: impl Into<Vec<PublicKey>>) -> Signers {
        Signers { keys: keys.into(), keyless: None }
    }

    fn judged(manifest: &str, bundle: &[u8], signers: &Signers) -> Result<Signer, String> {
        judge(manifest, bundle, signers).map_err(|refusal| refusal.message)
    }

    fn no<T>(message: &str) -> Result<T, String> {
        Err(message.to_owned())
    }

    #[test]
    fn a_bundle_that_cosign_wrote_is_verified_and_is_about_its_manifest_alone() {
        let signers = by([PublicKey::read(KEY).unwrap()]);
        assert_eq!(judged(MANIFEST, BUNDLE.as_bytes(), &signers), Ok(Signer::Key(0)));
        let other = MANIFEST.replace('7', "8");
        assert_eq!(judged(&other, BUNDLE.as_bytes(), &signers), no("it is about another manifest"));
        assert_eq!(judged(MANIFEST, BUNDLE.as_bytes(), &by([])), no("it is by another key"));
        let typed = BUNDLE.replace("in-toto+json", "in-toto+xml0");
        assert_eq!(judged(MANIFEST, typed.as_bytes(), &signers), no("it is by another key"));
    }

    struct Pair(EcdsaKeyPair);

    impl Pair {
        fn new() -> Pair {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
            Pair(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap())
        }

        fn key(&self) -> PublicKey {
            PublicKey::read(&PublicKey::pem_of_p256(self.0.public_key().as_ref())).unwrap()
        }

        fn sign(&self, message: &[u8]) -> String {
            STANDARD.encode(self.0.sign(&SystemRandom::new(), message).unwrap().as_ref())
        }

        fn bundle(&self, payload_type: &str, payload: &[u8]) -> Vec<u8> {
            let bundle = json!({
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "dsseEnvelope": {
                    "payload": STANDARD.encode(payload), "payloadType": payload_type,
                    "signatures": [{"sig": self.sign(&authenticated(payload_type, payload))}],
                },
            });
            bundle.to_string().into_bytes()
        }
    }

    #[test]
    fn a_statement_of_the_right_key_that_is_no_signature_is_none() {
        let signer = Pair::new();
        let judged = |payload_type: &str, payload: Value| {
            judged("sha256:aa", &signer.bundle(payload_type, payload.to_string().as_bytes()), &by([signer.key()]))
        };
        let statement = |predicate: &str, digest: &str| {
            json!({
                "_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": digest}}],
                "predicateType": predicate, "predicate": {},
            })
        };
        assert_eq!(judged(ENVELOPE, statement(SIGNS, "aa")), Ok(Signer::Key(0)));
        let none = no("what is signed is no signature of an artifact");
        assert_eq!(judged(ENVELOPE, statement("https://slsa.dev/provenance/v1", "aa")), none);
        assert_eq!(judged(ENVELOPE, json!({})), none);
        assert_eq!(judged("text/plain", statement(SIGNS, "aa")), no("what is signed is no statement"));
        assert_eq!(judged(ENVELOPE, statement(SIGNS, "")), no("it is about another manifest"));
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for text in ["", "{}", "[]", r#"{"mediaType": "text/plain"}"#] {
            assert!(judge(MANIFEST, text.as_bytes(), &by([])).is_err(), "{text}");
        }
        let empty = r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}"#;
        assert_eq!(judged(MANIFEST, empty.as_bytes(), &by([])), no("a bundle has no signed statement"));
    }

    #[test]
    fn a_file_is_signed_by_a_bundle_or_by_a_signature_alone() {
        let signer = Pair::new();
        let refused =
            |file: &[u8], about: &[u8], pair: &Pair| judge_file(file, about, &by([pair.key()])).unwrap_err().message;
        let signature = signer.sign(b"code");
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "messageSignature": {"signature": signature},
        });
        for about in [signature.clone(), format!("{signature}\n"), bundle.to_string()] {
            let both = by([Pair::new().key(), signer.key()]);
            assert_eq!(judge_file(b"code", about.as_bytes(), &both), Ok(Signer::Key(1)));
            assert!(refused(b"c0de", about.as_bytes(), &signer).contains("of another file"));
        }
        assert!(refused(b"code", b"?", &signer).contains("neither"));
        assert!(refused(b"code", BUNDLE.as_bytes(), &signer).contains("about no file"));
    }
}
