//! What comes in: Events of either group. What goes out: their defaults, complaints, and conversions: both groups show
//! the same stored objects. Pure.

use serde_json::{Map, Value, json};

use super::edit::{fill, within};
use super::strategy::{PLAIN, Rules};

mod validate;

pub(super) const CORE_EVENT: Rules =
    Rules { create_on_update: true, default: default_core, validate: validate::core, ..PLAIN };
pub(super) const EVENT: Rules =
    Rules { create_on_update: true, validate: validate::event, validate_change: validate::event_change, ..PLAIN };

/// Field names: in the core group, in `events.k8s.io`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The empty members that Go writes in one group and not in the other differ; these vanish before a conversion.
fn converted(event: &Value, api_version: &str, rename: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Some(members) = event.as_object() else { return event.clone() };
    let mut out = Map::new();
    for (key, value) in members {
        let target = rename(key).unwrap_or(key);
        if !value.is_null() {
            out.insert(target.to_owned(), value.clone());
        }
    }
    out.insert("apiVersion".to_owned(), json!(api_version));
    Value::Object(out)
}

/// An Event of `events.k8s.io/v1` as one of `v1`.
#[must_use]
pub fn to_core(event: &Value) -> Value {
    converted(event, "v1", |key| NAMES.iter().find(|(_, other)| *other == key).map(|(core, _)| *core))
}

/// An Event of `v1` as one of `events.k8s.io/v1`.
#[must_use]
pub fn from_core(event: &Value) -> Value {
    converted(event, "events.k8s.io/v1", |key| NAMES.iter().find(|(core, _)| *core == key).map(|(_, other)| *other))
}

fn default_core(event: &mut Value) {
    within(event, "source", |_| {});
    fill(event, "involvedObject", json!({}));
}
