//! What the host has to remember of its writes to Azure over a restart: what was sent, which operation runs, what was
//! refused. In and out: the text of an annotation on the resource. It is written before a write is sent.

use super::readings::Reading;
use crate::snapshot::{FailureClass, Instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long something that ARM accepted may be invisible once its operation has ended, in milliseconds.
pub const INVISIBLE: u64 = 300_000;

/// ARM's code for a write whose precondition does not hold.
const OUTDATED: &str = "PreconditionFailed";

/// Records by place: the id of a resource, or the address of a vault's secret, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal(pub BTreeMap<String, Record>);

/// What is remembered of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whether it may exist.
    #[serde(default, skip_serializing_if = "Existence::is_unknown")]
    pub existence: Existence,
    /// The operation that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// The last write, where it was refused or its operation failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Attempt>,
    /// What was sent since the last look, by JSON pointer: fingerprints of values. Forgotten with the next look.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sent: BTreeMap<String, String>,
    /// What ARM shows of values otherwise than they were sent, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<String, Reading>,
}

/// Whether something may exist because of us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Existence {
    /// Nothing was sent.
    #[default]
    Unknown,
    /// A creation is being sent; whether it arrived is not known.
    Sent,
    /// The creation was accepted then.
    Accepted(Instant),
    /// It was seen.
    Seen,
}

impl Existence {
    fn is_unknown(&self) -> bool {
        *self == Existence::Unknown
    }
}

/// An operation that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Where to ask. Empty: another operation stands in the way, and nobody says where to ask for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The address is that of the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub location: bool,
    /// It deletes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletes: bool,
    /// Not asked before.
    pub retry_at: Instant,
    /// What was wanted: [`Attempt::wish`], should it fail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wish: String,
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// ARM's code.
    pub code: String,
    /// ARM's words, bounded, without secrets.
    pub message: String,
    /// What becomes of it.
    #[serde(with = "class")]
    pub class: FailureClass,
    /// How often in a row.
    pub attempts: u32,
    /// Not tried again before, while the same is wanted.
    pub retry_at: Instant,
    /// Digest of what was wanted. What is wanted otherwise is tried at once.
    pub wish: String,
}

