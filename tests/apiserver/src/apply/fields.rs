//! Sets of fields, and their JSON form in managedFields (`FieldsV1`). An element of a path is kept in its written form:
//! `f:name`, `k:{"name":"a"}` with sorted keys, `v:"x"`, `i:0`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A set of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet(BTreeMap<String, Node>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    below: FieldSet,
}

/// The element for a field.
pub(crate) fn field(name: &str) -> String {
    format!("f:{name}")
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().all(|node| !node.member && node.below.is_empty())
    }

    /// Add a path. The empty path is no field and is ignored.
    pub(crate) fn insert(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let node = self.0.entry(first.clone()).or_default();
        if rest.is_empty() { node.member = true } else { node.below.insert(rest) }
    }

    /// Whether the element itself is a member.
    pub(crate) fn has(&self, element: &str) -> bool {
        self.0.get(element).is_some_and(|node| node.member)
    }

    /// What is below an element, unless that is nothing.
    pub(crate) fn below(&self, element: &str) -> Option<&FieldSet> {
        self.0.get(element).map(|node| &node.below).filter(|set| !set.is_empty())
    }

    /// Elements at this level with whether they are members and what is below them.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (&str, bool, &FieldSet)> {
        self.0.iter().map(|(element, node)| (element.as_str(), node.member, &node.below))
    }

    /// Add an element with what is below it.
    pub(crate) fn put(&mut self, element: &str, member: bool, below: FieldSet) {
        if member || !below.is_empty() {
            self.0.insert(element.to_owned(), Node { member, below });
        }
    }

    pub(crate) fn union(&self, other: &FieldSet) -> FieldSet {
        let mut out = self.clone();
        for (element, node) in &other.0 {
            let mine = out.0.entry(element.clone()).or_default();
            mine.member |= node.member;
            mine.below = mine.below.union(&node.below);
        }
        out
    }

    fn combine(&self, other: &FieldSet, keep: fn(bool, bool) -> bool) -> FieldSet {
        let nothing = Node::default();
        let mut out = FieldSet::default();
        for (element, mine) in &self.0 {
            let theirs = other.0.get(element).unwrap_or(&nothing);
            out.put(element, keep(mine.member, theirs.member), mine.below.combine(&theirs.below, keep));
        }
        out
    }

    /// Paths that are in both.
    pub(crate) fn intersection(&self, other: &FieldSet) -> FieldSet {
        self.combine(other, |mine, theirs| mine && theirs)
    }

    /// Paths that are only in this one; what is below a path of `other` stays.
    pub(crate) fn difference(&self, other: &FieldSet) -> FieldSet {
        self.combine(other, |mine, theirs| mine && !theirs)
    }

    /// The set without a top-level field and all below it.
    pub(crate) fn without_field(&self, name: &str) -> FieldSet {
        let mut out = self.clone();
        out.0.remove(&field(name));
        out
    }

    /// The top-level field with all below it.
    pub(crate) fn only_field(&self, name: &str) -> FieldSet {
        let key = field(name);
        FieldSet(self.0.get(&key).map(|node| (key, node.clone())).into_iter().collect())
    }

    /// The set without `metadata.labels` and all below it.
    pub(crate) fn without_metadata_labels(&self) -> FieldSet {
        let mut out = self.clone();
        if let Some(metadata) = out.0.get_mut("f:metadata") {
            metadata.below.0.remove("f:labels");
        }
        out
    }

    /// All paths, in order.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, at: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
        for (element, node) in &self.0 {
            at.push(element.clone());
            if node.member {
                out.push(at.clone());
            }
            node.below.collect(at, out);
            at.pop();
        }
    }

    /// The JSON form.
    pub(crate) fn encode(&self) -> Value {
        let mut out = Map::new();
        for (element, node) in &self.0 {
            let mut below = match node.below.encode() {
                Value::Object(map) => map,
                _ => Map::new(),
            };
            if below.is_empty() && !node.member {
                continue;
            }
            if node.member && !below.is_empty() {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            out.insert(element.clone(), Value::Object(below));
        }
        Value::Object(out)
    }

    /// Read the JSON form; nothing when it is broken.
    pub(crate) fn decode(value: &Value) -> Option<FieldSet> {
        let mut out = FieldSet::default();
        for (element, below) in value.as_object()? {
            if element == "." {
                continue;
            }
            let element = canonical(element)?;
            let map = below.as_object()?;
            let member = map.is_empty() || map.contains_key(".");
            out.0.insert(element, Node { member, below: FieldSet::decode(below)? });
        }
        Some(out)
    }
}

fn canonical(element: &str) -> Option<String> {
    let (kind, rest) = element.split_once(':')?;
    match kind {
        "f" => Some(element.to_owned()),
        "i" => rest.parse::<i64>().ok().map(|n| format!("i:{n}")),
        "v" => serde_json::from_str::<Value>(rest).ok().map(|v| format!("v:{v}")),
        "k" => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
            serde_json::to_string(&keys).ok().map(|text| format!("k:{text}"))
        }
        _ => None,
    }
}

/// A path as conflicts show it: `.spec.ports[port=80].name`.
pub(crate) fn show(path: &[String]) -> String {
    let mut out = String::new();
    for element in path {
        let (kind, rest) = element.split_once(':').unwrap_or(("f", element));
        match kind {
            "k" => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(rest).unwrap_or_default();
                let parts: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                out.push_str(&format!("[{}]", parts.join(",")));
            }
            "v" => out.push_str(&format!("[={rest}]")),
            "i" => out.push_str(&format!("[{rest}]")),
            _ => {
                out.push('.');
                out.push_str(rest);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_json_form_survives_a_round_trip() {
        let text = json!({"f:spec": {"f:ports": {"k:{\"port\":1,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}, "f:set": {"v:\"a\"": {}}}});
        assert_eq!(FieldSet::decode(&text).unwrap().encode(), text);
    }

    #[test]
    fn difference_takes_away_paths_and_leaves_what_is_below() {
        let a = FieldSet::decode(&json!({"f:a": {".": {}, "f:b": {}}})).unwrap();
        let b = FieldSet::decode(&json!({"f:a": {}})).unwrap();
        assert_eq!(a.difference(&b).encode(), json!({"f:a": {"f:b": {}}}));
        assert!(b.difference(&a).is_empty());
    }

    #[test]
    fn a_path_is_shown_as_in_conflicts() {
        let path = ["f:spec", "k:{\"name\":\"m\",\"port\":1}", "v:\"x\"", "i:2"].map(str::to_owned);
        assert_eq!(show(&path), ".spec[name=\"m\",port=1][=\"x\"][2]");
    }
}
