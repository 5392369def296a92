//! Values that ARM takes and does not show, or shows as others than were sent. In: what was sent, and what is shown after
//! it. Out: which differences are none that another write would mend. Without this they would be sent at each look.
//!
//! A value is known by its fingerprint alone. What is remembered holds for one sent and one shown value: where either
//! changes, the value is sent again. Values of Secrets are never shown; where a tag cannot say which one was sent, this does.

use super::compare::{differences, in_tags};
use super::journal::Record;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How often a value must have come back as the same other one until that counts as ARM's way to show it. Once may be
/// somebody else's change, or an answer from before the write.
const ENOUGH: u32 = 2;
/// Characters of a fingerprint that are kept.
const SHORT: usize = 16;

/// What ARM showed of a value that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Fingerprint of the value that was sent.
    pub sent: String,
    /// Fingerprint of the value that was shown after it; none where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// How often in a row.
    pub times: u32,
}

/// Fingerprints of all values of a body, by JSON pointer.
pub fn fingerprints(body: &Value) -> BTreeMap<String, String> {
    let places = differences(body, &Value::Null).into_iter();
    places.filter_map(|place| fingerprint(body, &place).map(|print| (place, print))).collect()
}

fn fingerprint(body: &Value, place: &str) -> Option<String> {
    let value = body.pointer(place).filter(|value| !value.is_null())?;
    Some(Digest::of(value).to_string().chars().take(SHORT).collect())
}

/// Takes in the first look after a write, at something that nobody is at work on. `secrets`: places of values of Secrets
/// that no tag tells of, with the fingerprints that are wished.
pub fn learn(record: &mut Record, wanted: &Value, secrets: &[(&str, &str)], live: &Value) {
    if record.sent.is_empty() {
        return;
    }
    let sent = std::mem::take(&mut record.sent);
    let before = std::mem::take(&mut record.readings);
    for place in differences(wanted, live) {
        let (Some(wished), shown) = (fingerprint(wanted, &place), fingerprint(live, &place)) else { continue };
        let known = before.get(&place).filter(|reading| reading.sent == wished);
        if sent.get(&place) == Some(&wished) {
            let times = known.filter(|reading| reading.shown == shown).map_or(0, |reading| reading.times);
            record.readings.insert(place, Reading { sent: wished, shown, times: times.saturating_add(1) });
        } else if let Some(known) = known {
            record.readings.insert(place, known.clone());
        }
    }
    for (place, wished) in secrets {
        let known = before.get(*place).is_some_and(|reading| reading.sent == *wished);
        if known || sent.get(*place).is_some_and(|sent| sent == wished) {
            let reading = Reading { sent: (*wished).to_owned(), shown: None, times: 1 };
            record.readings.insert((*place).to_owned(), reading);
        }
    }
}

/// Whether the value of a Secret with this fingerprint was sent to a place last, as far as that is remembered.
pub fn was_sent(record: &Record, place: &str, fingerprint: &str) -> bool {
    record.readings.get(place).is_some_and(|reading| reading.sent == fingerprint)
}

/// Places that are not as wished and that a write may mend.
pub fn mendable(record: &Record, wanted: &Value, live: &Value) -> Vec<String> {
    let mut places = differences(wanted, live);
    places.retain(|place| !is_shown_otherwise(record, place, wanted, live));
    places
}

fn is_shown_otherwise(record: &Record, place: &str, wanted: &Value, live: &Value) -> bool {
    let Some(reading) = record.readings.get(place) else { return false };
    // Tags are always shown: one that is missing was taken away.
    let enough = if reading.shown.is_none() && !in_tags(place) { 1 } else { ENOUGH };
    Some(&reading.sent) == fingerprint(wanted, place).as_ref()
        && reading.shown == fingerprint(live, place)
        && reading.times >= enough
}

#[cfg(test)]
mod tests;