mod class {
    use crate::snapshot::FailureClass;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(class: &FailureClass, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match class {
            FailureClass::Transient => "transient",
            FailureClass::Blocked => "blocked",
            FailureClass::Final => "final",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FailureClass, D::Error> {
        Ok(match String::deserialize(from)?.as_str() {
            "blocked" => FailureClass::Blocked,
            "final" => FailureClass::Final,
            // What a later host may have written is tried again.
            _ => FailureClass::Transient,
        })
    }
}

impl Record {
    fn is_empty(&self) -> bool {
        *self == Record::default()
    }

    /// Without what is not worth a write of its own: if it is lost, a value that ARM does not show is sent once more.
    fn durable(&self) -> Self {
        let lasting = self.pending.is_some() || matches!(self.existence, Existence::Sent | Existence::Accepted(_));
        Record { sent: if lasting { self.sent.clone() } else { BTreeMap::new() }, ..self.clone() }
    }

    /// Whether a write was sent that may have made it.
    pub fn may_exist(&self) -> bool {
        self.existence != Existence::Unknown
    }

    /// It was accepted so lately that it may still be invisible.
    pub fn invisible(&self, now: Instant) -> bool {
        matches!(self.existence, Existence::Accepted(at) if now < at.saturating_add(INVISIBLE))
    }

    /// The failure that keeps this wish from being sent now.
    pub fn held_back(&self, wish: &str, now: Instant) -> Option<&Attempt> {
        self.failure.as_ref().filter(|failure| failure.wish == wish && now < failure.retry_at)
    }

    /// Notes that a write failed.
    pub fn failed(
        &mut self,
        code: &str,
        message: String,
        class: FailureClass,
        wish: &str,
        wait: Option<u64>,
        now: Instant,
    ) {
        let before = self.failure.as_ref().filter(|failure| failure.wish == wish).map_or(0, |failure| failure.attempts);
        let attempts = before.saturating_add(1);
        let retry_at = now + super::failure::pause(class, attempts).max(wait.unwrap_or_default());
        self.pending = None;
        self.sent.clear();
        self.failure =
            Some(Attempt { code: code.to_owned(), message, class, attempts, retry_at, wish: wish.to_owned() });
    }

    /// Notes that a write was not taken, because what it is about is not what was looked at any more: it is looked at and
    /// judged again, at once for the first time, and after a growing pause where that happens again and again.
    pub fn outdated(&mut self, wish: &str, now: Instant) {
        self.failed(OUTDATED, String::new(), FailureClass::Transient, wish, None, now);
        if let Some(failure) = self.failure.as_mut().filter(|failure| failure.attempts == 1) {
            failure.retry_at = now;
        }
    }

    /// Notes that it is gone: nothing of it is remembered.
    pub fn gone(&mut self) {
        *self = Record::default();
    }
}

impl Attempt {
    /// It only met a version that had not been looked at.
    pub fn is_outdated(&self) -> bool {
        self.code == OUTDATED
    }
}

impl Journal {
    /// The record of a place; an empty one where nothing is remembered.
    pub fn record(&self, place: &str) -> Record {
        self.0.get(&place.to_ascii_lowercase()).cloned().unwrap_or_default()
    }

    /// Replaces the record of a place; one that says nothing is left out.
    pub fn put(&mut self, place: &str, record: Record) {
        let place = place.to_ascii_lowercase();
        if record.is_empty() {
            self.0.remove(&place);
        } else {
            self.0.insert(place, record);
        }
    }

    /// The annotation's text; none where there is nothing to remember.
    pub fn write(&self) -> Option<String> {
        // Texts, numbers and maps of them: this cannot fail.
        let records: BTreeMap<&String, Record> =
            self.0.iter().map(|(place, record)| (place, record.durable())).collect();
        (!records.is_empty()).then(|| serde_json::to_string(&records).unwrap_or_default())
    }

    /// Reads the annotation. A record that cannot be read says nothing: the resource itself is asked, and what is there
    /// with our mark is ours.
    pub fn read(text: &str) -> Self {
        let records: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
        let readable = |(place, record)| Some((place, serde_json::from_value(record).ok()?));
        Journal(records.into_iter().filter_map(readable).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_as_it_was_written_and_what_is_damaged_is_left_out() {
        let mut journal = Journal::default();
        let mut record = Record { existence: Existence::Accepted(7), ..Record::default() };
        record.failed("X", "why".into(), FailureClass::Final, "w", None, 10);
        journal.put("/Subscriptions/A", record.clone());
        journal.put("nothing", Record::default());
        let text = journal.write().unwrap_or_default();
        assert_eq!(Journal::read(&text), journal);
        assert_eq!(journal.record("/subscriptions/a"), record);
        assert_eq!(journal.record("/subscriptions/b"), Record::default());
        assert_eq!(Journal::read("{\"server\": 3, \"a\": {\"existence\": \"seen\"}}").0.len(), 1);
        assert_eq!(Journal::read("no").0.len(), 0);
    }

    #[test]
    fn what_was_sent_is_written_down_with_what_is_written_down_anyway_and_not_by_itself() {
        let sent = BTreeMap::from([("/properties/a".to_owned(), "1".to_owned())]);
        let with = |existence| {
            let mut journal = Journal::default();
            journal.put("x", Record { existence, sent: sent.clone(), ..Record::default() });
            Journal::read(&journal.write().unwrap_or_default()).record("x").sent.len()
        };
        assert_eq!((with(Existence::Sent), with(Existence::Accepted(1)), with(Existence::Seen)), (1, 1, 0));
    }

    #[test]
    fn what_met_another_version_is_judged_again_at_once_and_then_after_pauses() {
        let mut record = Record::default();
        record.outdated("w", 10);
        assert!(record.held_back("w", 10).is_none());
        record.outdated("w", 20);
        assert!(record.held_back("w", 20).is_some() && record.held_back("w", 60_000).is_none());
    }

    #[test]
    fn a_failure_holds_back_the_same_wish_alone_and_for_a_growing_time() {
        let mut record = Record::default();
        record.failed("C", String::new(), FailureClass::Transient, "w", None, 0);
        record.failed("C", String::new(), FailureClass::Transient, "w", None, 0);
        assert!(record.held_back("w", 3_999).is_some() && record.held_back("w", 4_000).is_none());
        assert!(record.held_back("other", 0).is_none());
        record.failed("C", String::new(), FailureClass::Transient, "w", Some(60_000), 0);
        assert!(record.held_back("w", 59_999).is_some(), "what Azure asks for counts where it is longer");
    }
}
