//! Label selectors in their text form (`app in (a,b),!x,tier=db`) and as objects (`matchLabels`, `matchExpressions`).

use serde_json::{Map, Value};

/// One condition on labels.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

/// All conditions must hold; none selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
    Comma,
    Not,
    Equal,
    NotEqual,
    Greater,
    Less,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match c {
            ' ' | '\t' | '\n' | '\r' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '>' => Token::Greater,
            '<' => Token::Less,
            '=' => {
                chars.next_if_eq(&'=');
                Token::Equal
            }
            '!' => {
                if chars.next_if_eq(&'=').is_some() {
                    Token::NotEqual
                } else {
                    Token::Not
                }
            }
            first => {
                let mut word = String::from(first);
                while let Some(c) = chars.next_if(|c| !" \t\n\r(),=!<>".contains(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        out.push(token);
    }
    Ok(out)
}

impl Selector {
    /// Read the text form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut at = 0;
        let mut requirements = Vec::new();
        while at < tokens.len() {
            requirements.push(requirement(&tokens, &mut at)?);
            match tokens.get(at) {
                None => break,
                Some(Token::Comma) => at += 1,
                Some(other) => return Err(format!("found '{}', expected: ',' or 'end of string'", shown(other))),
            }
            if at == tokens.len() {
                return Err("found '', expected: identifier after ','".to_owned());
            }
        }
        Ok(Self(requirements))
    }

    /// Read the object form. An absent selector selects nothing, an empty one everything.
    pub(crate) fn from_object(selector: Option<&Value>) -> Option<Self> {
        let selector = selector?.as_object()?;
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
            for (key, value) in labels {
                requirements.push(Requirement::In(key.clone(), vec![value.as_str()?.to_owned()]));
            }
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let key = expression.get("key")?.as_str()?.to_owned();
            let values = || -> Option<Vec<String>> {
                expression.get("values")?.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
            };
            requirements.push(match expression.get("operator")?.as_str()? {
                "In" => Requirement::In(key, values()?),
                "NotIn" => Requirement::NotIn(key, values()?),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => return None,
            });
        }
        Some(Self(requirements))
    }

    /// The text form, as the scale subresource shows it.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|r| match r {
                Requirement::In(key, values) if values.len() == 1 => format!("{key}={}", values[0]),
                Requirement::In(key, values) => format!("{key} in ({})", values.join(",")),
                Requirement::NotIn(key, values) => format!("{key} notin ({})", values.join(",")),
                Requirement::Exists(key) => key.clone(),
                Requirement::Absent(key) => format!("!{key}"),
                Requirement::Greater(key, n) => format!("{key}>{n}"),
                Requirement::Less(key, n) => format!("{key}<{n}"),
            })
            .collect();
        parts.join(",")
    }

    /// Whether it selects everything.
    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object's labels satisfy it.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let empty = Map::new();
        let labels = object.get("metadata").and_then(|m| m.get("labels")).and_then(Value::as_object).unwrap_or(&empty);
        let value = |key: &str| labels.get(key).and_then(Value::as_str);
        let number = |key: &str| value(key).and_then(|v| v.parse::<i64>().ok());
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => value(key).is_some_and(|v| values.iter().any(|x| x == v)),
            Requirement::NotIn(key, values) => value(key).is_none_or(|v| values.iter().all(|x| x != v)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
            Requirement::Greater(key, bound) => number(key).is_some_and(|n| n > *bound),
            Requirement::Less(key, bound) => number(key).is_some_and(|n| n < *bound),
        })
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Open => "(".to_owned(),
        Token::Close => ")".to_owned(),
        Token::Comma => ",".to_owned(),
        Token::Not => "!".to_owned(),
        Token::Equal => "=".to_owned(),
        Token::NotEqual => "!=".to_owned(),
        Token::Greater => ">".to_owned(),
        Token::Less => "<".to_owned(),
    }
}

