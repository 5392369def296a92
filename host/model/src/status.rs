//! The status of a resource. In: what the plugin says, what the pass ended with, the status as it is, and the time. Out:
//! the status to write, or nothing where it would be the same.
//!
//! The host owns the conditions `Reconciled`, `Paused`, `Blocked` and `TeardownByInventory`, and `Ready` where the plugin
//! gives none. A pass without a decision changes only the host's part: what the plugin last said stays.

use crate::decision::{Condition, Decision, Truth};
use crate::digest::Digest;
use crate::outcome::Outcome;
use crate::text::bounded;
use serde_json::{Map, Value, json};

/// Everything was brought to what is desired.
pub const RECONCILED: &str = "Reconciled";
/// A user paused the resource; present only while that is so.
pub const PAUSED: &str = "Paused";
/// A guard holds something back; present only while that is so.
pub const BLOCKED: &str = "Blocked";
/// The host tears a resource down by its inventory because its plugin cannot be asked; present only while that is so.
pub const TEARDOWN_BY_INVENTORY: &str = "TeardownByInventory";
/// The summary that `kubectl wait` looks at.
pub const READY: &str = "Ready";

/// Most conditions of a plugin that are shown.
pub const MOST_CONDITIONS: usize = 32;
const MESSAGE_BYTES: usize = 4096;

/// What this process knows of its own last successful write of the status. With it, a server that stores something else
/// than it was sent (an unknown field is dropped, a number written otherwise) costs one write and not one each pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusWrite {
    /// [`Status::digest`] of what was sent.
    pub sent: Digest,
    /// Digest of the status in the server's answer.
    pub answer: Digest,
}

impl StatusWrite {
    /// The record of a write that the server answered with this status.
    pub fn new(sent: &Status, answer: &Value) -> Self {
        StatusWrite { sent: sent.digest, answer: Digest::of(answer) }
    }
}

/// What a pass has to say in the status.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// By the plugin, where it was asked and answered.
    pub decision: Option<&'a Decision>,
    /// By the host.
    pub outcome: &'a Outcome,
    /// Why the teardown goes on, or soon will, without the plugin: reason and message.
    pub teardown: Option<(&'a str, &'a str)>,
    /// About this generation of the resource.
    pub generation: i64,
}

/// A status to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// All of it, conditions and observedGeneration included.
    pub value: Value,
    /// Digest of `value` without the times of transitions. They follow from the rest, but for a server that drops
    /// conditions: there each pass would begin a new one.
    pub digest: Digest,
}

/// The status after a pass; `None` where it is so already. `now` is RFC 3339 in UTC with seconds, as Kubernetes writes
/// times. `previous` is the live status, `null` where there is none.
pub fn merge(previous: &Value, said: Said<'_>, now: &str, last: Option<&StatusWrite>) -> Option<Status> {
    let Said { decision, outcome, teardown: _, generation } = said;
    let mut status = match decision {
        Some(decision) => without_nulls(&decision.status).as_object().cloned().unwrap_or_default(),
        None => previous.as_object().cloned().unwrap_or_default(),
    };
    let observed = previous.get("observedGeneration").and_then(Value::as_i64);
    let observed = if outcome.observed() { Some(generation) } else { observed };
    match observed {
        Some(observed) => status.insert("observedGeneration".into(), observed.into()),
        None => status.remove("observedGeneration"),
    };
    let before = Before::of(previous);
    let mut conditions: Vec<Value> = conditions(&said, &before)
        .into_iter()
        .map(|wanted| match wanted {
            Wanted::New(condition) => rendered(&condition, &before, observed, now),
            Wanted::Kept(value) => value,
        })
        .collect();
    // In the order in which they are stored, so that another order alone causes no write.
    conditions.sort_by_key(|condition| text(condition, "type").map_or(usize::MAX, |type_| before.position(type_)));
    status.insert("conditions".into(), Value::Array(conditions));
    let value = Value::Object(status);
    if value == *previous {
        return None;
    }
    let digest = Digest::of(&without_times(&value));
    if last.is_some_and(|last| last.sent == digest && last.answer == Digest::of(previous)) {
        return None;
    }
    Some(Status { value, digest })
}

/// Since when a condition of a status holds, as RFC 3339; none while it does not.
pub fn holds_since<'a>(status: &'a Value, type_: &str) -> Option<&'a str> {
    let condition = Before::of(status).get(type_).filter(|condition| text(condition, "status") == Some("True"))?;
    text(condition, "lastTransitionTime")
}

fn without_times(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        condition.as_object_mut().map(|condition| condition.remove("lastTransitionTime"));
    }
    status
}

enum Wanted {
    New(Condition),
    /// As it is: the plugin was not asked, or gave no answer.
    Kept(Value),
}

/// The conditions of the live status.
struct Before<'a>(&'a [Value]);

