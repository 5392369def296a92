//! Generated Secrets: what to make in, the body of a write out. Values are made here, go to the API server and nowhere
//! else: nothing in this file is logged, returned or kept.

use super::kubernetes::Failure;
use crate::entropy::Entropy;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{
    decision::{ComposedValue, RandomValue},
    password,
    redact::Redacted,
    template,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Suffix of the key that keeps the value from before the last rotation.
const PREVIOUS: &str = ".previous";

/// A whole Secret with new values.
pub(super) fn create(
    object: &Value,
    plain: &[(String, String)],
    random: &[RandomValue],
    composed: &[ComposedValue],
    entropy: &Entropy,
) -> Result<Value, Failure> {
    let mut data = Map::new();
    fill(&mut data, plain, random, entropy)?;
    compose(&mut data, composed, None)?;
    Ok(with_data(object, data))
}

/// What is set in a Secret that exists.
pub(super) struct New<'a> {
    pub plain: &'a [(String, String)],
    /// Keys that are missing.
    pub random: &'a [RandomValue],
    /// Keys whose value is replaced.
    pub rotate: &'a [RandomValue],
    pub composed: &'a [ComposedValue],
}

/// A merge patch that adds and rotates values; what it does not name stays. `stored` is the live Secret, needed where
/// something is rotated or composed.
pub(super) fn change(
    object: &Value,
    new: New<'_>,
    stored: Option<&Value>,
    entropy: &Entropy,
) -> Result<Value, Failure> {
    let New { plain, random, rotate, composed } = new;
    let stored = stored.and_then(|secret| secret.get("data"));
    let mut data = Map::new();
    for value in rotate {
        // The encoded form moves as it is.
        if let Some(old) = stored.and_then(|data| data.get(&value.key)) {
            data.insert(format!("{}{PREVIOUS}", value.key), old.clone());
        }
    }
    fill(&mut data, plain, random, entropy)?;
    fill(&mut data, &[], rotate, entropy)?;
    compose(&mut data, composed, stored)?;
    Ok(with_data(object, data))
}

fn fill(
    data: &mut Map<String, Value>,
    plain: &[(String, String)],
    random: &[RandomValue],
    entropy: &Entropy,
) -> Result<(), Failure> {
    for (key, value) in plain {
        data.insert(key.clone(), STANDARD.encode(value).into());
    }
    for value in random {
        data.insert(value.key.clone(), STANDARD.encode(make(value, entropy)?.expose()).into());
    }
    Ok(())
}

/// Puts values together from those that are new, and else from those that are stored.
fn compose(data: &mut Map<String, Value>, composed: &[ComposedValue], stored: Option<&Value>) -> Result<(), Failure> {
    for ComposedValue { key, template } in composed {
        let wrong = |why: &str| Failure::Rejected(format!("key {key}: {why}"));
        let mut values = BTreeMap::new();
        for part in template::keys(template).map_err(|error| wrong(&error.to_string()))? {
            let encoded = data.get(part).or_else(|| stored.and_then(|stored| stored.get(part)));
            if let Some(decoded) = encoded.and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok()) {
                let text = String::from_utf8(decoded).map_err(|_| wrong(&format!("the value of {part} is no text")))?;
                values.insert(part, Redacted::new(text));
            }
        }
        let value = template::fill(template, |part| values.get(part).map(|value| value.expose().as_str()));
        let value = value.map_err(|error| wrong(&error.to_string()))?;
        data.insert(key.clone(), STANDARD.encode(value.expose()).into());
    }
    Ok(())
}

fn with_data(object: &Value, data: Map<String, Value>) -> Value {
    let mut body = object.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("data".into(), Value::Object(data));
    }
    body
}

