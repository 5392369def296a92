//! Which fields two states of an object differ in.

use super::fields::{FieldSet, field};
use super::shape::{self, Shape};
use crate::schema::Schema;
use serde_json::Value;
use std::collections::BTreeMap;

/// The difference between two states.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

impl Changes {
    /// Restrict all three sets.
    pub(crate) fn keep(&mut self, rule: impl Fn(&FieldSet) -> FieldSet) {
        self.added = rule(&self.added);
        self.modified = rule(&self.modified);
        self.removed = rule(&self.removed);
    }
}

/// What became of `old` in `new`.
pub(crate) fn compare(schema: &Schema, old: &Value, new: &Value) -> Changes {
    let mut changes = Changes::default();
    walk(schema, Some(old), Some(new), &mut Vec::new(), &mut changes);
    changes
}

fn leaf(old: Option<&Value>, new: Option<&Value>, path: &[String], changes: &mut Changes) {
    match (old, new) {
        (None, Some(_)) => changes.added.insert(path),
        (Some(_), None) => changes.removed.insert(path),
        (Some(old), Some(new)) if !same(old, new) => changes.modified.insert(path),
        _ => {}
    }
}

/// Equality in which 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn walk(schema: &Schema, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<String>, changes: &mut Changes) {
    let value = new.or(old);
    let shape = shape::of(schema, value);
    if let (Some(o), Some(_)) = (old, new)
        && shape::of(schema, Some(o)) != shape
    {
        return leaf(old, new, path, changes);
    }
    match shape {
        Shape::Leaf => leaf(old, new, path, changes),
        Shape::Map => {
            let (o, n) = (shape::fields(old), shape::fields(new));
            if o.is_empty() && n.is_empty() {
                return leaf(old, new, path, changes);
            }
            let names: std::collections::BTreeSet<&String> = o.keys().chain(n.keys()).collect();
            for name in names {
                let (next, _) = shape::child_or_any(schema, name);
                path.push(field(name));
                walk(next, o.get(name), n.get(name), path, changes);
                path.pop();
            }
            whole(old, new, path, changes);
        }
        Shape::List => {
            if shape::list(old).is_empty() && shape::list(new).is_empty() {
                return leaf(old, new, path, changes);
            }
            lists(schema, old, new, path, changes);
            whole(old, new, path, changes);
        }
    }
}

/// An object or list that came or went is itself added or removed.
fn whole(old: Option<&Value>, new: Option<&Value>, path: &[String], changes: &mut Changes) {
    match (old, new) {
        (None, _) => changes.added.insert(path),
        (_, None) => changes.removed.insert(path),
        _ => {}
    }
}

fn lists(schema: &Schema, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<String>, changes: &mut Changes) {
    type Sides<'a> = (Vec<&'a Value>, Vec<&'a Value>);
    let mut by_element: BTreeMap<String, Sides<'_>> = BTreeMap::new();
    for item in shape::list(old) {
        if let Ok(element) = shape::element(schema, item) {
            by_element.entry(element).or_default().0.push(item);
        }
    }
    for item in shape::list(new) {
        if let Ok(element) = shape::element(schema, item) {
            by_element.entry(element).or_default().1.push(item);
        }
    }
    let items = shape::items(schema);
    for (element, (o, n)) in by_element {
        path.push(element);
        match (o.len(), n.len()) {
            (0 | 1, 0 | 1) => walk(items, o.first().copied(), n.first().copied(), path, changes),
            (2.., 2..) => {
                if o.len() != n.len() || o.iter().zip(&n).any(|(a, b)| !same(a, b)) {
                    changes.modified.insert(path);
                }
            }
            (2.., _) => {
                if let Some(only) = n.first() {
                    walk(items, None, Some(only), path, changes);
                }
                changes.removed.insert(path);
            }
            (_, _) => {
                if let Some(only) = o.first() {
                    walk(items, Some(only), None, path, changes);
                }
                changes.added.insert(path);
            }
        }
        path.pop();
    }
}
