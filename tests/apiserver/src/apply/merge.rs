//! Merging a configuration into a live object, by the schema's list and map types.

use super::shape::{self, Shape};
use crate::schema::Schema;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// `live` with everything that `config` sets.
pub(crate) fn merge(schema: &Schema, live: &Value, config: &Value) -> Value {
    both(schema, Some(live), Some(config)).unwrap_or(Value::Null)
}

fn both(schema: &Schema, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    let (Some(l), Some(r)) = (left, right) else {
        return right.or(left).cloned();
    };
    if shape::of(schema, Some(l)) != shape::of(schema, Some(r)) {
        return Some(r.clone());
    }
    match shape::of(schema, Some(r)) {
        Shape::Leaf => Some(r.clone()),
        Shape::Map => {
            let (l, r) = (shape::fields(left), shape::fields(right));
            if r.is_empty() && l.is_empty() {
                return right.cloned();
            }
            let mut out = Map::new();
            for (name, value) in l {
                let (next, _) = shape::child_or_any(schema, name);
                if let Some(merged) = both(next, Some(value), r.get(name)) {
                    out.insert(name.clone(), merged);
                }
            }
            for (name, value) in r.iter().filter(|(name, _)| !l.contains_key(*name)) {
                out.insert(name.clone(), value.clone());
            }
            Some(Value::Object(out))
        }
        Shape::List => {
            let (l, r) = (shape::list(left), shape::list(right));
            if r.is_empty() && l.is_empty() {
                return right.cloned();
            }
            Some(Value::Array(lists(schema, l, r)))
        }
    }
}

/// Items of both lists, each once: items that both have follow the order of `right`, items of `left` alone stay before
/// the shared item that they preceded.
fn lists(schema: &Schema, left: &[Value], right: &[Value]) -> Vec<Value> {
    let name = |item: &Value| shape::element(schema, item).unwrap_or_default();
    let l: Vec<(String, &Value)> = left.iter().map(|i| (name(i), i)).collect();
    let r: Vec<(String, &Value)> = right.iter().map(|i| (name(i), i)).collect();
    let mut in_left: HashMap<&str, Option<&Value>> = HashMap::new();
    for (element, item) in &l {
        // A duplicate on the left is not merged with the right: none of them is the one.
        in_left.entry(element).and_modify(|v| *v = None).or_insert(Some(item));
    }
    let in_right: HashMap<&str, &Value> = r.iter().map(|(e, i)| (e.as_str(), *i)).collect();
    let mut shared = r.iter().map(|(e, _)| e.as_str()).filter(|e| in_left.contains_key(e));
    let mut next = shared.next();
    let mut merged: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    let (mut li, mut ri) = (0, 0);
    let items = shape::items(schema);
    let join = |element: &str| both(items, in_left.get(element).copied().flatten(), in_right.get(element).copied());
    while li < l.len() || ri < r.len() {
        if li < l.len() && ri < r.len() {
            let element = l[li].0.as_str();
            if element == r[ri].0 {
                merged.push(element);
                out.extend(join(element));
                li += 1;
                ri += 1;
                next = shared.next();
                continue;
            }
            if in_right.contains_key(element) && next.is_some_and(|n| n != element) {
                li += 1;
                continue;
            }
        }
        if li < l.len() {
            let element = l[li].0.as_str();
            if !in_right.contains_key(element) {
                out.push(l[li].1.clone());
                li += 1;
                continue;
            }
            if merged.contains(&element) {
                li += 1;
            }
        }
        if ri < r.len() {
            let element = r[ri].0.as_str();
            merged.push(element);
            out.extend(join(element));
            ri += 1;
            if next == Some(element) {
                next = shared.next();
            }
        }
    }
    out
}
