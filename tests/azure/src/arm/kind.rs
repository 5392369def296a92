//! What the stand-in knows of each type of resource: its versions, what may be sent, what cannot change, how long things
//! take, and what the provider refuses at once or later. Generic: a new type is one more entry of the table.

mod other;
mod sql;

use super::Resource;
use super::id::ResourceId;
use super::operation::Outcome;
use crate::config::{Config, Timing};
use crate::error::ApiError;
use serde_json::Value;
use std::collections::BTreeMap;

/// How a write is answered and how long it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Sync,
    /// By 202, in the time of a server.
    Server,
    /// By 202, in the time of a child.
    Child,
    /// By 201 or 200 with a provisioning state, in the time of a server; to be seen at once.
    Provisioned,
}

/// The type of a JSON value that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Number,
    Bool,
    Object,
}

impl Shape {
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Shape::Text => value.is_string(),
            Shape::Number => value.is_number(),
            Shape::Bool => value.is_boolean(),
            Shape::Object => value.is_object(),
        }
    }
}

/// What is asked for, with all that an answer depends on.
pub(crate) struct Asked<'a> {
    pub id: &'a ResourceId,
    /// The new state as a whole; write-only values are in it.
    pub body: &'a Value,
    pub old: Option<&'a Resource>,
    pub config: &'a Config,
    pub resources: &'a BTreeMap<String, Resource>,
}

impl Asked<'_> {
    /// Text at a JSON pointer of the body.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }
}

/// One type of resource.
pub(crate) struct Kind {
    /// `Microsoft.Sql/servers`
    pub name: &'static str,
    pub versions: &'static [&'static str],
    /// It has a location and tags.
    pub tracked: bool,
    /// Its name is taken for all of Azure.
    pub global: bool,
    pub patch: bool,
    /// It has an ETag and takes If-Match and If-None-Match.
    pub etag: bool,
    pub pace: Pace,
    /// Addresses of the state and of the result of operations.
    pub poll: (&'static str, &'static str),
    /// Names of the operations that write and delete.
    pub operations: (&'static str, &'static str),
    /// Where a resource says how far it is, and what it says when it is ready.
    pub state: Option<(&'static str, &'static str)>,
    /// Fields beside the usual ones: `sku`.
    pub top: &'static [&'static str],
    pub properties: &'static [(&'static str, Shape)],
    /// Pointers of values that are written and never returned.
    pub hidden: &'static [&'static str],
    /// Pointers of values that cannot change.
    pub immutable: &'static [&'static str],
    pub name_error: fn(&str) -> Option<ApiError>,
    /// What is refused at once.
    pub check: fn(&Asked<'_>) -> Result<(), ApiError>,
    /// What the operation fails with.
    pub late: fn(&Asked<'_>) -> Option<Outcome>,
    /// Adds defaults and what only the provider knows.
    pub render: fn(&Asked<'_>, &mut Value),
}

impl Kind {
    pub fn provider(&self) -> &'static str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// Milliseconds until a creation, a change and a deletion are done.
    pub fn durations(&self, timing: &Timing) -> (u64, u64, u64) {
        match self.pace {
            Pace::Sync => (0, 0, 0),
            Pace::Server | Pace::Provisioned => (timing.create, timing.update, timing.delete),
            Pace::Child => (timing.child, timing.child, timing.child),
        }
    }
}

/// The kind of a type's name, in whatever case.
pub(crate) fn find(type_name: &str) -> Option<&'static Kind> {
    sql::KINDS.iter().chain(other::KINDS).find(|kind| kind.name.eq_ignore_ascii_case(type_name))
}

/// Sets a field of `properties` where nothing was sent for it.
fn default(body: &mut Value, key: &str, value: Value) {
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.entry(key).or_insert(value);
    }
}

/// Sets a field of `properties`.
fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(key.to_owned(), value);
    }
}
