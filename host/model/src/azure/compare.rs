//! What of a body is not as it should be. In: what is wanted and what ARM returned. Out: the places that differ, and the
//! smallest body that mends them. Only what is wanted counts: what ARM or others add stays as it is.

use serde_json::{Map, Value};

/// JSON pointers of everything that is wanted and not so. A list is one value: it differs as a whole.
pub fn differences(wanted: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(wanted, live, "", &mut found);
    found
}

fn walk(wanted: &Value, live: &Value, at: &str, found: &mut Vec<String>) {
    match wanted {
        // Field by field, whatever is there in its place: an object that is wanted empty asks for nothing.
        Value::Object(fields) => {
            for (key, value) in fields {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                walk(value, live.get(key).unwrap_or(&Value::Null), &at, found);
            }
        }
        _ if same(wanted, live, at) => {}
        _ => found.push(at.to_owned()),
    }
}

fn same(wanted: &Value, live: &Value, at: &str) -> bool {
    match (wanted, live) {
        (Value::String(one), Value::String(two)) if at == "/location" => region(one) == region(two),
        // Ids of resources differ not by case, and ARM returns them as it likes.
        (Value::String(one), Value::String(two)) if one.starts_with("/subscriptions/") => one.eq_ignore_ascii_case(two),
        (Value::Number(one), Value::Number(two)) => one == two || one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| differences(one, two).is_empty())
        }
        _ => wanted == live,
    }
}

/// `East US` and `eastus` are one region.
fn region(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// The smallest body that holds these places of `wanted`. `tags` is one value for ARM, and what is not sent again is gone:
/// where a tag is among the places, all that are there are sent with those that are wanted.
pub fn patch(wanted: &Value, live: &Value, places: &[String]) -> Value {
    let mut body = Value::Object(Map::new());
    for place in places.iter().filter(|place| !in_tags(place)) {
        if let Some(value) = wanted.pointer(place) {
            set(&mut body, place, value.clone());
        }
    }
    if places.iter().any(|place| in_tags(place)) {
        set(&mut body, "/tags", merged_tags(wanted, live));
    }
    body
}

/// All tags that are there, with those that are wanted over them.
pub fn merged_tags(wanted: &Value, live: &Value) -> Value {
    let of = |body: &Value| body.get("tags").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut tags = of(live);
    tags.extend(of(wanted));
    Value::Object(tags)
}

/// Whether a place is that of the tags, or in them.
pub fn in_tags(place: &str) -> bool {
    place == "/tags" || place.starts_with("/tags/")
}

/// Sets a value at a JSON pointer, making the objects on the way.
pub fn set(body: &mut Value, pointer: &str, value: Value) {
    let mut at = body;
    let mut keys = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).peekable();
    while let Some(key) = keys.next() {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(fields) = at.as_object_mut() else { return };
        if keys.peek().is_none() {
            fields.insert(key, value);
            return;
        }
        at = fields.entry(key).or_insert_with(|| Value::Object(Map::new()));
    }
}

/// Takes a value out at a JSON pointer.
pub fn remove(body: &mut Value, pointer: &str) {
    let Some((outer, key)) = pointer.rsplit_once('/') else { return };
    if let Some(fields) = body.pointer_mut(outer).and_then(Value::as_object_mut) {
        fields.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_wanted_counts() {
        let live = json!({"location": "East US", "properties": {"a": 1, "b": 2}, "sku": {"name": "S"}});
        assert!(differences(&json!({"location": "eastus", "properties": {"a": 1.0}}), &live).is_empty());
        assert_eq!(differences(&json!({"properties": {"a": 3, "c": 1}}), &live), ["/properties/a", "/properties/c"]);
        assert!(differences(&json!({"properties": {"c": null}, "x": {}}), &live).is_empty());
    }

    #[test]
    fn ids_differ_not_by_case_and_lists_differ_as_a_whole() {
        let live = json!({"pool": "/subscriptions/A/x", "list": [{"a": 1, "b": 2}]});
        assert!(differences(&json!({"pool": "/subscriptions/a/X", "list": [{"a": 1}]}), &live).is_empty());
        assert_eq!(differences(&json!({"list": [{"a": 2}]}), &live), ["/list"]);
        assert_eq!(differences(&json!({"list": []}), &live), ["/list"]);
    }

    #[test]
    fn a_patch_holds_what_differs_and_all_tags_where_one_does() {
        let wanted = json!({"tags": {"a": "1"}, "properties": {"x": 1, "y": {"z": 2}}});
        let live = json!({"tags": {"theirs": "t"}, "properties": {"x": 1}});
        let places = differences(&wanted, &live);
        let patch = patch(&wanted, &live, &places);
        assert_eq!(patch, json!({"tags": {"a": "1", "theirs": "t"}, "properties": {"y": {"z": 2}}}));
    }
}
