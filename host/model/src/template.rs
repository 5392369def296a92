//! Values of a Secret that are put together from others of it. In: a template and the other values. Out: the value, which
//! is as secret as they are, or what is wrong with the template.
//!
//! `{KEY}` is the value of a key, `{KEY:url}` the same percent-encoded, `{{` and `}}` are braces.

use crate::redact::Redacted;

/// What is wrong with a template. Nothing of a value is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its pair.
    #[error("a single brace at byte {0}: braces that are meant as such are doubled")]
    Brace(usize),
    /// An encoding that does not exist.
    #[error("the encoding {0:?} is unknown: the only one is url")]
    Encoding(String),
    /// A key that the Secret does not have.
    #[error("there is no value for key {0:?} in the Secret")]
    Missing(String),
}

/// One part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Value { key: &'a str, url: bool },
}

/// Fills a template. `value` gives the value of a key.
pub fn fill<'v>(template: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<Redacted<String>, TemplateError> {
    let parts = parts(template)?;
    let mut filled = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(text) => filled.push(text.to_owned()),
            Part::Value { key, url } => {
                let value = value(key).ok_or_else(|| TemplateError::Missing(key.to_owned()))?;
                filled.push(if url { percent_encoded(value) } else { value.to_owned() });
            }
        }
    }
    Ok(Redacted::new(filled.concat()))
}

/// The keys that a template names, each as often as it does.
pub fn keys(template: &str) -> Result<Vec<&str>, TemplateError> {
    let keys = parts(template)?.into_iter().filter_map(|part| match part {
        Part::Value { key, .. } => Some(key),
        Part::Text(_) => None,
    });
    Ok(keys.collect())
}

fn parts(template: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let position = template.len() - rest.len() + at;
        let (before, from) = rest.split_at(at);
        parts.push(Part::Text(before));
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            parts.push(Part::Text(&from[..1]));
            rest = after;
            continue;
        }
        let inner = from.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = inner.filter(|(name, _)| !name.contains('{')) else {
            return Err(TemplateError::Brace(position));
        };
        parts.push(match name.split_once(':') {
            None => Part::Value { key: name, url: false },
            Some((key, "url")) => Part::Value { key, url: true },
            Some((_, encoding)) => return Err(TemplateError::Encoding(encoding.to_owned())),
        });
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// All but what RFC 3986 calls unreserved.
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn filled(template: &str) -> Result<String, TemplateError> {
        let value = |key: &str| match key {
            "user" => Some("ada"),
            "password" => Some("p+ß/{x}"),
            _ => None,
        };
        fill(template, value).map(|value| value.expose().clone())
    }

    #[test]
    fn keys_become_values_plain_or_percent_encoded() {
        assert_eq!(filled("{user}:{password:url}@db").unwrap(), "ada:p%2B%C3%9F%2F%7Bx%7D@db");
        assert_eq!(filled("Password={password};").unwrap(), "Password=p+ß/{x};");
        assert_eq!(filled("{{{user}}}").unwrap(), "{ada}");
        assert_eq!(filled("").unwrap(), "");
        assert_eq!(keys("{a}{{b}}{c:url}").unwrap(), ["a", "c"]);
    }

    #[test]
    fn what_is_no_template_is_said_with_its_place() {
        assert_eq!(filled("ab{user").unwrap_err(), TemplateError::Brace(2));
        assert_eq!(filled("ab}").unwrap_err(), TemplateError::Brace(2));
        assert_eq!(filled("{us{er}").unwrap_err(), TemplateError::Brace(0));
        assert_eq!(filled("{user:rot13}").unwrap_err(), TemplateError::Encoding("rot13".into()));
        assert_eq!(filled("{nobody}").unwrap_err(), TemplateError::Missing("nobody".into()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_loudly(template in "[{}a-z:ß]{0,40}") {
            let _ = filled(&template);
        }

        #[test]
        fn doubled_braces_are_the_text_itself(text in "[{}a-z]{0,40}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(filled(&doubled).unwrap(), text);
        }
    }
}
