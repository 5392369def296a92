//! Strategic merge patch: a merge patch in which lists of the built-in kinds merge by key, with the directives `$patch`,
//! `$retainKeys`, `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>`.

use super::PatchError;
use crate::schema::{PatchMerge, Schema};
use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// `object` with `patch` applied.
pub(crate) fn strategic(schema: &Schema, object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let (Some(object), Some(patch)) = (object.as_object(), patch.as_object()) else {
        return Err(PatchError::Malformed("a strategic merge patch must be an object".to_owned()));
    };
    maps(Some(schema), object, patch).map(Value::Object)
}

fn child<'a>(schema: Option<&'a Schema>, name: &str) -> Option<&'a Schema> {
    let schema = schema?;
    schema.properties.get(name).or(schema.additional.as_ref()).map(AsRef::as_ref)
}

fn rule(schema: Option<&Schema>) -> PatchMerge {
    schema.and_then(|s| s.patch.clone()).unwrap_or_default()
}

/// Whether lists under this schema merge at all.
fn merges(schema: Option<&Schema>) -> bool {
    schema.and_then(|s| s.patch.as_ref()).is_some_and(|p| !p.replace || p.merge_key.is_some())
}

fn is_directive(name: &str) -> bool {
    name == DIRECTIVE || name == RETAIN || name.starts_with(ORDER) || name.starts_with(DELETE)
}

/// A patch value for a place where nothing was: without nulls and directives.
fn fresh(schema: Option<&Schema>, value: &Value) -> Result<Option<Value>, PatchError> {
    match value {
        Value::Null => Ok(None),
        Value::Object(map) => {
            if map.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
                return Ok(None);
            }
            maps(schema, &Map::new(), map).map(|m| Some(Value::Object(m)))
        }
        Value::Array(items) if merges(schema) => {
            lists(schema, &[], items, None, &[]).map(|items| Some(Value::Array(items)))
        }
        other => Ok(Some(other.clone())),
    }
}

fn maps(
    schema: Option<&Schema>,
    original: &Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => {
            let mut out = patch.clone();
            out.remove(DIRECTIVE);
            return Ok(out);
        }
        Some("delete") => return Ok(Map::new()),
        Some(other) => return Err(PatchError::Malformed(format!("unknown patch type found in patch: {other}"))),
    }
    let mut out = original.clone();
    if let Some(keep) = patch.get(RETAIN).and_then(Value::as_array) {
        let keep: Vec<&str> = keep.iter().filter_map(Value::as_str).collect();
        if let Some(extra) = patch.keys().find(|k| !is_directive(k) && !keep.contains(&k.as_str())) {
            return Err(PatchError::Malformed(format!(
                "$retainKeys list doesn't contain field {extra} that is set in the patch"
            )));
        }
        out.retain(|name, _| keep.contains(&name.as_str()));
    }
    let mut lists_done: Vec<&str> = Vec::new();
    for (name, value) in patch.iter().filter(|(name, _)| !is_directive(name)) {
        let next = child(schema, name);
        if value.is_null() {
            out.remove(name);
            continue;
        }
        let merged = match (out.get(name), value) {
            (Some(Value::Object(left)), Value::Object(right)) => {
                if rule(next).replace
                    && next.is_some_and(|s| s.patch.is_some())
                    && rule(next).merge_key.is_none()
                    && !rule(next).retain_keys
                {
                    Some(value.clone())
                } else {
                    Some(Value::Object(maps(next, left, right)?))
                }
            }
            (Some(Value::Array(left)), Value::Array(right)) if merges(next) => {
                lists_done.push(name);
                let order = patch.get(&format!("{ORDER}{name}")).and_then(Value::as_array);
                Some(Value::Array(lists(next, left, right, order, deletions(patch, name))?))
            }
            (None, _) => fresh(next, value)?,
            (Some(_), _) => Some(value.clone()),
        };
        match merged {
            Some(merged) => out.insert(name.clone(), merged),
            None => out.remove(name),
        };
    }
    // Directives for lists that the patch itself does not carry.
    for directive in patch.keys() {
        let Some(name) = directive.strip_prefix(ORDER).or_else(|| directive.strip_prefix(DELETE)) else {
            continue;
        };
        if lists_done.contains(&name) {
            continue;
        }
        lists_done.push(name);
        let carried = patch.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if let (Some(Value::Array(left)), true) = (out.get(name).cloned(), carried.is_empty()) {
            let order = patch.get(&format!("{ORDER}{name}")).and_then(Value::as_array);
            let merged = lists(child(schema, name), &left, carried, order, deletions(patch, name))?;
            out.insert(name.to_owned(), Value::Array(merged));
        }
    }
    Ok(out)
}