impl<'a> Before<'a> {
    fn of(status: &'a Value) -> Self {
        Before(status.get("conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice))
    }

    fn get(&self, type_: &str) -> Option<&'a Value> {
        self.0.iter().find(|condition| text(condition, "type") == Some(type_))
    }

    /// After all others where it is not there.
    fn position(&self, type_: &str) -> usize {
        self.0.iter().position(|condition| text(condition, "type") == Some(type_)).unwrap_or(usize::MAX)
    }
}

fn conditions(said: &Said<'_>, before: &Before<'_>) -> Vec<Wanted> {
    let Said { decision, outcome, teardown, generation: _ } = *said;
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut types: Vec<String> = [RECONCILED, PAUSED, BLOCKED, TEARDOWN_BY_INVENTORY].map(str::to_owned).into();
    match decision {
        Some(decision) => {
            for condition in &decision.conditions {
                let known = types.contains(&condition.type_);
                if !known && is_type(&condition.type_) && wanted.len() < MOST_CONDITIONS {
                    types.push(condition.type_.clone());
                    wanted.push(Wanted::New(condition.clone()));
                }
            }
        }
        None => {
            let hosts_own_ready = before
                .get(READY)
                .zip(before.get(RECONCILED))
                .is_some_and(|(ready, reconciled)| text(ready, "reason") == text(reconciled, "reason"));
            for condition in before.0 {
                let Some(type_) = text(condition, "type") else { continue };
                let replaced = types.iter().any(|known| known == type_) || (type_ == READY && hosts_own_ready);
                if !replaced {
                    types.push(type_.to_owned());
                    wanted.push(Wanted::Kept(condition.clone()));
                }
            }
        }
    }
    let reconciled = reconciled(outcome);
    if !types.iter().any(|known| known == READY) {
        wanted.insert(0, Wanted::New(Condition { type_: READY.into(), ..reconciled.clone() }));
    }
    wanted.push(Wanted::New(reconciled));
    let flag = |type_: &str, reason: &str, message: &str| {
        let (type_, reason, message) = (type_.into(), reason.into(), message.into());
        Wanted::New(Condition { type_, status: Truth::Yes, reason, message })
    };
    match outcome {
        Outcome::Paused => wanted.push(flag(PAUSED, outcome.reason(), &outcome.message())),
        Outcome::Held { .. } => wanted.push(flag(BLOCKED, outcome.reason(), &outcome.message())),
        _ => {}
    }
    wanted.extend(teardown.map(|(reason, message)| flag(TEARDOWN_BY_INVENTORY, reason, message)));
    wanted
}

fn reconciled(outcome: &Outcome) -> Condition {
    let status = match outcome {
        Outcome::Settled => Truth::Yes,
        // Whether all is as desired is not known, because nothing was looked at to its end.
        Outcome::Paused
        | Outcome::RetryAsked(_)
        | Outcome::NeedsUnending(_)
        | Outcome::PluginFailed { .. }
        | Outcome::PluginMissing => Truth::Unknown,
        Outcome::Progressing(_)
        | Outcome::Held { .. }
        | Outcome::Deleting(_)
        | Outcome::Invalid(_)
        | Outcome::PluginBroken(_)
        | Outcome::Flapping(_)
        | Outcome::Refused(_)
        | Outcome::Failed(_) => Truth::No,
    };
    Condition { type_: RECONCILED.into(), status, reason: outcome.reason().into(), message: outcome.message() }
}

fn rendered(condition: &Condition, before: &Before<'_>, observed: Option<i64>, now: &str) -> Value {
    let Condition { type_, status, reason, message } = condition;
    let status = status.as_str();
    let since = before
        .get(type_)
        .filter(|before| text(before, "status") == Some(status))
        .and_then(|before| text(before, "lastTransitionTime"));
    let mut value = json!({
        "type": type_,
        "status": status,
        "reason": if is_reason(reason) { reason.as_str() } else { "Unspecified" },
        "message": bounded(message, MESSAGE_BYTES),
        "lastTransitionTime": since.unwrap_or(now),
    });
    if let (Some(map), Some(observed)) = (value.as_object_mut(), observed) {
        map.insert("observedGeneration".into(), observed.into());
    }
    value
}

/// The pattern of `metav1.Condition`, without a prefix: conditions of resources of ours need none.
fn is_type(type_: &str) -> bool {
    let bytes = type_.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The pattern of the reason in `metav1.Condition`.
fn is_reason(reason: &str) -> bool {
    let bytes = reason.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b':'))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The API server drops nulls that the schema does not allow; without them both sides are the same.
fn without_nulls(value: &Value) -> Value {
    // Its depth was checked with the decision; what is deeper than that is not shown.
    if crate::check::object::deeper_than(value, crate::check::object::MOST_DEPTH) {
        return Value::Object(Map::new());
    }
    strip(value)
}

fn strip(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), strip(value)))
            .collect::<Map<String, Value>>()
            .into(),
        Value::Array(list) => Value::Array(list.iter().map(strip).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
