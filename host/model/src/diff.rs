//! Whether a live object is as desired already. In: what we want to own of an object, and the object as it is, with all
//! that the server and others filled in. Out: the paths at which they differ, none if they do not.
//!
//! This decides about an object that this process has not written itself (after that, what the server answered decides,
//! so that a normalisation that is not known here costs one write and not one each pass). It leans to "differs": a needless
//! apply is a write that the server answers with the same resourceVersion, a missed one is a resource that is wrong.

mod lists;

use crate::quantity;
use crate::text::bounded;
use serde_json::{Map, Value};

/// How many paths are named; the rest would tell nobody anything.
const MOST_PATHS: usize = 32;
/// Deeper values are compared as wholes; the check refuses them before.
const MOST_DEPTH: usize = 256;

/// Paths at which `live` lacks or contradicts what `desired` states, like `spec.template.spec.containers[0].image`. Only
/// what `desired` states is looked at. At most 32 are named.
pub fn differences(desired: &Value, live: &Value) -> Vec<String> {
    let mut walk = Walk { rules: Rules::of(desired), path: Vec::new(), found: Vec::new() };
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            // The same object may have been read in another version of its API.
            let fields = desired.iter().filter(|(key, _)| *key != "apiVersion");
            fields.for_each(|(key, value)| walk.field(key, value, live.get(key)));
        }
        _ => walk.value(desired, live),
    }
    walk.found
}

/// Which normalisations the server of the kind does.
struct Rules {
    /// A kind of Kubernetes itself: Go drops empty values, keys of lists are known, quantities are made canonical.
    /// Custom resources are stored as they were sent.
    built_in: bool,
    service: bool,
}

impl Rules {
    fn of(object: &Value) -> Self {
        let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        Rules {
            built_in: !group.contains('.') || group.ends_with(".k8s.io"),
            service: group.is_empty() && kind == "Service",
        }
    }
}

enum Segment<'a> {
    Field(&'a str),
    Element(usize),
}

