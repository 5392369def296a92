//! One stored state of one object, serialised at most once, and one event of the log.

use super::ObjectKey;
use hyper::body::Bytes;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// A state of an object. Immutable; shared by lists, watches and history.
pub struct Stored {
    /// The object at its storage version.
    pub value: Arc<Value>,
    /// Its resourceVersion.
    pub version: u64,
    /// Which compilation of its schema it was defaulted and pruned under.
    pub epoch: u64,
    json: OnceLock<(Bytes, usize)>,
}

impl Stored {
    /// A state at a version.
    pub fn new(value: Value, version: u64, epoch: u64) -> Self {
        Self { value: Arc::new(value), version, epoch, json: OnceLock::new() }
    }

    fn rendered(&self) -> &(Bytes, usize) {
        self.json.get_or_init(|| render(&self.value))
    }

    /// The whole object as JSON, kind first.
    pub fn json(&self) -> Bytes {
        self.rendered().0.clone()
    }

    /// The object as JSON without its leading `{`, kind and apiVersion: what follows `{` in the list of a built-in kind.
    pub fn json_tail(&self) -> Bytes {
        let (bytes, tail) = self.rendered();
        bytes.slice(*tail..)
    }
}

/// JSON of an object with kind and apiVersion first, and where the rest begins.
pub fn render(value: &Value) -> (Bytes, usize) {
    let mut out = Vec::with_capacity(1024);
    let Some(object) = value.as_object() else {
        return (Bytes::from(value.to_string()), 0);
    };
    out.push(b'{');
    for name in ["kind", "apiVersion"] {
        if let Some(field) = object.get(name) {
            write_field(&mut out, name, field);
        }
    }
    if out.len() > 1 {
        out.push(b',');
    }
    let tail = out.len();
    let mut first = true;
    for (name, field) in object.iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion")) {
        if !first {
            out.push(b',');
        }
        first = false;
        let mut pair = Vec::new();
        write_field(&mut pair, name, field);
        out.extend_from_slice(pair.strip_prefix(b",").unwrap_or(&pair));
    }
    if first && out.len() == tail && tail > 1 {
        out.pop();
    }
    let tail = tail.min(out.len());
    out.push(b'}');
    (Bytes::from(out), tail)
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &Value) {
    if out.len() > 1 {
        out.push(b',');
    }
    // Writing JSON of a Value to memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, name);
    out.push(b':');
    let _ = serde_json::to_writer(&mut *out, value);
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
}

/// An entry of the log.
pub struct Event {
    /// Version of the write.
    pub version: u64,
    /// What happened.
    pub kind: EventKind,
    /// Which object.
    pub key: ObjectKey,
    /// The new state; for a removal the last state under the version of the removal.
    pub object: Arc<Stored>,
    /// The state before.
    pub previous: Option<Arc<Stored>>,
}

/// JSON of any value, with kind and apiVersion first when it is an object.
pub(crate) fn render_json(value: &Value) -> Bytes {
    render(value).0
}
