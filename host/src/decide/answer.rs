//! Reading one answer of a guest: counts, cuts and cleans what the adapters of contract versions convert.

use super::{error::DecideError, json::Budget, limits::Limits, text};
use serde_json::Value;
use std::cell::Cell;

/// What is left for one answer, and how large it is so far.
pub(super) struct Answer {
    json: Budget,
    items: usize,
    bytes: Cell<usize>,
}

impl Answer {
    pub(super) fn new(limits: &Limits) -> Self {
        Answer { json: Budget::new(limits.json_depth, limits.json_values), items: limits.items, bytes: Cell::new(0) }
    }

    /// Bytes of all strings so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Text that is data: taken as it is, and judged by the check.
    pub(super) fn text(&self, text: String) -> String {
        self.bytes.set(self.bytes.get() + text.len());
        text
    }

    /// Text for people (G11).
    pub(super) fn message(&self, message: String) -> String {
        text::clean(&self.text(message), text::MESSAGE)
    }

    /// A name or a reason, for people and programs (G11).
    pub(super) fn name(&self, name: String) -> String {
        text::clean(&self.text(name), text::NAME)
    }

    /// A JSON document, which was found at `at`.
    pub(super) fn json(&self, at: &str, document: String) -> Result<Value, DecideError> {
        let document = self.text(document);
        self.json.parse(&document).map_err(|message| DecideError::InvalidOutput {
            at: at.to_owned(),
            message: format!("no acceptable JSON: {}", text::clean(&message, text::MESSAGE)),
        })
    }

    /// A list with the length checked before anything of it is converted.
    pub(super) fn list<T, U>(
        &self,
        list: &'static str,
        entries: Vec<T>,
        mut convert: impl FnMut(usize, T) -> Result<U, DecideError>,
    ) -> Result<Vec<U>, DecideError> {
        if entries.len() > self.items {
            return Err(DecideError::ItemLimit { list, found: entries.len(), limit: self.items });
        }
        entries.into_iter().enumerate().map(|(index, entry)| convert(index, entry)).collect()
    }
}
