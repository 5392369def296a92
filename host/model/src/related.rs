//! Label selectors of queries for related objects. In: a selector as kubectl takes it, and an object's labels. Out:
//! whether it matches.

use crate::names::syntax;
use crate::text::bounded;
use std::collections::{BTreeMap, BTreeSet};

/// A label selector: all of its requirements hold. Without any it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Greater(String, i64),
    Less(String, i64),
}

/// Why a text is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("label selector {selector:?} is not understood: {why}; write it as for kubectl: `app=db,tier in (a,b),!old`")]
pub struct SelectorError {
    selector: String,
    why: String,
}

/// Longer selectors are refused; none that a person writes comes near.
const MOST_BYTES: usize = 4096;

impl Selector {
    /// Reads a selector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<1`, joined by commas.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let error = |why: String| SelectorError { selector: bounded(text, 200), why };
        if text.len() > MOST_BYTES {
            return Err(error(format!("it has {} bytes, at most {MOST_BYTES} are taken", text.len())));
        }
        if text.trim().is_empty() {
            return Ok(Selector::default());
        }
        let parts = split(text).map_err(error)?;
        parts.iter().map(|part| requirement(part.trim())).collect::<Result<_, _>>().map(Selector).map_err(error)
    }

    /// Whether labels satisfy it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
            Requirement::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Requirement::Greater(key, limit) => number(labels, key).is_some_and(|value| value > *limit),
            Requirement::Less(key, limit) => number(labels, key).is_some_and(|value| value < *limit),
        })
    }
}

fn number(labels: &BTreeMap<String, String>, key: &str) -> Option<i64> {
    labels.get(key)?.parse().ok()
}

/// At the commas that are not in parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (at, character) in text.char_indices() {
        match character {
            '(' if inside => return Err("a parenthesis in a parenthesis".into()),
            '(' => inside = true,
            ')' if !inside => return Err("a closing parenthesis without an opening one".into()),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("an opening parenthesis without a closing one".into());
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(set) = part.strip_suffix(')') {
        let (head, values) = set.split_once('(').ok_or("a parenthesis that nothing opens")?;
        let mut words = head.split_whitespace();
        let (Some(name), Some(operator), None) = (words.next(), words.next(), words.next()) else {
            return Err(format!("{:?} needs a key and `in` or `notin`", head.trim()));
        };
        let values = values.split(',').map(|one| value(one.trim())).collect::<Result<BTreeSet<String>, String>>()?;
        return match operator {
            "in" => Ok(Requirement::In(key(name)?, values)),
            "notin" => Ok(Requirement::NotIn(key(name)?, values)),
            other => Err(format!("{other:?} is neither `in` nor `notin`")),
        };
    }
    if let Some(rest) = part.strip_prefix('!')
        && !rest.starts_with('=')
    {
        return Ok(Requirement::Absent(key(rest)?));
    }
    let single = |text: &str| Ok::<_, String>(BTreeSet::from([value(text.trim())?]));
    if let Some((name, text)) = part.split_once("!=") {
        Ok(Requirement::NotIn(key(name)?, single(text)?))
    } else if let Some((name, text)) = part.split_once("==").or_else(|| part.split_once('=')) {
        Ok(Requirement::In(key(name)?, single(text)?))
    } else if let Some((name, text)) = part.split_once('>') {
        Ok(Requirement::Greater(key(name)?, limit(text)?))
    } else if let Some((name, text)) = part.split_once('<') {
        Ok(Requirement::Less(key(name)?, limit(text)?))
    } else {
        Ok(Requirement::Exists(key(part)?))
    }
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    syntax::qualified_name(text).map_err(|why| format!("the key {text:?} {why}"))?;
    Ok(text.to_owned())
}

fn value(text: &str) -> Result<String, String> {
    syntax::label_value(text).map_err(|why| format!("the value {text:?} {why}"))?;
    Ok(text.to_owned())
}

fn limit(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("{:?} is no whole number", text.trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn labels() -> BTreeMap<String, String> {
        [("app", "db"), ("tier", "a"), ("n", "5"), ("empty", "")].map(|(key, value)| (key.into(), value.into())).into()
    }

    #[test]
    fn selectors_match_as_kubectl_has_them() {
        for (selector, expected) in [
            ("", true),
            ("app=db", true),
            ("app==db,tier in (a, b)", true),
            ("app = web", false),
            ("app!=db", false),
            ("missing!=x", true),
            ("tier notin (b,c),!missing", true),
            ("missing notin (b)", true),
            ("!app", false),
            ("app,n>4,n<6", true),
            ("n>5", false),
            ("app>1", false),
            ("empty=", true),
            ("empty in ()", true),
            ("example.com/x!=y", true),
        ] {
            assert_eq!(Selector::parse(selector).unwrap().matches(&labels()), expected, "{selector}");
        }
        for wrong in ["=", "a in b", "a in (b", "a)", "a in ((b))", "a=b,,c", "a is (b)", "a>x", "A B", "a=b c", "é"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}", like in "[a-c=!<>(), innot]{0,30}") {
            let _ = Selector::parse(&text).map(|selector| selector.matches(&labels()));
            let _ = Selector::parse(&like).map(|selector| selector.matches(&labels()));
        }
    }
}
