//! Who manages which fields of an object: the decoded form of `metadata.managedFields`.

use super::compare::Changes;
use super::fields::{FieldSet, show};
use super::shape::{self, Shape};
use crate::schema::Schema;
use serde_json::{Value, json};

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Everything else.
    Update,
}

/// Who makes a write, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the manager.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// At which version of the kind.
    pub api_version: String,
    /// Through which subresource, empty for none. Part of the identity.
    pub subresource: String,
    /// Time of the write, RFC 3339.
    pub time: String,
}

impl Identity {
    /// Appliers are the same at every version, updaters are not.
    fn is(&self, entry: &Entry) -> bool {
        self.manager == entry.who.manager
            && self.operation == entry.who.operation
            && self.subresource == entry.who.subresource
            && (self.operation == Operation::Apply || self.api_version == entry.who.api_version)
    }
}

/// A field that another manager holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who, as the message shows it.
    pub manager: String,
    /// Where, for example `.spec.replicas`.
    pub field: String,
}

#[derive(Debug, Clone)]
struct Entry {
    who: Identity,
    set: FieldSet,
}

/// All managers of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Managers(Vec<Entry>);

/// How many updaters are told apart before the oldest are folded into one.
const UPDATERS: usize = 10;

/// Whether a write asks to forget all managers: an empty list, or one empty entry.
pub(crate) fn is_reset(managed: Option<&Value>) -> bool {
    match managed.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(|entry| {
            entry
                .values()
                .all(|v| v.is_null() || v.as_str() == Some("") || v.as_object().is_some_and(serde_json::Map::is_empty))
        }),
        _ => false,
    }
}

/// The set without what nobody owns: the names of the type and the metadata that the server writes.
pub(crate) fn without_metadata(set: &FieldSet) -> FieldSet {
    const OURS: [&str; 8] =
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"];
    let mut out = set.without_field("apiVersion").without_field("kind").without_field("metadata");
    if let Some(metadata) = set.below("f:metadata") {
        let mut kept = metadata.clone();
        for name in OURS {
            kept = kept.without_field(name);
        }
        out.put("f:metadata", false, kept);
    }
    out
}

