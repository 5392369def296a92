//! A short fingerprint of a JSON value, the same for equal values whatever the order of their keys.
//! In: a value. Out: 128 bits. Not secret and not keyed: never take it of a secret's value.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// 128 bits of SHA-256 over the canonical form of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

/// Deeper values than this hash alike below it; the check refuses them long before.
const MAX_DEPTH: usize = 512;

impl Digest {
    /// Of a value.
    pub fn of(value: &Value) -> Self {
        Digest::without(value, &[])
    }

    /// Of a value, leaving out these paths, each a list of keys from the root.
    pub fn without(value: &Value, left_out: &[&[&str]]) -> Self {
        let mut hasher = Sha256::new();
        feed(&mut hasher, value, left_out, 0);
        let bytes = hasher.finalize();
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Digest(short)
    }

    /// Of several texts; where one ends and the next begins makes a difference.
    pub fn of_texts(texts: &[&str]) -> Self {
        Digest::of(&Value::Array(texts.iter().map(|text| Value::from(*text)).collect()))
    }

    /// From its hexadecimal form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (to, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            let [high, low] = pair else { return None };
            *to = (nibble(*high)? << 4) | nibble(*low)?;
        }
        Some(Digest(bytes))
    }
}

fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Each value begins with a letter for its type and its length, so that no two values feed the same bytes.
fn feed(hasher: &mut Sha256, value: &Value, left_out: &[&[&str]], depth: usize) {
    if depth > MAX_DEPTH {
        hasher.update(b"~");
        return;
    }
    match value {
        Value::Null => hasher.update(b"z"),
        Value::Bool(true) => hasher.update(b"t"),
        Value::Bool(false) => hasher.update(b"f"),
        Value::Number(number) => feed_text(hasher, b'n', &number.to_string()),
        Value::String(text) => feed_text(hasher, b's', text),
        Value::Array(values) => {
            hasher.update(b"a");
            hasher.update((values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| feed(hasher, value, &[], depth + 1));
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map
                .keys()
                .filter(|key| !left_out.iter().any(|path| path.len() == 1 && path[0] == key.as_str()))
                .collect();
            // Whether maps are sorted depends on a feature of serde_json that any crate may switch on.
            keys.sort_unstable();
            hasher.update(b"o");
            hasher.update((keys.len() as u64).to_be_bytes());
            for key in keys {
                let below: Vec<&[&str]> = left_out
                    .iter()
                    .filter(|path| path.len() > 1 && path[0] == key.as_str())
                    .map(|path| &path[1..])
                    .collect();
                feed_text(hasher, b'k', key);
                feed(hasher, map.get(key).unwrap_or(&Value::Null), &below, depth + 1);
            }
        }
    }
}

fn feed_text(hasher: &mut Sha256, letter: u8, text: &str) {
    hasher.update([letter]);
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text.as_bytes());
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_makes_no_difference_and_the_order_of_a_list_does() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":{"c":2,"d":3}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"b":{"d":3,"c":2},"a":1}"#).unwrap();
        assert_eq!(Digest::of(&one), Digest::of(&two));
        assert_ne!(Digest::of(&json!([1, 2])), Digest::of(&json!([2, 1])));
        assert_ne!(Digest::of(&json!(["ab"])), Digest::of(&json!(["a", "b"])));
        assert_ne!(Digest::of(&json!("1")), Digest::of(&json!(1)));
    }

    #[test]
    fn a_path_that_is_left_out_makes_no_difference() {
        let one = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "status": 1});
        let two = json!({"metadata": {"name": "a", "resourceVersion": "2"}});
        let left_out: &[&[&str]] = &[&["metadata", "resourceVersion"], &["status"]];
        assert_eq!(Digest::without(&one, left_out), Digest::without(&two, left_out));
        assert_ne!(Digest::of(&one), Digest::of(&two));
    }

    #[test]
    fn the_text_form_reads_back() {
        let digest = Digest::of(&json!({"a": [1, null, "x"]}));
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse("xyz"), None);
        assert_eq!(Digest::parse(&"ä".repeat(16)), None);
    }
}