fn deletions<'a>(patch: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    patch.get(&format!("{DELETE}{name}")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn lists(
    schema: Option<&Schema>,
    original: &[Value],
    patch: &[Value],
    order: Option<&Vec<Value>>,
    delete: &[Value],
) -> Result<Vec<Value>, PatchError> {
    let items = schema.and_then(|s| s.items.as_deref());
    let Some(key) = rule(schema).merge_key else {
        return Ok(scalars(original, patch, order, delete));
    };
    let identity = |item: &Value| item.get(&key).cloned();
    let mut out: Vec<Value> = original.to_vec();
    let mut replace = false;
    for item in patch {
        match item.get(DIRECTIVE).and_then(Value::as_str) {
            Some("delete") => {
                let Some(id) = identity(item) else {
                    return Err(PatchError::Malformed(format!("delete patch type with no merge key defined: {key}")));
                };
                out.retain(|o| identity(o).as_ref() != Some(&id));
            }
            Some("replace") => replace = true,
            Some("merge") | None => {}
            Some(other) => return Err(PatchError::Malformed(format!("unknown patch type found in patch: {other}"))),
        }
    }
    if replace {
        return Ok(patch.iter().filter(|i| i.get(DIRECTIVE).is_none()).cloned().collect());
    }
    for item in patch.iter().filter(|i| !matches!(i.get(DIRECTIVE).and_then(Value::as_str), Some("delete"))) {
        let Some(object) = item.as_object() else {
            return Err(PatchError::Malformed(format!("cannot merge an item that is not an object by {key}")));
        };
        let Some(id) = identity(item) else {
            return Err(PatchError::Malformed(format!("map: {item} does not contain declared merge key: {key}")));
        };
        match out.iter_mut().find(|o| identity(o).as_ref() == Some(&id)) {
            Some(found) => {
                let left = found.as_object().cloned().unwrap_or_default();
                *found = Value::Object(maps(items, &left, object)?);
            }
            None => out.push(Value::Object(maps(items, &Map::new(), object)?)),
        }
    }
    // Without an order of its own the patch is the order: new items come before those that only the server has.
    let order: Vec<Option<Value>> = order.map_or(patch, Vec::as_slice).iter().map(identity).collect();
    let server: Vec<Option<Value>> = original.iter().map(identity).collect();
    Ok(reorder(out, &order, &server, identity))
}

fn scalars(original: &[Value], patch: &[Value], order: Option<&Vec<Value>>, delete: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = original.iter().filter(|v| !delete.contains(v)).cloned().collect();
    for value in patch {
        if !out.contains(value) {
            out.push(value.clone());
        }
    }
    let order: Vec<Option<Value>> = order.map_or(patch, Vec::as_slice).iter().cloned().map(Some).collect();
    let server: Vec<Option<Value>> = original.iter().cloned().map(Some).collect();
    reorder(out, &order, &server, |v| Some(v.clone()))
}