impl Managers {
    /// Read managedFields; broken entries make all of it unknown, as in a real server.
    pub(crate) fn decode(managed: Option<&Value>) -> Self {
        let entries = managed.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        entries.iter().map(decode_entry).collect::<Option<Vec<_>>>().map(Self).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Write managedFields into an object.
    pub(crate) fn store(&mut self, object: &mut Value) {
        self.0.sort_by(|a, b| {
            let key = |e: &Entry| {
                (
                    e.who.operation,
                    e.who.time.clone(),
                    e.who.manager.clone(),
                    e.who.api_version.clone(),
                    e.who.subresource.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
        let entries: Vec<Value> = self.0.iter().map(encode_entry).collect();
        if let Some(object) = object.as_object_mut()
            && let Some(metadata) = object.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
            && !entries.is_empty()
        {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }

    /// The fields of one manager.
    pub(crate) fn set_of(&self, who: &Identity) -> Option<&FieldSet> {
        self.0.iter().find(|e| who.is(e)).map(|e| &e.set)
    }

    /// The fields of all managers together.
    pub(crate) fn all(&self) -> FieldSet {
        self.0.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.set))
    }

    /// Give a manager these fields instead of its own. Its time stays until it changes something.
    pub(crate) fn replace(&mut self, who: &Identity, set: FieldSet) {
        match self.0.iter_mut().find(|e| who.is(e)) {
            Some(entry) => {
                entry.set = set;
                entry.who.api_version.clone_from(&who.api_version);
            }
            None => self.0.push(Entry { who: who.clone(), set }),
        }
    }

    /// Note that a manager changed something now.
    pub(crate) fn stamp(&mut self, who: &Identity) {
        if let Some(entry) = self.0.iter_mut().find(|e| who.is(e)) {
            entry.who.time.clone_from(&who.time);
        }
    }

    /// Give a manager fields in addition to its own, now.
    pub(crate) fn take(&mut self, who: &Identity, set: FieldSet) {
        match self.0.iter_mut().find(|e| who.is(e)) {
            Some(entry) => {
                entry.set = entry.set.union(&set);
                entry.who = who.clone();
            }
            None => self.0.push(Entry { who: who.clone(), set }),
        }
    }

    /// Fields of others that a change touches.
    pub(crate) fn conflicts(&self, who: &Identity, changes: &Changes) -> Vec<Conflict> {
        let touched = changes.modified.union(&changes.added);
        let mut out = Vec::new();
        for entry in self.0.iter().filter(|e| !who.is(e)) {
            for path in entry.set.intersection(&touched).paths() {
                out.push(Conflict { manager: shown(&entry.who), field: show(&path) });
            }
        }
        out
    }

    /// Take what changed from everybody but `who`.
    pub(crate) fn lose(&mut self, who: Option<&Identity>, changes: &Changes) {
        let touched = changes.modified.union(&changes.added).union(&changes.removed);
        for entry in self.0.iter_mut().filter(|e| !who.is_some_and(|w| w.is(e))) {
            entry.set = entry.set.difference(&touched);
        }
        if who.is_none() {
            self.drop_empty();
        }
    }

    /// Managers of nothing are no managers.
    pub(crate) fn drop_empty(&mut self) {
        self.0.retain(|e| !e.set.is_empty());
    }

    /// Fold the oldest updaters into one when there are too many.
    pub(crate) fn cap(&mut self) {
        let mut updaters: Vec<usize> =
            (0..self.0.len()).filter(|i| self.0[*i].who.operation == Operation::Update).collect();
        if updaters.len() <= UPDATERS {
            return;
        }
        updaters.sort_by(|a, b| self.0[*a].who.time.cmp(&self.0[*b].who.time));
        let fold = updaters.len() - UPDATERS + 1;
        let mut chosen: Vec<usize> = updaters.into_iter().take(fold).collect();
        chosen.sort_unstable();
        let mut folded: Vec<Entry> = Vec::new();
        for index in chosen.into_iter().rev() {
            let mut entry = self.0.remove(index);
            entry.who.manager = "ancient-changes".to_owned();
            entry.who.subresource = String::new();
            match folded.iter_mut().find(|e| e.who.api_version == entry.who.api_version) {
                Some(known) => {
                    known.set = known.set.union(&entry.set);
                    if entry.who.time > known.who.time {
                        known.who.time = entry.who.time;
                    }
                }
                None => folded.push(entry),
            }
        }
        self.0.extend(folded);
    }

    /// Follow changes of the schema: whoever owned a part of what is owned whole now owns the whole. The other way round
    /// nothing changes: whoever owned the whole owns the name alone, as if it had always been granular.
    pub(crate) fn reconcile(&mut self, schema: &Schema, live: &Value) {
        for entry in &mut self.0 {
            entry.set = reconcile(&entry.set, schema, live);
        }
    }
}

fn reconcile(set: &FieldSet, schema: &Schema, live: &Value) -> FieldSet {
    let mut out = FieldSet::default();
    for (element, member, below) in set.elements() {
        let (next, value) = match element.strip_prefix("f:") {
            Some(name) => (shape::child_or_any(schema, name).0, live.get(name)),
            None => (
                shape::items(schema),
                shape::list(Some(live)).iter().find(|i| shape::element(schema, i).as_deref() == Ok(element)),
            ),
        };
        let Some(value) = value else {
            out.put(element, member, below.clone());
            continue;
        };
        let shape = shape::of(next, Some(value));
        if shape == Shape::Leaf && !below.is_empty() {
            out.put(element, true, FieldSet::default());
        } else {
            out.put(element, member, reconcile(below, next, value));
        }
    }
    out
}

fn shown(who: &Identity) -> String {
    let mut out = crate::field_error::quote(&who.manager);
    if !who.subresource.is_empty() {
        out.push_str(&format!(" with subresource {}", crate::field_error::quote(&who.subresource)));
    }
    if who.operation == Operation::Update {
        out.push_str(&format!(" using {}", who.api_version));
    }
    out
}

fn decode_entry(entry: &Value) -> Option<Entry> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let operation = match entry.get("operation")?.as_str()? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let set = entry.get("fieldsV1").map_or(Some(FieldSet::default()), FieldSet::decode)?;
    let who = Identity {
        manager: text("manager"),
        operation,
        api_version: text("apiVersion"),
        subresource: text("subresource"),
        time: text("time"),
    };
    Some(Entry { who, set })
}

fn encode_entry(entry: &Entry) -> Value {
    let Identity { manager, operation, api_version, subresource, time } = &entry.who;
    let mut out = json!({
        "manager": manager,
        "operation": if *operation == Operation::Apply { "Apply" } else { "Update" },
        "apiVersion": api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.set.encode(),
    });
    if !time.is_empty() {
        out["time"] = json!(time);
    }
    if !subresource.is_empty() {
        out["subresource"] = json!(subresource);
    }
    out
}
