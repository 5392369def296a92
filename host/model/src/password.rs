//! Values of generated Secrets. In: rules, a length and random bytes. Out: a value that nobody has seen.

use crate::decision::PasswordRules;
use crate::redact::Redacted;

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
/// Symbols that need no quoting in a shell, SQL, a connection string, a URL's user part or YAML's plain text.
const SYMBOLS: &[u8] = b"-_.~+";

/// Shortest and longest value, as the contract has it.
pub const LENGTH: std::ops::RangeInclusive<u32> = 16..=128;

/// Why no value was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Outside of what the contract allows.
    #[error("a value has 16 to 128 characters, {0} were asked for")]
    Length(u32),
    /// The random bytes never led to a value that follows the rules: they are not random.
    #[error("the source of random bytes gave no value that follows the rules")]
    Source,
}

/// Makes one value. `random` gives one uniform random byte each time. `login` is a name that must not be part of the
/// value, nor any part of three or more characters of it (Azure SQL refuses those); empty for none.
pub fn generate(
    rules: PasswordRules,
    length: u32,
    login: &str,
    mut random: impl FnMut() -> u8,
) -> Result<Redacted<String>, PasswordError> {
    if !LENGTH.contains(&length) {
        return Err(PasswordError::Length(length));
    }
    let classes: &[&[u8]] = match rules {
        PasswordRules::Alphanumeric => &[LOWER, UPPER, DIGITS],
        PasswordRules::AzureSql => &[LOWER, UPPER, DIGITS, SYMBOLS],
    };
    let alphabet: Vec<u8> = classes.concat();
    // Whole values are drawn again until one follows the rules: that keeps all that do equally likely. A value of 16
    // characters lacks a class about once in five.
    for _ in 0..1_000 {
        let value = Redacted::new(draw(&alphabet, length, &mut random)?);
        if let Some(text) = follows(value.expose(), classes, login) {
            return Ok(Redacted::new(text));
        }
    }
    Err(PasswordError::Source)
}

/// Uniform characters of an alphabet.
fn draw(alphabet: &[u8], length: u32, random: &mut impl FnMut() -> u8) -> Result<Vec<u8>, PasswordError> {
    // With its full size from the start it is never moved, which would leave a copy behind.
    let mut value = Vec::with_capacity(length as usize);
    for _ in 0..length.saturating_mul(64) {
        // Bytes at the end of the range would make the first characters likelier than others.
        let byte = usize::from(random());
        if byte < 256 - 256 % alphabet.len() {
            value.extend(alphabet.get(byte % alphabet.len()));
        }
        if value.len() == length as usize {
            return Ok(value);
        }
    }
    Err(PasswordError::Source)
}

fn follows(value: &[u8], classes: &[&[u8]], login: &str) -> Option<String> {
    let every_class = classes.iter().all(|class| value.iter().any(|byte| class.contains(byte)));
    let text = String::from_utf8(value.to_vec()).ok()?;
    let lower = Redacted::new(text.to_ascii_lowercase());
    let login = login.to_ascii_lowercase();
    let parts = login.split(|character: char| !character.is_alphanumeric()).filter(|part| part.len() >= 3);
    let named = parts.chain((login.len() >= 3).then_some(login.as_str())).any(|part| lower.expose().contains(part));
    // A leading dash would be an option to a command.
    (every_class && !named && value.first() != Some(&b'-')).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn source(seed: u64) -> impl FnMut() -> u8 {
        let mut state = seed | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        }
    }

    proptest! {
        #[test]
        fn values_have_the_length_and_every_class(seed: u64, length in 16_u32..=128) {
            let value = generate(PasswordRules::AzureSql, length, "admin.user", source(seed)).unwrap();
            let text = value.expose();
            prop_assert_eq!(text.len(), length as usize);
            for class in [LOWER, UPPER, DIGITS, SYMBOLS] {
                prop_assert!(text.bytes().any(|byte| class.contains(&byte)));
            }
            prop_assert!(!text.to_lowercase().contains("admin") && !text.starts_with('-'));
            let value = generate(PasswordRules::Alphanumeric, length, "", source(seed)).unwrap();
            prop_assert!(value.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn a_source_that_is_not_random_makes_no_value_and_no_endless_loop() {
        assert_eq!(generate(PasswordRules::AzureSql, 16, "", || 255).unwrap_err(), PasswordError::Source);
        assert_eq!(generate(PasswordRules::AzureSql, 16, "", || 0).unwrap_err(), PasswordError::Source);
        assert_eq!(generate(PasswordRules::AzureSql, 8, "", || 0).unwrap_err(), PasswordError::Length(8));
    }

    #[test]
    fn values_differ_and_use_the_whole_alphabet() {
        let mut seen = std::collections::BTreeSet::new();
        let mut random = source(7);
        for _ in 0..200 {
            seen.extend(generate(PasswordRules::AzureSql, 64, "", &mut random).unwrap().expose().bytes());
        }
        assert_eq!(seen.len(), 67);
    }
}
