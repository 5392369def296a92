//! Builders for decisions. In: a status and items. Out: the answer of `decide`.

use crate::{Condition, Decision, Event, Item};
use serde::Serialize;

impl Decision {
    /// A decision with this status, which desires nothing yet. A status that cannot be written as JSON (maps with keys
    /// that are no strings) counts as empty.
    pub fn new(status: &impl Serialize) -> Self {
        let status = serde_json::to_string(status).ok().filter(|text| text.starts_with('{'));
        Decision {
            items: Vec::new(),
            status: status.unwrap_or_else(|| "{}".to_string()),
            conditions: Vec::new(),
            events: Vec::new(),
            wake: None,
        }
    }

    /// Adds an item.
    pub fn item(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    /// Adds items.
    pub fn items(mut self, items: impl IntoIterator<Item = Item>) -> Self {
        self.items.extend(items);
        self
    }

    /// Adds a condition.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Adds conditions.
    pub fn conditions(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.conditions.extend(conditions);
        self
    }

    /// Adds an event.
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Adds events.
    pub fn events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// Asks again at this time (milliseconds since the Unix epoch) though nothing changed.
    pub fn wake(mut self, at: u64) -> Self {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
        self
    }
}
