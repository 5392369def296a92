//! Generated Secrets: what to make in, the body of a write out. Values are made here, go to the API server and nowhere
//! else: nothing in this file is logged, returned or kept.

use super::kubernetes::Failure;
use crate::entropy::Entropy;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{decision::RandomValue, password, redact::Redacted};
use serde_json::{Map, Value};

/// Suffix of the key that keeps the value from before the last rotation.
const PREVIOUS: &str = ".previous";

/// A whole Secret with new values.
pub(super) fn create(
    object: &Value,
    plain: &[(String, String)],
    random: &[RandomValue],
    entropy: &Entropy,
) -> Result<Value, Failure> {
    let mut data = Map::new();
    fill(&mut data, plain, random, entropy)?;
    Ok(with_data(object, data))
}

/// A merge patch that adds and rotates values; what it does not name stays. `stored` is the live Secret, needed where
/// something is rotated.
pub(super) fn change(
    object: &Value,
    plain: &[(String, String)],
    random: &[RandomValue],
    rotate: &[RandomValue],
    stored: Option<&Value>,
    entropy: &Entropy,
) -> Result<Value, Failure> {
    let mut data = Map::new();
    for value in rotate {
        // The encoded form moves as it is.
        if let Some(old) = stored.and_then(|secret| secret.get("data")).and_then(|data| data.get(&value.key)) {
            data.insert(format!("{}{PREVIOUS}", value.key), old.clone());
        }
    }
    fill(&mut data, plain, random, entropy)?;
    fill(&mut data, &[], rotate, entropy)?;
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
    // The contract has no login name beside a value, so that none can be avoided.
    password::generate(value.rules, value.length, "", random)
        .map_err(|error| Failure::Rejected(format!("key {}: {error}", value.key)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::decision::PasswordRules;
    use serde_json::json;

    fn random(key: &str, length: u32, rules: PasswordRules) -> RandomValue {
        RandomValue { key: key.into(), length, rules }
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
        let patch = change(&json!({}), &[], &[], &rotate, Some(&stored), &Entropy::seeded(3)).unwrap();
        assert_eq!(decoded(&patch, "password.previous"), "old");
        assert_eq!(decoded(&patch, "password").len(), 20);
        assert!(patch["data"].get("other").is_none());
    }

    #[test]
    fn a_length_out_of_range_is_refused() {
        assert!(make(&random("a", 4, PasswordRules::Alphanumeric), &Entropy::seeded(4)).is_err());
    }
}
