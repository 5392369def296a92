//! Two outcomes of the same snapshot in, the first difference out (G8).

use super::{error::DecideError, text};
use model::{Decision, Fault};
use serde_json::Value;

/// Bytes of a differing value that are shown.
const SHOWN: usize = 120;

/// The first place in which two outcomes differ, as the error that says so.
pub fn first_difference(first: &Result<Decision, Fault>, second: &Result<Decision, Fault>) -> Option<DecideError> {
    if first == second {
        return None;
    }
    let (first, second) = (serialise(first), serialise(second));
    let mut path = String::new();
    let (first, second) = descend(&first, &second, &mut path)?;
    let show = |value: &Value| text::clean(&value.to_string(), SHOWN);
    Some(DecideError::Nondeterministic {
        path: if path.is_empty() { "decision".into() } else { path },
        first: show(first),
        second: show(second),
    })
}

/// Path of the first place in which two values differ: `spec.ports[0].port`. None where they are equal, or differ as a
/// whole.
pub(super) fn first_path(first: &Value, second: &Value) -> Option<String> {
    let mut path = String::new();
    descend(first, second, &mut path)?;
    (!path.is_empty()).then_some(path)
}

fn serialise(outcome: &Result<Decision, Fault>) -> Value {
    // Nothing in the model refuses to be serialised: no maps with odd keys, no numbers beyond JSON.
    match outcome {
        Ok(decision) => serde_json::to_value(decision).unwrap_or_default(),
        Err(fault) => serde_json::to_value(fault).unwrap_or_default(),
    }
}

fn descend<'a>(first: &'a Value, second: &'a Value, path: &mut String) -> Option<(&'a Value, &'a Value)> {
    use std::fmt::Write;
    if first == second {
        return None;
    }
    match (first, second) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys()) {
                let (left, right) = (left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null));
                if left != right {
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(key);
                    return descend(left, right, path);
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                let (left, right) = (left.get(index).unwrap_or(&Value::Null), right.get(index).unwrap_or(&Value::Null));
                if left != right {
                    // Writing to a string does not fail.
                    let _ = write!(path, "[{index}]");
                    return descend(left, right, path);
                }
            }
        }
        _ => {}
    }
    Some((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decision(status: Value) -> Result<Decision, Fault> {
        Ok(Decision { status, ..Decision::default() })
    }

    #[test]
    fn equal_decisions_have_no_difference() {
        assert_eq!(first_difference(&decision(json!({"a": [1]})), &decision(json!({"a": [1]}))), None);
    }

    #[test]
    fn the_first_differing_path_is_named_with_both_values() {
        let difference = first_difference(
            &decision(json!({"a": 1, "nodes": [{"uid": "x"}, {"uid": "y"}]})),
            &decision(json!({"a": 1, "nodes": [{"uid": "x"}, {"uid": "z"}]})),
        );
        let expected = DecideError::Nondeterministic {
            path: "status.nodes[1].uid".into(),
            first: "\"y\"".into(),
            second: "\"z\"".into(),
        };
        assert_eq!(difference, Some(expected));
    }

    #[test]
    fn a_decision_and_a_fault_differ() {
        let difference = first_difference(&decision(json!({})), &Err(Fault::Retry("later".into())));
        assert!(matches!(difference, Some(DecideError::Nondeterministic { .. })));
    }
}
