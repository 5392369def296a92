//! Whether a new definition takes less than the one that is there. Both in; the fields that would be narrower, by path,
//! out. Pure.
//!
//! Objects that are stored must stay readable and writable: a field that is gone is pruned at the next write, and one
//! with tighter bounds makes the object unwritable. What only the status says is the plugin's own to change.

use serde_json::{Map, Value};

/// Differences that are named.
const MOST: usize = 8;

/// What would be taken less of, in each version that both have; empty where nothing is.
pub fn narrowed(live: &Value, wanted: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, before) in versions(live) {
        let Some((_, after)) = versions(wanted).find(|(other, _)| *other == name) else { continue };
        let served = |version: &Value| version.get("served") == Some(&Value::Bool(true));
        if served(before) && !served(after) {
            found.push(format!("version {name} is not served any more"));
        }
        let spec = |version: &Value| version.pointer("/schema/openAPIV3Schema/properties/spec").cloned();
        if let (Some(before), Some(after)) = (spec(before), spec(after)) {
            compare(&format!("{name}: spec"), &before, &after, &mut found);
        }
    }
    found.truncate(MOST);
    found
}

fn versions(definition: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    versions.into_iter().flatten().filter_map(|version| Some((version.get("name")?.as_str()?, version)))
}

fn compare(at: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let text = |schema: &Value, key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    let is = |schema: &Value, key: &str| schema.get(key) == Some(&Value::Bool(true));
    let either = |schema: &Value| is(schema, "x-kubernetes-int-or-string");
    if text(before, "type") != text(after, "type") && !either(after) && !is_any(after) {
        let name = |schema: &Value| text(schema, "type").unwrap_or_else(|| "any".into());
        found.push(format!("{at} is {} and was {}", name(after), name(before)));
        return;
    }
    if is(before, "nullable") && !is(after, "nullable") {
        found.push(format!("{at} may not be null any more"));
    }
    bounds(at, before, after, found);
    let empty = Map::new();
    let fields = |schema: &'_ Value| {
        schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_else(|| empty.clone())
    };
    let (old, new) = (fields(before), fields(after));
    let open = is(after, "x-kubernetes-preserve-unknown-fields") || after.get("additionalProperties").is_some();
    for (name, before) in &old {
        match new.get(name) {
            Some(after) => compare(&format!("{at}.{name}"), before, after, found),
            None if open => {}
            None => found.push(format!("{at}.{name} is gone")),
        }
    }
    if is(before, "x-kubernetes-preserve-unknown-fields") && !open {
        found.push(format!("{at} does not keep unknown fields any more"));
    }
    let required = |schema: &Value| -> Vec<String> {
        schema.get("required").and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default()
    };
    let known = required(before);
    for name in required(after).into_iter().filter(|name| !known.contains(name)) {
        // A default fills in what is missing.
        if new.get(&name).is_none_or(|field| field.get("default").is_none()) {
            found.push(format!("{at}.{name} must be there now"));
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let (Some(before), Some(after)) = (before.get(inner), after.get(inner)) {
            compare(&format!("{at}[]"), before, after, found);
        }
    }
}

/// A schema that takes every value.
fn is_any(schema: &Value) -> bool {
    schema.get("type").is_none() && schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
}

fn bounds(at: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let number = |schema: &Value, key: &str| schema.get(key).and_then(Value::as_f64);
    for key in ["minimum", "minLength", "minItems", "minProperties"] {
        if let Some(now) = number(after, key)
            && number(before, key).is_none_or(|was| now > was)
            // No list or text is shorter than nothing.
            && (key == "minimum" || now > 0.0)
        {
            found.push(format!("{at} has {key} {now}"));
        }
    }
    for key in ["maximum", "maxLength", "maxItems", "maxProperties"] {
        if let Some(now) = number(after, key)
            && number(before, key).is_none_or(|was| now < was)
        {
            found.push(format!("{at} has {key} {now}"));
        }
    }
    for key in ["pattern", "format"] {
        if let Some(now) = after.get(key)
            && before.get(key) != Some(now)
        {
            found.push(format!("{at} has {key} {now}"));
        }
    }
    if let Some(now) = after.get("enum").and_then(Value::as_array) {
        match before.get("enum").and_then(Value::as_array) {
            None => found.push(format!("{at} takes only certain values now")),
            Some(was) => {
                let gone = was.iter().filter(|value| !now.contains(value));
                found.extend(gone.map(|value| format!("{at} does not take {value} any more")));
            }
        }
    }
    let rules = |schema: &Value| -> Vec<String> {
        let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
        let texts = rules.into_iter().flatten().filter_map(|rule| rule.get("rule")?.as_str());
        texts.map(str::to_owned).collect()
    };
    let known = rules(before);
    found.extend(
        rules(after)
            .into_iter()
            .filter(|rule| !known.contains(rule))
            .map(|rule| format!("{at} has a new rule: {rule}")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(spec: Value) -> Value {
        let schema = json!({"openAPIV3Schema": {"properties": {"spec": spec, "status": {"type": "object"}}}});
        json!({"spec": {"versions": [{"name": "v1", "served": true, "schema": schema}]}})
    }

    fn of(before: Value, after: Value) -> Vec<String> {
        narrowed(&definition(before), &definition(after))
    }

    #[test]
    fn more_fields_and_wider_bounds_narrow_nothing() {
        let before = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "integer", "minimum": 1, "maximum": 3}, "b": {"type": "string", "enum": ["x"]},
        }});
        let after = json!({"type": "object", "properties": {
            "a": {"type": "integer", "minimum": 0}, "b": {"type": "string", "enum": ["x", "y"], "nullable": true},
            "c": {"type": "string", "maxLength": 3},
        }});
        assert_eq!(of(before.clone(), after), Vec::<String>::new());
        assert_eq!(of(before.clone(), before), Vec::<String>::new());
    }

    #[test]
    fn each_way_of_taking_less_is_named_with_its_path() {
        let before = json!({"type": "object", "properties": {
            "a": {"type": "integer"}, "b": {"type": "string", "enum": ["x", "y"]}, "c": {"type": "array", "items": {"type": "string"}},
            "d": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}, "e": {"type": "string"},
        }});
        let after = json!({"type": "object", "required": ["f"], "properties": {
            "a": {"type": "string"}, "b": {"type": "string", "enum": ["x"]}, "c": {"type": "array", "items": {"type": "string", "maxLength": 3}},
            "d": {"type": "object"}, "f": {"type": "string"},
        }});
        let found = of(before, after);
        assert_eq!(
            found,
            [
                "v1: spec.a is string and was integer",
                "v1: spec.b does not take \"y\" any more",
                "v1: spec.c[] has maxLength 3",
                "v1: spec.d does not keep unknown fields any more",
                "v1: spec.e is gone",
                "v1: spec.f must be there now",
            ]
        );
    }

    #[test]
    fn a_version_that_is_not_served_any_more_is_named() {
        let live = definition(json!({"type": "object"}));
        let mut wanted = live.clone();
        wanted["spec"]["versions"][0]["served"] = json!(false);
        assert_eq!(narrowed(&live, &wanted), ["version v1 is not served any more"]);
    }

    #[test]
    fn a_field_that_must_be_there_and_has_a_default_narrows_nothing() {
        let after =
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "default": "x"}}});
        assert_eq!(of(json!({"type": "object"}), after), Vec::<String>::new());
    }
}
