//! Label selectors. In: a selector and labels. Out: whether they match. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Labels as objects carry them.
pub(crate) type Labels = BTreeMap<String, String>;

/// Whether `labels` satisfy `selector`. An empty selector matches everything, an unknown operator nothing.
pub(crate) fn matches(selector: &LabelSelector, labels: Option<&Labels>) -> bool {
    let get = |key: &str| labels.and_then(|l| l.get(key));
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| get(key) == Some(value));
    exact
        && selector.match_expressions.iter().flatten().all(|e| {
            let listed = |value: &String| e.values.iter().flatten().any(|v| v == value);
            match e.operator.as_str() {
                "In" => get(&e.key).is_some_and(listed),
                "NotIn" => !get(&e.key).is_some_and(listed),
                "Exists" => get(&e.key).is_some(),
                "DoesNotExist" => get(&e.key).is_none(),
                _ => false,
            }
        })
}

/// Whether a selector selects everything, which controllers refuse to act on.
pub(crate) fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none()
}

/// Whether `labels` carry every pair of `wanted` (the map form that Services use).
pub(crate) fn contains(wanted: &Labels, labels: Option<&Labels>) -> bool {
    wanted.iter().all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn selector(json: serde_json::Value) -> LabelSelector {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn expressions_and_labels_must_all_hold() {
        let labels = Labels::from([("app".into(), "w".into()), ("tier".into(), "db".into())]);
        let s = selector(serde_json::json!({"matchLabels": {"app": "w"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["db", "cache"]}]}));
        assert!(matches(&s, Some(&labels)));
        let s = selector(serde_json::json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}));
        assert!(!matches(&s, Some(&labels)));
        assert!(matches(&s, None));
    }

    #[test]
    fn an_absent_label_satisfies_not_in() {
        let s = selector(serde_json::json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}));
        assert!(matches(&s, None));
    }
}
