//! Whether a pod may be placed on the node. In: the node and the pod. Out: yes, or what stands against it, worded as the
//! default scheduler words it. Pure.

use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};

/// The taint that being unschedulable amounts to.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What stands against placing the pod on the node, if anything.
pub(crate) fn obstacle(node: &Node, pod: &Pod) -> Option<String> {
    let spec = node.spec.as_ref()?;
    let tolerations = pod.spec.as_ref().and_then(|s| s.tolerations.as_deref()).unwrap_or_default();
    let tolerated = |taint: &Taint| tolerations.iter().any(|t| tolerates(t, taint));
    let cordoned = Taint { key: UNSCHEDULABLE.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    if spec.unschedulable == Some(true) && !tolerated(&cordoned) {
        return Some("0/1 nodes are available: 1 node(s) were unschedulable.".to_owned());
    }
    let taints = spec.taints.as_deref().unwrap_or_default();
    let hard = taints.iter().filter(|t| matches!(t.effect.as_str(), "NoSchedule" | "NoExecute"));
    let taint = hard.into_iter().find(|taint| !tolerated(taint))?;
    let value = taint.value.as_deref().unwrap_or_default();
    Some(format!("0/1 nodes are available: 1 node(s) had untolerated taint {{{}: {value}}}.", taint.key))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let effect = text(&toleration.effect);
    let key = text(&toleration.key);
    (effect.is_empty() || effect == taint.effect)
        && (key.is_empty() || key == taint.key)
        && (toleration.operator.as_deref() == Some("Exists")
            || (!key.is_empty() && text(&toleration.value) == text(&taint.value)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn against(node: Value, tolerations: Value) -> Option<String> {
        let node = serde_json::from_value(json!({"metadata": {}, "spec": node})).unwrap();
        let spec = json!({"containers": [], "tolerations": tolerations});
        let pod = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
        obstacle(&node, &pod)
    }

    #[test]
    fn a_cordoned_node_takes_only_pods_that_tolerate_it() {
        assert!(against(json!({"unschedulable": true}), json!([])).unwrap().contains("were unschedulable"));
        let tolerated = json!([{"key": UNSCHEDULABLE, "operator": "Exists"}]);
        assert_eq!(against(json!({"unschedulable": true}), tolerated), None);
        assert_eq!(against(json!({}), json!([])), None);
    }

    #[test]
    fn a_taint_is_tolerated_by_key_value_and_effect() {
        let node = json!({"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]});
        assert!(against(node.clone(), json!([])).unwrap().ends_with("untolerated taint {a: b}."));
        for (toleration, fits) in [
            (json!({"key": "a", "value": "b"}), true),
            (json!({"key": "a", "value": "c"}), false),
            (json!({"key": "a", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"operator": "Exists"}), true),
        ] {
            assert_eq!(against(node.clone(), json!([toleration])).is_none(), fits, "{toleration}");
        }
        let soft = json!({"taints": [{"key": "a", "effect": "PreferNoSchedule"}]});
        assert_eq!(against(soft, json!([])), None);
    }
}