/// One random value.
fn make(value: &RandomValue, entropy: &Entropy) -> Result<Redacted<String>, Failure> {
    let random = || {
        let mut byte = [0];
        entropy.fill(&mut byte);
        byte[0]
    };
    password::generate(value.rules, value.length, &value.avoid, random)
        .map_err(|error| Failure::Rejected(format!("key {}: {error}", value.key)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::decision::PasswordRules;
    use serde_json::json;

    fn random(key: &str, length: u32, rules: PasswordRules) -> RandomValue {
        RandomValue { key: key.into(), length, rules, avoid: String::new() }
    }

    fn decoded(body: &Value, key: &str) -> String {
        let encoded = body.get("data").and_then(|data| data.get(key)).and_then(Value::as_str).unwrap();
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    #[test]
    fn values_have_the_length_and_the_classes_that_are_asked_for() {
        let entropy = Entropy::seeded(1);
        for _ in 0..200 {
            let body = create(
                &json!({"kind": "Secret"}),
                &[("user".into(), "root".into())],
                &[random("a", 16, PasswordRules::Alphanumeric), random("b", 32, PasswordRules::AzureSql)],
                &[],
                &entropy,
            )
            .unwrap();
            assert_eq!(decoded(&body, "user"), "root");
            assert!(decoded(&body, "a").len() == 16 && decoded(&body, "a").chars().all(|c| c.is_ascii_alphanumeric()));
            assert!(decoded(&body, "b").len() == 32 && decoded(&body, "b").chars().any(|c| !c.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn no_value_is_made_twice() {
        let entropy = Entropy::seeded(2);
        let made: std::collections::BTreeSet<String> = (0..1000)
            .map(|_| make(&random("a", 16, PasswordRules::Alphanumeric), &entropy).unwrap().expose().clone())
            .collect();
        assert_eq!(made.len(), 1000);
    }

    #[test]
    fn a_rotation_keeps_the_value_from_before_and_touches_nothing_else() {
        let stored = json!({"data": {"password": "b2xk", "other": "eA=="}});
        let rotate = [random("password", 20, PasswordRules::Alphanumeric)];
        let new = New { plain: &[], random: &[], rotate: &rotate, composed: &[] };
        let patch = change(&json!({}), new, Some(&stored), &Entropy::seeded(3)).unwrap();
        assert_eq!(decoded(&patch, "password.previous"), "old");
        assert_eq!(decoded(&patch, "password").len(), 20);
        assert!(patch["data"].get("other").is_none());
    }

    #[test]
    fn a_composed_value_follows_the_values_that_it_is_made_of() {
        let dsn = [ComposedValue { key: "dsn".into(), template: "{user}:{password:url}@db".into() }];
        let made = [random("password", 24, PasswordRules::AzureSql)];
        let user = [("user".to_owned(), "ada".to_owned())];
        let body = create(&json!({}), &user, &made, &dsn, &Entropy::seeded(5)).unwrap();
        let password = |body: &Value| decoded(body, "password").replace('+', "%2B");
        assert_eq!(decoded(&body, "dsn"), format!("ada:{}@db", password(&body)));
        // Rotated: the user is only in what is stored.
        let new = New { plain: &[], random: &[], rotate: &made, composed: &dsn };
        let patch = change(&json!({}), new, Some(&body), &Entropy::seeded(6)).unwrap();
        assert_ne!(password(&patch), password(&body));
        assert_eq!(decoded(&patch, "dsn"), format!("ada:{}@db", password(&patch)));
        assert!(patch["data"].get("user").is_none());
    }

    #[test]
    fn a_password_has_no_part_of_the_login_in_it() {
        let entropy = Entropy::seeded(7);
        for _ in 0..2000 {
            let value = RandomValue { avoid: "abc".into(), ..random("a", 16, PasswordRules::Alphanumeric) };
            assert!(!make(&value, &entropy).unwrap().expose().to_lowercase().contains("abc"));
        }
    }

    #[test]
    fn a_length_out_of_range_is_refused() {
        assert!(make(&random("a", 4, PasswordRules::Alphanumeric), &Entropy::seeded(4)).is_err());
    }
}
