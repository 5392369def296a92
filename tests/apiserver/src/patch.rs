//! The patch formats: an object and a patch come in, the patched object comes out. Pure.

mod strategic;

pub(crate) use strategic::strategic;

use serde_json::{Map, Value};

/// Why a patch could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    /// It is not a patch of this format.
    #[error("{0}")]
    Malformed(String),
    /// It is, but does not apply to this object.
    #[error("{0}")]
    Rejected(String),
    /// It has more operations than allowed.
    #[error("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {0}")]
    TooMany(usize),
}

/// Operations that a JSON patch may have.
pub(crate) const MOST_OPERATIONS: usize = 10_000;

/// RFC 7396.
pub(crate) fn merge(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    if !patch.is_object() {
        return Err(PatchError::Malformed("json: cannot unmarshal a merge patch that is not an object".to_owned()));
    }
    let mut out = object.clone();
    merge_into(&mut out, patch);
    Ok(out)
}

fn merge_into(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                merge_into(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

/// RFC 6902.
pub(crate) fn json(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|e| PatchError::Malformed(e.to_string()))?;
    if operations.0.len() > MOST_OPERATIONS {
        return Err(PatchError::TooMany(operations.0.len()));
    }
    let mut out = object.clone();
    json_patch::patch(&mut out, &operations).map_err(|e| PatchError::Rejected(e.to_string()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_removes_with_null_and_merges_objects() {
        let got =
            merge(&json!({"a": {"b": 1, "c": 2}, "l": [1]}), &json!({"a": {"b": null, "d": {"e": null}}, "l": [2]}))
                .unwrap();
        assert_eq!(got, json!({"a": {"c": 2, "d": {}}, "l": [2]}));
        assert!(merge(&json!({}), &json!([1])).is_err());
    }

    #[test]
    fn a_json_patch_that_fails_leaves_nothing_half_done() {
        let object = json!({"a": 1});
        let patch = json!([{"op": "replace", "path": "/a", "value": 2}, {"op": "test", "path": "/a", "value": 3}]);
        assert!(matches!(json(&object, &patch), Err(PatchError::Rejected(_))));
        assert!(matches!(json(&object, &json!([{"op": "nonsense"}])), Err(PatchError::Malformed(_))));
    }
}
