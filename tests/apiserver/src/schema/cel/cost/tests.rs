#![allow(clippy::unwrap_used)]
use super::*;
use crate::schema::structural;
use serde_json::{Value, json};

fn cost(schema: Value, rule: &str) -> Result<u64, Unknown> {
    let kind = super::super::types::declare(&structural::node(&schema), false).unwrap();
    estimate(&Program::compile(rule).unwrap(), &kind, false).map(|estimate| estimate.cost)
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn comparing_numbers_is_cheap() {
    let schema = object(json!({"size": {"type": "integer"}}));
    assert!(cost(schema, "self.size > 2 && self.size < 9").unwrap() < 20);
}

#[test]
fn loops_cost_as_often_as_their_lists_may_have_items() {
    let bounded = |most: u64| object(json!({"l": {"type": "array", "maxItems": most, "items": {"type": "integer"}}}));
    let small = cost(bounded(10), "self.l.all(x, x > 0)").unwrap();
    let large = cost(bounded(1000), "self.l.all(x, x > 0)").unwrap();
    assert!(small < 200 && large > 50 * small, "{small} {large}");
}

#[test]
fn nested_loops_over_unbounded_lists_are_out_of_reach() {
    let schema = object(json!({"l": {"type": "array", "items": {"type": "string"}}}));
    assert!(cost(schema.clone(), "self.l.all(x, self.l.exists(y, x == y))").unwrap() > 10_000_000 * 100);
    assert!(cost(schema, "self.l.size() < 5").unwrap() < 10);
}

#[test]
fn long_texts_cost_by_length() {
    let text = |bounds: Value| object(json!({"t": bounds}));
    let free = cost(text(json!({"type": "string"})), "self.t.contains('abc')").unwrap();
    let bounded = cost(text(json!({"type": "string", "maxLength": 10})), "self.t.contains('abc')").unwrap();
    assert!(free > 300_000 && bounded < 20, "{free} {bounded}");
}

#[test]
fn names_that_do_not_exist_are_found() {
    let schema = object(json!({"size": {"type": "integer"}}));
    assert_eq!(cost(schema.clone(), "self.sise > 2"), Err(Unknown::Field("sise".to_owned())));
    assert_eq!(cost(schema, "other > 2"), Err(Unknown::Variable("other".to_owned())));
}
