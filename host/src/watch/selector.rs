//! Label selectors as kubectl takes them come in as text, requirements that can be matched go out.

use kube::core::{Expression, Selector};
use std::collections::BTreeSet;

/// Why a text is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("label selector {selector:?} is not valid at {at:?}; write it as `app=db,tier in (a,b),!legacy`")]
pub struct SelectorError {
    selector: String,
    at: String,
}

/// Parses `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas. Empty selects everything.
///
/// # Errors
/// When the text is none of these.
pub fn parse(selector: &str) -> Result<Selector, SelectorError> {
    let mut parsed = Selector::default();
    if selector.trim().is_empty() {
        return Ok(parsed);
    }
    for part in split(selector) {
        let error = || SelectorError { selector: selector.to_owned(), at: part.to_owned() };
        parsed.extend(requirement(part).ok_or_else(error)?);
    }
    Ok(parsed)
}

/// Splits at commas outside of parentheses.
fn split(selector: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, character) in selector.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&selector[start..]);
    parts
}

fn requirement(part: &str) -> Option<Expression> {
    let part = part.trim();
    if let Some(key) = part.strip_prefix('!') {
        return Some(Expression::DoesNotExist(name(key)?));
    }
    if let Some((left, values)) = part.split_once('(') {
        let values: BTreeSet<String> =
            values.trim_end().strip_suffix(')')?.split(',').map(value).collect::<Option<_>>()?;
        let (key, operator) = left.trim_end().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => Some(Expression::In(name(key)?, values)),
            "notin" => Some(Expression::NotIn(name(key)?, values)),
            _ => None,
        };
    }
    if let Some((key, wanted)) = part.split_once("!=") {
        return Some(Expression::NotEqual(name(key)?, value(wanted)?));
    }
    if let Some((key, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Expression::Equal(name(key)?, value(wanted)?));
    }
    Some(Expression::Exists(name(part)?))
}

fn is_label_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let valid = !text.is_empty() && text.chars().all(|character| is_label_character(character) || character == '/');
    valid.then(|| text.to_owned())
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    text.chars().all(is_label_character).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use kube::core::SelectorExt as _;
    use std::collections::BTreeMap;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<_, _> = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn a_selector_matches_as_kubectl_would() {
        let labels = [("app", "db"), ("tier", "a")];
        for selector in ["", "app", "app=db", "app==db", "app!=web", "tier in (a, b),app=db", "tier notin (c)", "!x"] {
            assert!(matches(selector, &labels), "{selector}");
        }
        for selector in ["x", "app=web", "app!=db", "tier in (b,c)", "tier notin (a)", "!app", "app=db,tier=b"] {
            assert!(!matches(selector, &labels), "{selector}");
        }
        assert!(matches("x!=y,z notin (q)", &labels), "a label that is absent is not equal to anything");
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_part_that_is_wrong() {
        for (selector, at) in [("a=b,,c", ""), ("a in b", "a in b"), ("a in (b", "a in (b"), ("a=b c", "a=b c")] {
            assert_eq!(parse(selector).unwrap_err().at, at, "{selector}");
        }
    }
}
