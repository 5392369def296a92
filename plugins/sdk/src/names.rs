//! Names of children, derived from the name of their resource. In: any resource name. Out: a DNS label within its limit,
//! always the same, and different for different resources (as far as eight digits of a hash tell them apart).

use sha2::{Digest, Sha256};

/// Longest DNS label: names of Services, values of labels, host names of pods.
pub const LABEL: usize = 63;
/// Longest name of a StatefulSet: its pods carry the label `controller-revision-hash: NAME-HASH` with a hash of ten.
pub const STATEFUL_SET: usize = 52;
/// Longest name of a CronJob: its Jobs add eleven characters.
pub const CRON_JOB: usize = 52;

/// `base` followed by `suffix`, at most `limit` characters. A base that is too long for it, or no DNS label by itself
/// (dots, a digit in front, anything else), is cut and gets eight digits of its hash.
pub fn child(base: &str, suffix: &str, limit: usize) -> String {
    let room = limit.saturating_sub(suffix.len());
    if base.len() <= room && is_label(base) {
        return format!("{base}{suffix}");
    }
    let mut stem: String =
        base.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    if !stem.starts_with(|c: char| c.is_ascii_lowercase()) {
        stem.insert(0, 'x');
    }
    stem.truncate(room.saturating_sub(9));
    format!("{}-{}{suffix}", stem.trim_end_matches('-'), &hash(base.as_bytes())[..8])
}

/// The SHA-256 of something, as 64 lower-case hexadecimal digits.
pub fn hash(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// A DNS label that starts with a letter, as names of Services must (RFC 1035).
pub fn is_label(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= LABEL
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_name_stays_readable() {
        assert_eq!(child("prod-db", "-primary", LABEL), "prod-db-primary");
    }

    #[test]
    fn names_that_agree_in_their_first_characters_stay_apart() {
        let long = "a".repeat(200);
        assert_ne!(child(&format!("{long}b"), "-x", LABEL), child(&format!("{long}c"), "-x", LABEL));
        assert_ne!(child("a.b", "", LABEL), child("a-b", "", LABEL));
    }

    proptest! {
        #[test]
        fn every_child_name_is_a_label_within_its_limit(base in "\\PC{1,260}", limit in 30usize..=63) {
            let name = child(&base, "-headless", limit);
            prop_assert!(is_label(&name) && name.len() <= limit, "{name}");
        }
    }
}
