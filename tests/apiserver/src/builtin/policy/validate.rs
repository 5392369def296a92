//! What comes in: disruption budgets, leases, priorities, autoscalers. What goes out: complaints in the words of a real
//! server. Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors};
use crate::builtin::edit::{items, text};
use crate::builtin::labels;
use crate::field_error::FieldError;

pub(crate) fn disruption_budget(budget: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &budget["spec"];
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        errors.push(FieldError::invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
    }
    for key in ["minAvailable", "maxUnavailable"] {
        if let Some(value) = spec.get(key) {
            check::amount(value, &format!("spec.{key}"), &mut errors);
        }
    }
    labels::selector(&spec["selector"], "spec.selector", &mut errors);
    check::one_of(spec, "unhealthyPodEvictionPolicy", "spec", &["AlwaysAllow", "IfHealthyBudget"], false, &mut errors);
    errors
}

pub(crate) fn lease(lease: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &lease["spec"];
    if let Some(seconds) = spec.get("leaseDurationSeconds")
        && seconds.as_i64().is_some_and(|seconds| seconds <= 0)
    {
        errors.push(FieldError::invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
    }
    check::non_negative(spec, "leaseTransitions", "spec", &mut errors);
    if spec.get("holderIdentity").is_some_and(|holder| *holder == json!("")) && spec.get("strategy").is_some() {
        errors.push(FieldError::invalid("spec.holderIdentity", &json!(""), "must not be empty"));
    }
    errors
}

/// The highest priority that a user may define.
const HIGHEST: i64 = 1_000_000_000;

pub(crate) fn priority_class(class: &Value) -> Errors {
    let mut errors = Vec::new();
    let name = class.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let built_in = matches!(name, "system-cluster-critical" | "system-node-critical");
    if name.starts_with("system-") && !built_in {
        let detail = "priority class names with 'system-' prefix are reserved for system use only. error: ".to_owned()
            + &format!("{name} is not a known system priority class");
        errors.push(FieldError::forbidden("metadata.name", detail));
    } else if !built_in && class.get("value").and_then(Value::as_i64).is_some_and(|value| value > HIGHEST) {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        errors.push(FieldError::forbidden("value", detail));
    }
    check::one_of(class, "preemptionPolicy", "", &["Never", "PreemptLowerPriority"], false, &mut errors);
    errors
}

pub(crate) fn priority_class_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    if new.get("value") != old.get("value") {
        errors.push(FieldError::forbidden("value", "may not be changed in an update."));
    }
    check::immutable(new, old, "/preemptionPolicy", "preemptionPolicy", &mut errors);
    errors
}

pub(crate) fn autoscaler(scaler: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &scaler["spec"];
    let (least, most) =
        (spec.get("minReplicas").and_then(Value::as_i64), spec.get("maxReplicas").and_then(Value::as_i64).unwrap_or(0));
    if least.is_some_and(|least| least < 1) {
        errors.push(FieldError::invalid(
            "spec.minReplicas",
            &spec["minReplicas"],
            "must be greater than or equal to 1",
        ));
    }
    if most < 1 {
        errors.push(FieldError::invalid("spec.maxReplicas", &json!(most), "must be greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &json!(most),
            "must be greater than or equal to `minReplicas`",
        ));
    }
    check::required(&spec["scaleTargetRef"], "kind", "spec.scaleTargetRef", &mut errors);
    check::required(&spec["scaleTargetRef"], "name", "spec.scaleTargetRef", &mut errors);
    for (index, metric) in items(spec, "metrics").iter().enumerate() {
        let path = format!("spec.metrics[{index}]");
        let kinds = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        if text(metric, "type").is_empty() {
            errors.push(FieldError::required(format!("{path}.type"), "must specify a metric source type"));
        } else {
            check::one_of(metric, "type", &path, &kinds, true, &mut errors);
        }
    }
    errors
}