struct Walk<'a> {
    rules: Rules,
    path: Vec<Segment<'a>>,
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    fn field(&mut self, key: &'a str, desired: &'a Value, live: Option<&Value>) {
        self.path.push(Segment::Field(key));
        match live {
            Some(live) => self.value(desired, live),
            None if self.same_as_absent(desired, 0) => {}
            None => self.differs(),
        }
        self.path.pop();
    }

    fn value(&mut self, desired: &'a Value, live: &Value) {
        if self.found.len() >= MOST_PATHS {
            return;
        }
        if self.path.len() > MOST_DEPTH {
            if desired != live {
                self.differs();
            }
            return;
        }
        match (desired, live) {
            (Value::Null, _) => {}
            (Value::Object(desired), Value::Object(live)) => self.map(desired, live),
            (Value::Array(desired), Value::Array(live)) => self.list(desired, live),
            (desired, Value::Null) if self.same_as_absent(desired, 0) => {}
            (desired, live) => {
                if !self.same_scalar(desired, live) {
                    self.differs();
                }
            }
        }
    }

    fn map(&mut self, desired: &'a Map<String, Value>, live: &Map<String, Value>) {
        for (key, value) in desired {
            self.field(key, value, live.get(key));
        }
    }

    fn list(&mut self, desired: &'a [Value], live: &[Value]) {
        if let Some(keys) = self.keys_of_list(desired, live) {
            return self.keyed_list(keys, desired, live);
        }
        if self.is_set(desired) {
            if !desired.iter().all(|value| live.contains(value)) {
                self.differs();
            }
            return;
        }
        // A list without keys is replaced as a whole, so it is as desired only in the same length and order.
        if desired.len() != live.len() {
            return self.differs();
        }
        for (index, (desired, live)) in desired.iter().zip(live).enumerate() {
            self.element(index, desired, live);
        }
    }

    fn element(&mut self, index: usize, desired: &'a Value, live: &Value) {
        self.path.push(Segment::Element(index));
        self.value(desired, live);
        self.path.pop();
    }

    /// Others may have added elements of their own; ours must be there, and in our order.
    fn keyed_list(&mut self, keys: lists::Keys, desired: &'a [Value], live: &[Value]) {
        let mut last = None;
        let mut ordered = true;
        for (index, element) in desired.iter().enumerate() {
            let Some(at) = live.iter().position(|candidate| lists::same_key(keys, element, candidate)) else {
                self.path.push(Segment::Element(index));
                self.differs();
                self.path.pop();
                continue;
            };
            ordered &= last.is_none_or(|last| at > last);
            last = Some(at);
            if let Some(candidate) = live.get(at) {
                self.element(index, element, candidate);
            }
        }
        if !ordered {
            self.differs();
        }
    }

    fn keys_of_list(&self, desired: &[Value], live: &[Value]) -> Option<lists::Keys> {
        if !self.rules.built_in || desired.is_empty() {
            return None;
        }
        let keys = lists::keys(self.field_name()?, self.rules.service)?;
        (lists::unique(keys, desired) && lists::unique(keys, live)).then_some(keys)
    }

    fn is_set(&self, desired: &[Value]) -> bool {
        self.field_name() == Some("finalizers") && desired.iter().all(Value::is_string)
    }

    fn field_name(&self) -> Option<&'a str> {
        match self.path.last()? {
            Segment::Field(name) => Some(name),
            Segment::Element(_) => None,
        }
    }

    fn same_scalar(&self, desired: &Value, live: &Value) -> bool {
        if desired == live {
            return true;
        }
        match (desired, live) {
            // 1 and 1.0 are one number in JSON, and two in serde_json.
            (Value::Number(one), Value::Number(two)) => {
                one.as_f64().is_some_and(f64::is_finite)
                    && one.as_f64() == two.as_f64()
                    && (one.is_f64() || two.is_f64())
                    || self.is_quantity() && quantity::same(desired, live)
            }
            (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
                (self.is_quantity() && quantity::same(desired, live))
                    || (self.is_int_or_string() && plain(desired) == plain(live))
            }
            _ => false,
        }
    }

    /// The API server writes quantities in their canonical form, in the fields of its own kinds.
    fn is_quantity(&self) -> bool {
        if !self.rules.built_in {
            return false;
        }
        let mut fields = self.path.iter().rev().filter_map(|segment| match segment {
            Segment::Field(name) => Some(*name),
            Segment::Element(_) => None,
        });
        let leaf = fields.next();
        let parent = fields.next();
        matches!(leaf, Some("sizeLimit" | "divisor" | "averageValue"))
            || matches!(
                parent,
                Some(
                    "limits"
                        | "requests"
                        | "capacity"
                        | "hard"
                        | "overhead"
                        | "min"
                        | "max"
                        | "default"
                        | "defaultRequest"
                )
            )
    }

    fn is_int_or_string(&self) -> bool {
        self.rules.built_in
            && matches!(self.field_name(), Some("targetPort" | "port" | "maxUnavailable" | "minAvailable" | "maxSurge"))
    }

    /// Values that a server may leave out without a change of meaning.
    fn same_as_absent(&self, desired: &Value, depth: usize) -> bool {
        match desired {
            Value::Null => true,
            Value::Object(map) => depth < MOST_DEPTH && map.values().all(|value| self.same_as_absent(value, depth + 1)),
            Value::Array(list) => list.is_empty(),
            Value::Bool(value) => self.rules.built_in && !value,
            Value::Number(number) => self.rules.built_in && number.as_i64() == Some(0),
            Value::String(text) => self.rules.built_in && text.is_empty(),
        }
    }

    fn differs(&mut self) {
        if self.found.len() >= MOST_PATHS {
            return;
        }
        let mut path = String::new();
        for segment in &self.path {
            match segment {
                // A key with dots, like that of a label, would read as several fields.
                Segment::Field(name) if name.contains('.') || name.contains('/') => {
                    path.push_str("['");
                    path.push_str(name);
                    path.push_str("']");
                }
                Segment::Field(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Segment::Element(index) => path.push_str(&format!("[{index}]")),
            }
        }
        self.found.push(bounded(&path, 200));
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