fn key(tokens: &[Token], at: &mut usize) -> Result<String, String> {
    match tokens.get(*at) {
        Some(Token::Word(word)) => {
            *at += 1;
            let errors = crate::resource::names::qualified(word);
            match errors.first() {
                None => Ok(word.clone()),
                Some(error) => Err(format!("key: Invalid value: \"{word}\": {error}")),
            }
        }
        other => Err(format!("found '{}', expected: identifier", other.map_or_else(String::new, shown))),
    }
}

/// The value after `=`: nothing is the empty value.
fn value(tokens: &[Token], at: &mut usize) -> Result<String, String> {
    let Some(Token::Word(word)) = tokens.get(*at) else {
        return Ok(String::new());
    };
    *at += 1;
    match crate::resource::names::label_value(word).first() {
        None => Ok(word.clone()),
        Some(error) => Err(format!("values[0][key]: Invalid value: \"{word}\": {error}")),
    }
}

fn values(tokens: &[Token], at: &mut usize) -> Result<Vec<String>, String> {
    if tokens.get(*at) != Some(&Token::Open) {
        return Err(format!("found '{}', expected: '('", tokens.get(*at).map_or_else(String::new, shown)));
    }
    *at += 1;
    let mut out = Vec::new();
    loop {
        out.push(value(tokens, at)?);
        match tokens.get(*at) {
            Some(Token::Comma) => *at += 1,
            Some(Token::Close) => {
                *at += 1;
                out.sort();
                return Ok(out);
            }
            other => return Err(format!("found '{}', expected: ',' or ')'", other.map_or_else(String::new, shown))),
        }
    }
}

fn requirement(tokens: &[Token], at: &mut usize) -> Result<Requirement, String> {
    if tokens.get(*at) == Some(&Token::Not) {
        *at += 1;
        return key(tokens, at).map(Requirement::Absent);
    }
    let key = key(tokens, at)?;
    let bound = |tokens: &[Token], at: &mut usize| -> Result<i64, String> {
        let text = value(tokens, at)?;
        text.parse().map_err(|_| {
            format!("values[0]: Invalid value: \"{text}\": for 'Gt', 'Lt' operators, the value must be an integer")
        })
    };
    match tokens.get(*at).cloned() {
        None | Some(Token::Comma) => Ok(Requirement::Exists(key)),
        Some(operator) => {
            *at += 1;
            match operator {
                Token::Equal => Ok(Requirement::In(key, vec![value(tokens, at)?])),
                Token::NotEqual => Ok(Requirement::NotIn(key, vec![value(tokens, at)?])),
                Token::Greater => Ok(Requirement::Greater(key, bound(tokens, at)?)),
                Token::Less => Ok(Requirement::Less(key, bound(tokens, at)?)),
                Token::Word(word) if word == "in" => Ok(Requirement::In(key, values(tokens, at)?)),
                Token::Word(word) if word == "notin" => Ok(Requirement::NotIn(key, values(tokens, at)?)),
                other => Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", shown(&other))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn selects(selector: &str, labels: Value) -> bool {
        Selector::parse(selector).unwrap().matches(&json!({ "metadata": { "labels": labels } }))
    }

    #[test]
    fn every_operator_of_the_text_form_selects() {
        assert!(selects("app in (x,z),tier", json!({"app": "x", "tier": "db"})));
        assert!(!selects("app in (x,z),tier", json!({"app": "x"})));
        assert!(selects("!tier", json!({"app": "x"})));
        assert!(selects("app notin (y)", json!({})));
        assert!(selects("app!=y,app==x", json!({"app": "x"})));
        assert!(selects("n>3,n<5", json!({"n": "4"})));
        assert!(selects("a=", json!({"a": ""})));
        assert!(selects("", json!({})));
    }

    #[test]
    fn a_broken_selector_is_an_error() {
        for text in ["a b c", "a in x", "a in (x", ",", "a,", "=x", "a!b"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_object_selector_selects_like_its_text() {
        let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]});
        assert_eq!(Selector::from_object(Some(&selector)).unwrap().text(), "a=b,c");
        assert!(Selector::from_object(None).is_none());
    }
}
