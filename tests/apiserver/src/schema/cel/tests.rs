#![allow(clippy::unwrap_used)]
use super::*;
use crate::field_error::join;
use crate::schema::structural;

fn run(schema: Value, value: &Value, old: Option<&Value>) -> String {
    join(&errors(&structural::node(&schema), value, old))
}

fn spec(rule: Value) -> Value {
    json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "properties": {
            "n": {"type": "integer"}, "f": {"type": "number"}, "t": {"type": "string", "format": "date-time"},
            "d": {"type": "string", "format": "duration"}, "my-name": {"type": "string"},
            "m": {"type": "object", "additionalProperties": {"type": "string"}},
            "q": {"x-kubernetes-int-or-string": true}, "l": {"type": "array", "items": {"type": "string"}},
        },
        "x-kubernetes-validations": [rule],
    }}})
}

#[test]
fn rules_see_values_by_their_formats() {
    let value = json!({"spec": {"n": 3, "f": 2, "t": "2024-01-02T00:00:00Z", "d": "1h30m", "my-name": "x", "m": {"a-b": "c"}, "q": "50%", "l": ["a", "b"]}});
    for rule in [
        "self.n + 1 == 4",
        "self.f == 2.0",
        "self.t > timestamp('2024-01-01T00:00:00Z')",
        "self.d == duration('90m')",
        "self.my__dash__name == 'x'",
        "self.m['a-b'] == 'c'",
        "type(self.q) == string",
        "self.l.all(x, x.size() == 1)",
        "has(self.n) && !has(self.absent)",
    ] {
        assert_eq!(run(spec(json!({"rule": rule})), &value, None), "[]", "{rule}");
    }
}

#[test]
fn messages_reasons_and_places_are_the_rules_own() {
    let value = json!({"spec": {"n": 1}});
    for (rule, want) in [
        (json!({"rule": "self.n > 1"}), "spec: Invalid value: failed rule: self.n > 1"),
        (json!({"rule": "self.n > 1", "message": " too small "}), "spec: Invalid value: too small"),
        (json!({"rule": "self.n > 1", "messageExpression": "'n is ' + string(self.n)"}), "spec: Invalid value: n is 1"),
        (json!({"rule": "self.n > 1", "message": "m", "reason": "FieldValueForbidden"}), "spec: Forbidden: m"),
        (
            json!({"rule": "self.n > 1", "message": "m", "reason": "FieldValueRequired", "fieldPath": ".n"}),
            "spec.n: Required value: m",
        ),
    ] {
        assert_eq!(run(spec(rule.clone()), &value, None), want, "{rule}");
    }
    let scalar = json!({"type": "object", "properties": {"n": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "message": "m"}]}}});
    assert_eq!(run(scalar, &json!({"n": 1}), None), "n: Invalid value: 1: m");
}

#[test]
fn optional_old_values_let_rules_run_on_creation() {
    let rule = json!({"rule": "oldSelf.hasValue() || self.n == 1", "optionalOldSelf": true, "message": "starts at 1"});
    assert_eq!(run(spec(rule.clone()), &json!({"spec": {"n": 2}}), None), "spec: Invalid value: starts at 1");
    assert_eq!(run(spec(rule), &json!({"spec": {"n": 2}}), Some(&json!({"spec": {"n": 1}}))), "[]");
}

#[test]
fn what_did_not_change_may_break_rules_of_the_present() {
    let rule = json!({"rule": "self.n > 1", "message": "m"});
    let same = json!({"spec": {"n": 1}});
    assert_eq!(run(spec(rule.clone()), &same, Some(&same)), "[]");
    assert_eq!(run(spec(rule), &json!({"spec": {"n": 0}}), Some(&same)), "spec: Invalid value: m");
}

#[test]
fn a_rule_that_fails_to_run_says_why() {
    let told = run(spec(json!({"rule": "self.m['x'] == 'y'"})), &json!({"spec": {"m": {}}}), None);
    assert_eq!(told, "spec: Invalid value: \"object\": no such key: x evaluating rule: self.m['x'] == 'y'");
}
