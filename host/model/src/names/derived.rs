//! Names of children, derived from that of their resource. In: parts and a limit. Out: a name that keeps to the limit, is
//! the same every time, and differs where the parts differ (F3).

use crate::digest::Digest;

/// Characters of the digest in a shortened name: 50 bits, so that a collision needs millions of names.
const DIGEST_CHARACTERS: usize = 10;

/// The parts joined by `-` if that fits into `limit`, else cut and ended by a digest of all parts. A limit below twelve
/// characters is taken as twelve.
pub fn child(parts: &[&str], limit: usize) -> String {
    let joined = parts.join("-");
    let limit = limit.max(DIGEST_CHARACTERS + 2);
    if joined.len() <= limit {
        return joined;
    }
    let digest = Digest::of_texts(parts).to_string();
    let digest = letters(&digest);
    let room = limit - DIGEST_CHARACTERS - 1;
    let end = joined.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last().unwrap_or(0);
    // A cut may end in a separator, which together with ours would read as an empty part.
    let head = joined.get(..end).unwrap_or_default().trim_end_matches(['-', '.']);
    if head.is_empty() { format!("x{digest}") } else { format!("{head}-{digest}") }
}

/// Five bits a character, of the digest's hexadecimal form.
fn letters(hexadecimal: &str) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789bcdfghjklmnpqrstvwxzae";
    let bits: String =
        hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| format!("{digit:04b}")).collect();
    bits.as_bytes()
        .chunks(5)
        .take(DIGEST_CHARACTERS)
        .map(|chunk| {
            let index = chunk.iter().fold(0, |value, bit| value * 2 + usize::from(*bit == b'1'));
            char::from(*ALPHABET.get(index).unwrap_or(&b'0'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_fits_stays_as_it_is() {
        assert_eq!(child(&["prod-db", "primary"], 63), "prod-db-primary");
    }

    #[test]
    fn a_name_that_does_not_fit_is_cut_and_told_apart() {
        let long = "a".repeat(253);
        let one = child(&[&long, "primary"], 63);
        let two = child(&[&long, "replicas"], 63);
        assert_eq!(one.len(), 63);
        assert_ne!(one, two);
        assert_eq!(one, child(&[&long, "primary"], 63));
    }

    proptest! {
        #[test]
        fn a_derived_name_keeps_to_the_limit_and_stays_a_dns_name(
            one in "[a-z]([a-z0-9.-]{0,200}[a-z0-9])?", two in "[a-z]{1,20}", limit in 12_usize..64,
        ) {
            let name = child(&[&one, &two], limit);
            prop_assert!(name.len() <= limit);
            prop_assert!(!name.starts_with('-') && !name.ends_with('-'));
            prop_assert_eq!(&name, &child(&[&one, &two], limit));
        }
    }
}
