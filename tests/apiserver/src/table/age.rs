//! What comes in: points in time. What goes out: how long ago they were, as `kubectl` shows it. Pure.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// How long ago `then` was, to about two digits: `45s`, `3m12s`, `5h2m`, `6d23h`, `2y40d`.
#[must_use]
pub fn human(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    duration((now - then).num_seconds())
}

/// A span of seconds as text.
pub(super) fn duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let pair = |first: i64, unit: char, second: i64, small: char| {
        if second == 0 { format!("{first}{unit}") } else { format!("{first}{unit}{second}{small}") }
    };
    match hours {
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        0..8 => pair(hours, 'h', minutes % 60, 'm'),
        8..48 => format!("{hours}h"),
        48..192 => pair(days, 'd', hours % 24, 'h'),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => pair(years, 'y', days % 365, 'd'),
        _ => format!("{years}y"),
    }
}

/// The age of a timestamp in JSON; `<unknown>` when there is none.
pub(super) fn since(now: DateTime<Utc>, timestamp: Option<&Value>) -> String {
    parse(timestamp).map_or_else(|| "<unknown>".to_owned(), |then| human(now, then))
}

/// A timestamp in JSON.
pub(super) fn parse(timestamp: Option<&Value>) -> Option<DateTime<Utc>> {
    let text = timestamp?.as_str()?;
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
