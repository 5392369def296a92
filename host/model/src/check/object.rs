//! The form of one Kubernetes object that a plugin returned. In: its JSON. Out: what the API server would not take, and
//! what a plugin may not say.

use super::{Problem, Rule};
use crate::facts::{Facts, Slot};
use crate::kind::{Kind, ObjectKey};
use crate::names::{self, syntax};
use crate::scope::Scope;
use serde_json::{Map, Value};

/// Deeper bodies are refused whatever the limits say: nothing recursive looks at them.
pub(crate) const MOST_DEPTH: usize = 100;

/// Metadata that plugins may set.
const METADATA: &[&str] = &["name", "namespace", "labels", "annotations"];
/// What a Secret without values consists of.
const SECRET_FIELDS: &[&str] = &["apiVersion", "kind", "metadata", "type", "immutable", "status"];

/// Everything that is wrong with the body of an item.
pub(crate) fn problems(id: &str, body: &Value) -> Result<(), Vec<Problem>> {
    let mut found = Found { id, problems: Vec::new() };
    if deeper_than(body, MOST_DEPTH) {
        found.add(Rule::Oversize, &format!("the object has more than {MOST_DEPTH} levels"));
    } else {
        found.object(body);
    }
    if found.problems.is_empty() { Ok(()) } else { Err(found.problems) }
}

/// Where the object is: not the resource itself, and in a namespace just if its kind has them.
pub(crate) fn placed(id: &str, key: &ObjectKey, facts: &Facts) -> Result<(), Vec<Problem>> {
    let mut found = Found { id, problems: Vec::new() };
    if Slot::from(key) == Slot::from(&facts.resource.key) {
        found.add(Rule::SelfReference, "the item is the resource itself");
    }
    match (facts.scope(&key.kind), &key.namespace) {
        (Some(Scope::Cluster), Some(_)) => {
            found.add(Rule::MalformedObject, &format!("{} is cluster-scoped and has no namespace", key.kind));
        }
        (Some(Scope::Namespaced), None) => {
            let why = format!("{} needs a namespace, because the resource has none", key.kind);
            found.add(Rule::MalformedObject, &why);
        }
        (Some(Scope::Cluster), None) | (Some(Scope::Namespaced), Some(_)) | (None, _) => {}
    }
    if found.problems.is_empty() { Ok(()) } else { Err(found.problems) }
}

