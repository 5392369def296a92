//! Ids, signatures and fillers, all of them digests: nothing is random, so that runs can be compared.

use sha2::{Digest, Sha256};

/// The digest of some parts, as lower-case hexadecimal digits.
pub(crate) fn hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With their lengths, so that `ab`, `c` is not `a`, `bc`.
        hash.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A UUID made of some parts.
pub(crate) fn uuid(parts: &[&str]) -> String {
    let hex = hex(parts);
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// As many characters as asked for, made of some parts.
pub(crate) fn filler(parts: &[&str], length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    for round in 0..=length / 64 {
        let round = round.to_string();
        text.push_str(&hex(&[&[round.as_str()], parts].concat()));
    }
    text.truncate(length);
    text
}
