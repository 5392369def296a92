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

/// Path of the first field of what is wanted that is another in what is there: `spec.ports[0].port`. What is there may have
/// more. None where all is as wanted.
pub(super) fn first_unmet(wanted: &Value, live: &Value) -> Option<String> {
    fn descend(wanted: &Value, live: &Value, path: &str) -> Option<String> {
        match (wanted, live) {
            (Value::Object(wanted), Value::Object(live)) => wanted.iter().find_map(|(key, wanted)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                descend(wanted, live.get(key).unwrap_or(&Value::Null), &path)
            }),
            (Value::Array(wanted), Value::Array(live)) if wanted.len() == live.len() => {
                let mut pairs = wanted.iter().zip(live).enumerate();
                pairs.find_map(|(at, (wanted, live))| descend(wanted, live, &format!("{path}[{at}]")))
            }
            _ => (wanted != live).then(|| path.to_owned()),
        }
    }
    descend(wanted, live, "")
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

    #[test]
    fn a_wanted_field_that_is_another_is_named_and_what_is_there_besides_is_not() {
        let live = json!({"metadata": {"uid": "u"}, "spec": {"ports": [{"port": 1, "protocol": "TCP"}]}});
        let unmet = |wanted: Value| first_unmet(&wanted, &live);
        assert_eq!(unmet(json!({"spec": {"ports": [{"port": 1}]}})), None);
        assert_eq!(unmet(json!({"spec": {"ports": [{"port": 2}]}})), Some("spec.ports[0].port".into()));
        assert_eq!(unmet(json!({"spec": {"ports": []}})), Some("spec.ports".into()));
        assert_eq!(unmet(json!({"spec": {"ports": [{"name": "a"}]}})), Some("spec.ports[0].name".into()));
    }
}
