//! Secret values come in, keyed fingerprints go out: the host's cache, plugins, logs and status never hold a value.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// The key that fingerprints are made with. Without it nothing can be learned from a fingerprint, not even by trying
/// all short values.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// From 32 random bytes, kept over restarts so that fingerprints stay comparable.
    pub fn new(key: [u8; 32]) -> Self {
        FingerprintKey(key)
    }

    /// The fingerprint of a value. Equal values within one namespace have equal fingerprints; over namespaces they are
    /// not comparable, so that nobody learns that two tenants share a password.
    pub fn fingerprint(&self, namespace: &str, value: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(&(namespace.len() as u64).to_be_bytes());
        mac.update(namespace.as_bytes());
        mac.update(value);
        let digest = mac.finalize().into_bytes();
        let mut text = String::with_capacity(4 + 32);
        text.push_str("fp1:");
        // 128 bits: enough that no two values ever meet.
        for byte in &digest[..16] {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        text
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_of_a_namespace_have_equal_fingerprints_and_no_others() {
        let key = FingerprintKey::new([7; 32]);
        assert_eq!(key.fingerprint("a", b"hunter2"), key.fingerprint("a", b"hunter2"));
        assert_ne!(key.fingerprint("a", b"hunter2"), key.fingerprint("a", b"hunter3"));
        assert_ne!(key.fingerprint("a", b"hunter2"), key.fingerprint("b", b"hunter2"));
        assert_ne!(key.fingerprint("a", b"bc"), key.fingerprint("ab", b"c"));
        assert_ne!(key.fingerprint("a", b""), FingerprintKey::new([8; 32]).fingerprint("a", b""));
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", FingerprintKey::new([7; 32])), "FingerprintKey(..)");
    }
}