/// Whether a value has more levels than this. Without recursion, so that depth itself does no harm.
pub(crate) fn deeper_than(value: &Value, most: usize) -> bool {
    let mut open = vec![(value, 1_usize)];
    while let Some((value, depth)) = open.pop() {
        if depth > most {
            return true;
        }
        match value {
            Value::Array(list) => open.extend(list.iter().map(|value| (value, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|value| (value, depth + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

struct Found<'a> {
    id: &'a str,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, rule: Rule, message: &str) {
        self.problems.push(Problem::new(rule, self.id, message));
    }

    fn object(&mut self, body: &Value) {
        let Some(map) = body.as_object() else {
            return self.add(Rule::MalformedObject, "the body is not a JSON object");
        };
        let Some(kind) = self.kind(map) else { return };
        if map.get("status").is_some_and(|status| !is_empty(status)) {
            self.add(Rule::ForeignStatus, "status belongs to the controller of the kind; leave it out");
        }
        if kind.group.is_empty() && kind.kind == "Secret" {
            self.secret(map);
        }
        if kind.kind == "List" || (kind.kind.ends_with("List") && map.contains_key("items")) {
            self.add(Rule::MalformedObject, "return each object of a list as an item of its own");
        }
        match map.get("metadata").and_then(Value::as_object) {
            Some(metadata) => self.metadata(&kind, metadata),
            None => self.add(Rule::MalformedObject, "metadata is missing or not an object"),
        }
    }

    fn kind(&mut self, map: &Map<String, Value>) -> Option<Kind> {
        let text = |field: &str| map.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            self.add(Rule::MalformedObject, "apiVersion and kind are needed, as texts");
            return None;
        };
        let kind = Kind::from_manifest(api_version, kind);
        for wrong in [syntax::kind_name(&kind.kind).err(), syntax::api_version(&kind).err()].into_iter().flatten() {
            self.add(Rule::MalformedObject, &wrong);
        }
        self.problems.is_empty().then_some(kind)
    }

    fn secret(&mut self, map: &Map<String, Value>) {
        for field in map.keys().filter(|field| !SECRET_FIELDS.contains(&field.as_str())) {
            if map.get(field).is_some_and(|value| !is_empty(value)) {
                let why =
                    format!("a Secret may not have {field} here: values are made by the host, as a generated secret");
                self.add(Rule::RawSecret, &why);
            }
        }
        if let Some(type_) = map.get("type").and_then(Value::as_str)
            && super::secret::is_token(type_)
        {
            self.add(Rule::RawSecret, "a Secret of this type would be filled with a token of a ServiceAccount");
        }
    }

    fn metadata(&mut self, kind: &Kind, metadata: &Map<String, Value>) {
        for (field, value) in
            metadata.iter().filter(|(field, value)| !METADATA.contains(&field.as_str()) && !is_empty(value))
        {
            let _ = value;
            let why = match field.as_str() {
                "generateName" => "names are stable: set metadata.name".to_owned(),
                _ => format!("metadata.{field} belongs to the host or the API server; leave it out"),
            };
            self.add(Rule::ReservedMetadata, &why);
        }
        match metadata.get("name") {
            Some(Value::String(name)) => {
                if let Err(why) = syntax::object_name(kind, name) {
                    self.add(Rule::InvalidName, &format!("metadata.name {name:?} {why}"));
                }
            }
            _ => self.add(Rule::MalformedObject, "metadata.name is missing or not a text"),
        }
        match metadata.get("namespace") {
            None | Some(Value::Null) => {}
            Some(Value::String(namespace)) if namespace.is_empty() => {}
            Some(Value::String(namespace)) => {
                if let Err(why) = syntax::dns_label(namespace) {
                    self.add(Rule::InvalidName, &format!("metadata.namespace {namespace:?} {why}"));
                }
            }
            Some(_) => self.add(Rule::MalformedObject, "metadata.namespace is not a text"),
        }
        self.labels(metadata.get("labels"));
        self.annotations(metadata.get("annotations"));
    }

    fn labels(&mut self, labels: Option<&Value>) {
        for (key, value) in self.texts("labels", labels) {
            if key == names::LABEL_MANAGED_BY && value != names::MANAGED_BY {
                self.add(Rule::ReservedMetadata, &format!("label {key} is always {}", names::MANAGED_BY));
            }
            self.key("label", &key);
            if let Err(why) = syntax::label_value(&value) {
                self.add(Rule::InvalidName, &format!("the value of label {key:?} {why}"));
            }
        }
    }

    fn annotations(&mut self, annotations: Option<&Value>) {
        let annotations = self.texts("annotations", annotations);
        let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        // What the host adds has room in the rest of the 256 KiB that the API server takes.
        if bytes > 250 << 10 {
            self.add(Rule::Oversize, &format!("its annotations have {bytes} bytes, at most {} are taken", 250 << 10));
        }
        for (key, _) in annotations {
            self.key("annotation", &key);
        }
    }

    fn key(&mut self, what: &str, key: &str) {
        if is_ours(key) {
            self.add(Rule::ReservedMetadata, &format!("{what} {key} is the host's; leave it out"));
        }
        if let Err(why) = syntax::qualified_name(key) {
            self.add(Rule::InvalidName, &format!("the key of {what} {key:?} {why}"));
        }
    }

    fn texts(&mut self, field: &str, map: Option<&Value>) -> Vec<(String, String)> {
        let map = match map {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Object(map)) => map,
            Some(_) => {
                self.add(Rule::MalformedObject, &format!("metadata.{field} is not an object"));
                return Vec::new();
            }
        };
        let mut texts = Vec::with_capacity(map.len());
        for (key, value) in map {
            match value {
                Value::String(value) => texts.push((key.clone(), value.clone())),
                Value::Null => {}
                _ => self.add(Rule::MalformedObject, &format!("metadata.{field}[{key:?}] is not a text")),
            }
        }
        texts
    }
}

/// Labels and annotations of the host's domain itself (`windlass.dev/…`). What the host reads on a resource, like
/// `windlass.dev/paused`, is for people, and not for plugins that make such resources. Domains below it are the plugins'.
pub(crate) fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| prefix.eq_ignore_ascii_case(names::OUR_DOMAIN))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
