//! Sigstore bundles, the format that current cosign writes. A bundle and public keys in, whose signature of what it is
//! out. Of its two contents, a signed statement is about an artifact in a registry, and a signed message about a file.

use super::key::PublicKey;
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
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signed>,
}

#[derive(Deserialize)]
struct Signed {
    sig: String,
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

fn read(bytes: &[u8]) -> Result<Bundle, &'static str> {
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|_| "a bundle is none of sigstore")?;
    match bundle.media_type.starts_with("application/vnd.dev.sigstore.bundle") {
        true => Ok(bundle),
        false => Err("a bundle is none of sigstore"),
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    STANDARD.decode(text.trim()).map_err(|_| "a bundle has what is no base64")
}

/// Which of the keys signed a manifest in this bundle.
pub(super) fn judge(manifest: &str, bundle: &[u8], keys: &[PublicKey]) -> Result<usize, &'static str> {
    let envelope = read(bundle)?.dsse_envelope.ok_or("a bundle has no signed statement")?;
    let payload = decoded(&envelope.payload)?;
    let message = authenticated(&envelope.payload_type, &payload);
    let mut signer = None;
    for signed in &envelope.signatures {
        let signature = decoded(&signed.sig)?;
        signer = signer.or_else(|| keys.iter().position(|key| key.verifies(&message, &signature)));
    }
    let at = signer.ok_or("it is by another key")?;
    // Only what is signed is believed, and it has to be about this manifest.
    if envelope.payload_type != ENVELOPE {
        return Err("what is signed is no statement");
    }
    let statement: Value = serde_json::from_slice(&payload).map_err(|_| "what is signed is no JSON")?;
    let text = |field: &str| statement.get(field).and_then(Value::as_str).unwrap_or_default();
    if !text("_type").starts_with("https://in-toto.io/Statement/") || text("predicateType") != SIGNS {
        return Err("what is signed is no signature of an artifact");
    }
    let subjects = statement.get("subject").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut about = subjects.iter().filter_map(|subject| subject.pointer("/digest/sha256")?.as_str());
    match about.any(|digest| manifest.strip_prefix("sha256:") == Some(digest)) {
        true => Ok(at),
        false => Err("it is about another manifest"),
    }
}

/// Which of the keys signed a file. What cosign wrote about it is a bundle, or a signature in base64 alone.
///
/// # Errors
/// When it is none of them.
pub fn judge_file(file: &[u8], about: &[u8], keys: &[PublicKey]) -> Result<usize, &'static str> {
    let encoded = match about.trim_ascii_start().starts_with(b"{") {
        true => {
            read(about)?.message_signature.ok_or("the bundle is about no file; sign with `cosign sign-blob`")?.signature
        }
        false => String::from_utf8(about.to_vec()).map_err(|_| "it is neither a bundle nor a signature in base64")?,
    };
    let signature = STANDARD.decode(encoded.trim()).map_err(|_| "it is neither a bundle nor a signature in base64")?;
    keys.iter().position(|key| key.verifies(file, &signature)).ok_or("it is by another key, or of another file")
}

/// What is signed in an envelope: its type belongs to it (DSSE v1).
fn authenticated(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_bundle_that_cosign_wrote_is_verified_and_is_about_its_manifest_alone() {
        let keys = [PublicKey::read(KEY).unwrap()];
        assert_eq!(judge(MANIFEST, BUNDLE.as_bytes(), &keys), Ok(0));
        let other = MANIFEST.replace('7', "8");
        assert_eq!(judge(&other, BUNDLE.as_bytes(), &keys), Err("it is about another manifest"));
        assert_eq!(judge(MANIFEST, BUNDLE.as_bytes(), &[]), Err("it is by another key"));
        let typed = BUNDLE.replace("in-toto+json", "in-toto+xml0");
        assert_eq!(judge(MANIFEST, typed.as_bytes(), &keys), Err("it is by another key"));
    }

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Signer {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
            Signer(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap())
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
        let signer = Signer::new();
        let judged = |payload_type: &str, payload: Value| {
            judge("sha256:aa", &signer.bundle(payload_type, payload.to_string().as_bytes()), &[signer.key()])
        };
        let statement = |predicate: &str, digest: &str| {
            json!({
                "_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": digest}}],
                "predicateType": predicate, "predicate": {},
            })
        };
        assert_eq!(judged(ENVELOPE, statement(SIGNS, "aa")), Ok(0));
        let none = Err("what is signed is no signature of an artifact");
        assert_eq!(judged(ENVELOPE, statement("https://slsa.dev/provenance/v1", "aa")), none);
        assert_eq!(judged(ENVELOPE, json!({})), none);
        assert_eq!(judged("text/plain", statement(SIGNS, "aa")), Err("what is signed is no statement"));
        assert_eq!(judged(ENVELOPE, statement(SIGNS, "")), Err("it is about another manifest"));
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for text in ["", "{}", "[]", r#"{"mediaType": "text/plain"}"#] {
            assert!(judge(MANIFEST, text.as_bytes(), &[]).is_err(), "{text}");
        }
        let empty = r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}"#;
        assert_eq!(judge(MANIFEST, empty.as_bytes(), &[]), Err("a bundle has no signed statement"));
    }

    #[test]
    fn a_file_is_signed_by_a_bundle_or_by_a_signature_alone() {
        let signer = Signer::new();
        let signature = signer.sign(b"code");
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "messageSignature": {"signature": signature},
        });
        for about in [signature.clone(), format!("{signature}\n"), bundle.to_string()] {
            assert_eq!(judge_file(b"code", about.as_bytes(), &[Signer::new().key(), signer.key()]), Ok(1));
            assert!(judge_file(b"c0de", about.as_bytes(), &[signer.key()]).unwrap_err().contains("of another file"));
        }
        assert!(judge_file(b"code", b"?", &[signer.key()]).is_err());
        assert!(judge_file(b"code", BUNDLE.as_bytes(), &[signer.key()]).unwrap_err().contains("about no file"));
    }
}