/// Items that the patch orders follow that order; the others are woven in where the server had them.
fn reorder(
    items: Vec<Value>,
    order: &[Option<Value>],
    server: &[Option<Value>],
    identity: impl Fn(&Value) -> Option<Value>,
) -> Vec<Value> {
    let place = |list: &[Option<Value>], item: &Value| list.iter().position(|x| *x == identity(item));
    let (mut ordered, mut others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|i| place(order, i).is_some());
    ordered.sort_by_key(|i| place(order, i));
    others.sort_by_key(|i| place(server, i));
    let mut out = Vec::with_capacity(ordered.len() + others.len());
    let (mut left, mut right) = (others.into_iter().peekable(), ordered.into_iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => {
                let before = matches!((place(server, l), place(server, r)), (Some(a), Some(b)) if a < b);
                out.extend(if before { left.next() } else { right.next() });
            }
            (Some(_), None) => out.extend(left.next()),
            (None, Some(_)) => out.extend(right.next()),
            (None, None) => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::Kind;
    use serde_json::json;
    use std::sync::Arc;

    fn merged_list(merge_key: Option<&str>) -> Schema {
        let patch = PatchMerge { merge_key: merge_key.map(str::to_owned), retain_keys: false, replace: false };
        let list =
            Schema { kind: Kind::Array, patch: Some(patch), items: Some(Arc::new(Schema::any())), ..Schema::default() };
        let mut root = Schema::of(Kind::Object);
        root.properties.insert("l".to_owned(), Arc::new(list));
        root
    }

    fn apply(schema: &Schema, object: Value, patch: Value) -> Value {
        strategic(schema, &object, &patch).unwrap()
    }

    #[test]
    fn items_merge_by_key_and_new_ones_are_appended() {
        let got = apply(
            &merged_list(Some("n")),
            json!({"l": [{"n": "a", "x": 1, "y": 1}]}),
            json!({"l": [{"n": "a", "x": 2}, {"n": "b"}]}),
        );
        assert_eq!(got, json!({"l": [{"n": "a", "x": 2, "y": 1}, {"n": "b"}]}));
    }

    #[test]
    fn items_that_only_the_patch_has_come_before_items_that_only_the_server_has() {
        let schema = merged_list(Some("n"));
        let got = apply(&schema, json!({"l": [{"n": "a"}, {"n": "b"}]}), json!({"l": [{"n": "new"}, {"n": "b"}]}));
        assert_eq!(got, json!({"l": [{"n": "new"}, {"n": "a"}, {"n": "b"}]}));
        let got = apply(&merged_list(None), json!({"l": ["a"]}), json!({"l": ["b"]}));
        assert_eq!(got, json!({"l": ["b", "a"]}));
    }

    #[test]
    fn a_delete_directive_removes_the_item_and_replace_takes_the_whole_list() {
        let schema = merged_list(Some("n"));
        let object = json!({"l": [{"n": "a"}, {"n": "b"}]});
        assert_eq!(
            apply(&schema, object.clone(), json!({"l": [{"n": "a", "$patch": "delete"}]})),
            json!({"l": [{"n": "b"}]})
        );
        assert_eq!(
            apply(&schema, object, json!({"l": [{"$patch": "replace"}, {"n": "c"}]})),
            json!({"l": [{"n": "c"}]})
        );
    }

    #[test]
    fn the_order_of_elements_follows_the_patch() {
        let got = apply(
            &merged_list(Some("n")),
            json!({"l": [{"n": "a"}, {"n": "s"}, {"n": "b"}]}),
            json!({"$setElementOrder/l": [{"n": "b"}, {"n": "a"}]}),
        );
        assert_eq!(got, json!({"l": [{"n": "s"}, {"n": "b"}, {"n": "a"}]}));
    }

    #[test]
    fn scalars_are_a_set_from_which_values_can_be_deleted() {
        let got = apply(
            &merged_list(None),
            json!({"l": ["a", "b"]}),
            json!({"l": ["c"], "$deleteFromPrimitiveList/l": ["a"], "$setElementOrder/l": ["c", "b"]}),
        );
        assert_eq!(got, json!({"l": ["c", "b"]}));
    }

    #[test]
    fn retain_keys_drops_the_others() {
        let got = apply(
            &Schema::any(),
            json!({"s": {"type": "A", "a": 1}}),
            json!({"s": {"$retainKeys": ["type"], "type": "B"}}),
        );
        assert_eq!(got, json!({"s": {"type": "B"}}));
        assert!(strategic(&Schema::any(), &json!({}), &json!({"$patch": "odd"})).is_err());
    }
}
