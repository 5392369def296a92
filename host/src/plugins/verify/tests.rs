use super::super::source::oci::{Artifact, reference::Reference};
use super::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// Made by `openssl ecparam -name prime256v1 -genkey` and `openssl pkey -pubout`, as cosign writes keys.
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhMMz4J2Nzd2o5M9PlX/i2I3aFt9W
ObeDzyLRTOuwlBihKOZcj6ZHLfkznc933GDErKx3cZ0DFf/t8T4g/5ROVQ==
-----END PUBLIC KEY-----
";

struct Pair(EcdsaKeyPair);

impl Pair {
    fn new() -> Pair {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &SystemRandom::new());
        Pair(pair.unwrap())
    }

    fn pem(&self) -> String {
        PublicKey::pem_of_p256(self.0.public_key().as_ref())
    }

    fn sign(&self, payload: &[u8]) -> Signature {
        let signature = self.0.sign(&SystemRandom::new(), payload).unwrap();
        Signature::Simple {
            payload: payload.to_vec(),
            signature: STANDARD.encode(signature.as_ref()),
            proof: Proof::default(),
        }
    }
}

fn fetched(signatures: Vec<Signature>) -> Fetched {
    let reference = Reference::parse("r.example/a:1").unwrap();
    let (manifest, annotations) = ("sha256:aa".to_owned(), Default::default());
    let artifact = Artifact { reference, manifest, annotations, signatures: Ok(signatures) };
    Fetched { bytes: b"code".to_vec(), from: "r.example/a:1".into(), artifact: Some(artifact) }
}

fn asking(keys: &[String]) -> Verify {
    Verify { cosign_keys: keys.to_vec(), ..Verify::default() }
}

#[test]
fn a_signature_by_one_of_the_keys_is_found() {
    let (signer, other) = (Pair::new(), Pair::new());
    let signatures =
        vec![other.sign(&payload("r.example/a", "sha256:aa")), signer.sign(&payload("r.example/a", "sha256:aa"))];
    let (reason, message) = verify(&fetched(signatures), &asking(&[Pair::new().pem(), signer.pem()])).unwrap();
    assert_eq!(reason, "Signed");
    assert!(message.contains("cosignKeys[1]"), "{message}");
}

#[test]
fn a_signature_by_another_key_of_another_manifest_or_of_something_else_is_none() {
    let signer = Pair::new();
    let reason = |signature| verify(&fetched(vec![signature]), &asking(&[signer.pem()])).unwrap_err().to_string();
    let good = payload("r.example/a", "sha256:aa");
    assert!(reason(Pair::new().sign(&good)).contains("by another key"));
    assert!(reason(signer.sign(&payload("r.example/a", "sha256:bb"))).contains("another manifest"));
    assert!(reason(signer.sign(b"{}")).contains("no signature of an artifact"));
    let Signature::Simple { signature, proof, .. } = signer.sign(&good) else { unreachable!() };
    let changed =
        Signature::Simple { payload: good.iter().map(|byte| byte ^ 1).collect(), signature, proof: proof.clone() };
    assert!(reason(changed).contains("by another key"));
    assert!(reason(Signature::Simple { signature: "?".into(), payload: good, proof }).contains("base64"));
}

#[test]
fn what_is_not_signed_and_what_cannot_be_is_refused_by_name() {
    let keys = asking(&[Pair::new().pem()]);
    assert_eq!(verify(&fetched(vec![]), &keys).unwrap_err().reason(), "Unsigned");
    let mut unread = fetched(vec![]);
    let error = SourceError::Unreachable { what: "u".into(), message: "500".into() };
    unread.artifact.as_mut().unwrap().signatures = Err(error);
    assert_eq!(verify(&unread, &keys).unwrap_err().reason(), "SignaturesUnread");
    assert_eq!(verify(&unread, &Verify::default()).unwrap().0, "NotAsked");
    let plain = Fetched { artifact: None, ..fetched(vec![]) };
    assert_eq!(verify(&plain, &keys).unwrap_err().reason(), "SignatureImpossible");
    assert_eq!(verify(&fetched(vec![]), &asking(&["no key".into()])).unwrap_err().reason(), "InvalidKey");
}

#[test]
fn a_component_of_another_digest_is_refused() {
    let wanted = |digest: String| Verify { digest: Some(digest), ..Verify::default() };
    let good = format!("sha256:{}", Digest::of(b"code"));
    assert_eq!(verify(&fetched(vec![]), &wanted(good)).unwrap().0, "DigestMatches");
    let error = verify(&fetched(vec![]), &wanted(format!("sha256:{}", "0".repeat(64)))).unwrap_err();
    assert_eq!(error.reason(), "DigestMismatch");
    assert_eq!(verify(&fetched(vec![]), &Verify::default()).unwrap().0, "NotAsked");
}

/// A message that `openssl dgst -sha256 -sign` signed with the key of [`KEY`].
#[test]
fn a_signature_that_another_tool_made_is_verified() {
    let key = PublicKey::read(KEY).unwrap();
    let signature = STANDARD
        .decode("MEUCIAUjYFQ2ApUT8LG7NENiARGm8v7enQKTvNUVcEayJCbiAiEAs0GDMHRp2WlbhsBxYwGKj/o3v1Vzigwvh68Wbp+9ryw=")
        .unwrap();
    assert!(key.verifies(b"hello", &signature));
    assert!(!key.verifies(b"hallo", &signature));
}
