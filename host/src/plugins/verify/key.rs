//! Public keys as cosign writes them: PEM in, whether a signature is theirs out. The mathematics is ring's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

/// What precedes an uncompressed point on P-256 in a SubjectPublicKeyInfo (RFC 5480): algorithm, curve, bit string.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// What precedes a key of Ed25519 (RFC 8410).
const EDWARDS: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key.
pub struct PublicKey(UnparsedPublicKey<Vec<u8>>);

impl PublicKey {
    /// Reads PEM with the label `PUBLIC KEY`.
    ///
    /// # Errors
    /// With what is wrong, to follow the name of the field.
    pub fn read(pem: &str) -> Result<PublicKey, String> {
        let no_pem =
            || "is no PEM; paste the contents of cosign.pub, with its BEGIN PUBLIC KEY and END lines".to_owned();
        let body = pem.split_once("-----BEGIN PUBLIC KEY-----").ok_or_else(no_pem)?.1;
        let body = body.split_once("-----END PUBLIC KEY-----").ok_or_else(no_pem)?.0;
        let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| no_pem())?;
        let other = || "is neither ECDSA on P-256 nor Ed25519; make one with `cosign generate-key-pair`".to_owned();
        PublicKey::of_der(&der).ok_or_else(other)
    }

    /// Of a SubjectPublicKeyInfo; none of another sort than ECDSA on P-256 or Ed25519.
    pub fn of_der(der: &[u8]) -> Option<PublicKey> {
        let of = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            PublicKey(UnparsedPublicKey::new(algorithm, key.to_vec()))
        };
        if let Some(point) = der.strip_prefix(&P256).filter(|point| point.len() == 65 && point[0] == 4) {
            return Some(of(&ECDSA_P256_SHA256_ASN1, point));
        }
        let key = der.strip_prefix(&EDWARDS).filter(|key| key.len() == 32)?;
        Some(of(&ED25519, key))
    }

    /// Whether a signature of a message is by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }

    /// The PEM of an uncompressed point on P-256.
    pub fn pem_of_p256(point: &[u8]) -> String {
        let encoded = STANDARD.encode([&P256, point].concat());
        let (first, second) = encoded.split_at(encoded.len().min(64));
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }
}
