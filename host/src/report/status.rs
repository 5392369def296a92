//! The status of a resource: the one that is there, what the plugin says and what the host says in, the new one out.
//! Pure. Equal inputs but for the time give equal outputs, so that nothing is written when nothing changed (E6).

use crate::clock::rfc3339;
use model::{Condition, Decision, snapshot::Instant, text};
use serde_json::{Map, Value, json};

/// The condition of the host itself: whether the resource is as its plugin wants it.
pub const RECONCILED: &str = "Reconciled";
/// The host tears a resource down by its inventory, because its plugin cannot be asked.
pub const TEARDOWN_BY_INVENTORY: &str = "TeardownByInventory";
/// Conditions that are the host's: a plugin's of these names are left out.
const HOST: [&str; 2] = [RECONCILED, TEARDOWN_BY_INVENTORY];
/// How many conditions a plugin may have.
const MOST_CONDITIONS: usize = 32;

/// The new status. Without a decision, everything that the plugin said last stays as it is.
pub fn compose(
    before: &Value,
    decision: Option<&Decision>,
    host: &[Condition],
    generation: i64,
    now: Instant,
) -> Value {
    let mut status = match decision.map(|decision| &decision.status) {
        Some(Value::Object(status)) => without_nulls(status),
        Some(_) => Map::new(),
        None => before.as_object().cloned().unwrap_or_default(),
    };
    let old = before.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut conditions: Vec<Value> = match decision {
        Some(decision) => decision
            .conditions
            .iter()
            .filter(|condition| !HOST.contains(&condition.type_.as_str()))
            .take(MOST_CONDITIONS)
            .map(|condition| dated(condition, &old, generation, now))
            .collect(),
        None => old.iter().filter(|condition| !HOST.iter().any(|host| is(condition, host))).cloned().collect(),
    };
    conditions.extend(host.iter().map(|condition| dated(condition, &old, generation, now)));
    // In the order of their first appearance, so that a plugin that sorts otherwise causes no write.
    conditions.sort_by_key(|condition| {
        let type_ = condition.get("type").and_then(Value::as_str).unwrap_or_default();
        old.iter().position(|old| is(old, type_)).unwrap_or(usize::MAX)
    });
    status.insert("conditions".into(), Value::Array(conditions));
    // What a generation stands for was looked at even when it was found wrong; the conditions say what came of it.
    status.insert("observedGeneration".into(), json!(generation));
    Value::Object(status)
}

/// A condition with its times: the time of the last transition stays until the status changes.
fn dated(condition: &Condition, old: &[Value], generation: i64, now: Instant) -> Value {
    let Condition { type_, status, reason, message } = condition;
    let before = old.iter().find(|old| is(old, type_));
    let same = before.filter(|old| old.get("status").and_then(Value::as_str) == Some(status.as_str()));
    let since = same.and_then(|old| old.get("lastTransitionTime")).and_then(Value::as_str);
    json!({
        "type": text::bounded(type_, 316),
        "status": status.as_str(),
        "reason": reason_word(reason),
        "message": text::bounded(message, 4096),
        "observedGeneration": generation,
        "lastTransitionTime": since.map_or_else(|| rfc3339(now), str::to_owned),
    })
}

/// `metav1.Condition` demands `^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$` and at most 1024 bytes.
fn reason_word(reason: &str) -> String {
    let word: String = reason.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(128).collect();
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { format!("Reason{word}") }
}

/// The API server drops nulls, so a status with one would differ for ever.
fn without_nulls(status: &Map<String, Value>) -> Map<String, Value> {
    let cleaned = |value: &Value| match value {
        Value::Object(map) => Value::Object(without_nulls(map)),
        other => other.clone(),
    };
    status.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), cleaned(value))).collect()
}

fn is(condition: &Value, type_: &str) -> bool {
    condition.get("type").and_then(Value::as_str) == Some(type_)
}

/// Since when a condition of a status holds, as RFC 3339; none while it does not.
pub fn holds_since<'a>(status: &'a Value, type_: &str) -> Option<&'a str> {
    let condition = status.get("conditions")?.as_array()?.iter().find(|condition| is(condition, type_))?;
    let holds = condition.get("status").and_then(Value::as_str) == Some("True");
    condition.get("lastTransitionTime").and_then(Value::as_str).filter(|_| holds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::Truth;

    fn condition(type_: &str, status: Truth) -> Condition {
        Condition { type_: type_.into(), status, reason: "Because".into(), message: "so".into() }
    }

    fn decision(conditions: Vec<Condition>) -> Decision {
        Decision { status: json!({"primary": "a-0", "none": null}), conditions, ..Decision::default() }
    }

    #[test]
    fn the_time_of_a_transition_moves_only_when_the_status_changes() {
        let host = [condition(RECONCILED, Truth::Yes)];
        let first = compose(&Value::Null, Some(&decision(vec![condition("Ready", Truth::No)])), &host, 1, 1_000);
        let second = compose(&first, Some(&decision(vec![condition("Ready", Truth::No)])), &host, 1, 900_000);
        assert_eq!(first, second);
        let third = compose(&second, Some(&decision(vec![condition("Ready", Truth::Yes)])), &host, 1, 900_000);
        assert_eq!(third.pointer("/conditions/0/lastTransitionTime").unwrap(), "1970-01-01T00:15:00Z");
        assert_eq!(third.pointer("/conditions/1/lastTransitionTime").unwrap(), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn without_a_decision_what_the_plugin_said_stays() {
        let host = [condition(RECONCILED, Truth::Yes)];
        let before = compose(&Value::Null, Some(&decision(vec![condition("Ready", Truth::Yes)])), &host, 1, 0);
        let after = compose(&before, None, &[condition(RECONCILED, Truth::No)], 2, 1_000);
        assert_eq!(after["primary"], "a-0");
        assert_eq!(after["observedGeneration"], 2);
        assert_eq!(after["conditions"].as_array().unwrap().len(), 2);
        assert_eq!(after.pointer("/conditions/0"), before.pointer("/conditions/0"));
        assert_eq!(after.pointer("/conditions/1/status").unwrap(), "False");
    }

    #[test]
    fn a_plugin_cannot_speak_for_the_host_and_nulls_are_dropped() {
        let status = compose(&Value::Null, Some(&decision(vec![condition(RECONCILED, Truth::Yes)])), &[], 1, 0);
        assert_eq!(status["conditions"], json!([]));
        assert!(status.get("none").is_none());
    }

    #[test]
    fn reasons_are_words_that_the_api_server_takes() {
        assert_eq!(reason_word("Pod Failed!"), "PodFailed");
        assert_eq!(reason_word("404"), "Reason404");
    }
}
