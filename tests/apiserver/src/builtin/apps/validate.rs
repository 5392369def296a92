//! What comes in: workloads. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors};
use crate::builtin::edit::{drop_key, items, text};
use crate::builtin::labels;
use crate::builtin::pod::validate::{lasting, template};
use crate::builtin::volume::validate::claim_spec;
use crate::field_error::FieldError;

/// The selector of a workload, which must be there and say something.
fn selector(spec: &Value, owner: &str, errors: &mut Errors) {
    match spec.get("selector").filter(|selector| selector.is_object()) {
        None => errors.push(FieldError::required("spec.selector", "")),
        Some(selector) => {
            labels::selector(selector, "spec.selector", errors);
            if labels::is_empty(selector) {
                let detail = format!("empty selector is invalid for {owner}");
                errors.push(FieldError::invalid("spec.selector", selector, detail));
            }
        }
    }
}

fn pods(spec: &Value, owner: &str, errors: &mut Errors) {
    template(&spec["template"], spec.get("selector"), "spec.template", errors);
    lasting(&spec["template"], "spec.template", owner, errors);
}

/// Whether a number or percentage is nothing.
fn is_zero(value: Option<&Value>) -> bool {
    value.is_some_and(|value| *value == json!(0) || *value == json!("0%"))
}

pub(crate) fn deployment(deployment: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &deployment["spec"];
    check::non_negative(spec, "replicas", "spec", &mut errors);
    selector(spec, "deployment", &mut errors);
    pods(spec, "ReplicaSet", &mut errors);
    let strategy = &spec["strategy"];
    let rolling = strategy.get("rollingUpdate");
    match text(strategy, "type") {
        "Recreate" if rolling.is_some() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        }
        "RollingUpdate" => {
            for key in ["maxUnavailable", "maxSurge"] {
                if let Some(value) = rolling.and_then(|rolling| rolling.get(key)) {
                    let field = format!("spec.strategy.rollingUpdate.{key}");
                    // A surge may be more than everything.
                    if key == "maxUnavailable" || value.is_number() {
                        check::amount(value, &field, &mut errors);
                    }
                }
            }
            let of = |key: &str| rolling.and_then(|rolling| rolling.get(key));
            if is_zero(of("maxUnavailable")) && is_zero(of("maxSurge")) {
                let field = "spec.strategy.rollingUpdate.maxUnavailable";
                let value = of("maxUnavailable").unwrap_or(&Value::Null);
                errors.push(FieldError::invalid(field, value, "may not be 0 when `maxSurge` is 0"));
            }
        }
        _ => check::one_of(strategy, "type", "spec.strategy", &["Recreate", "RollingUpdate"], true, &mut errors),
    }
    check::non_negative(spec, "minReadySeconds", "spec", &mut errors);
    check::non_negative(spec, "revisionHistoryLimit", "spec", &mut errors);
    check::non_negative(spec, "progressDeadlineSeconds", "spec", &mut errors);
    let seconds = |key: &str| spec.get(key).and_then(Value::as_i64);
    if let Some(deadline) = seconds("progressDeadlineSeconds")
        && deadline <= seconds("minReadySeconds").unwrap_or(0)
    {
        let field = "spec.progressDeadlineSeconds";
        errors.push(FieldError::invalid(field, &json!(deadline), "must be greater than minReadySeconds"));
    }
    errors
}

pub(crate) fn replica_set(set: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &set["spec"];
    check::non_negative(spec, "replicas", "spec", &mut errors);
    check::non_negative(spec, "minReadySeconds", "spec", &mut errors);
    selector(spec, "deployment", &mut errors);
    pods(spec, "ReplicaSet", &mut errors);
    errors
}

pub(crate) fn daemon_set(set: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &set["spec"];
    selector(spec, "daemonset", &mut errors);
    pods(spec, "DaemonSet", &mut errors);
    check::non_negative(spec, "minReadySeconds", "spec", &mut errors);
    check::one_of(
        &spec["updateStrategy"],
        "type",
        "spec.updateStrategy",
        &["OnDelete", "RollingUpdate"],
        true,
        &mut errors,
    );
    check::non_negative(spec, "revisionHistoryLimit", "spec", &mut errors);
    errors
}

pub(crate) fn selector_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    check::immutable(new, old, "/spec/selector", "spec.selector", &mut errors);
    errors
}

pub(crate) fn stateful_set(set: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &set["spec"];
    check::one_of(spec, "podManagementPolicy", "spec", &["OrderedReady", "Parallel"], true, &mut errors);
    let strategy = &spec["updateStrategy"];
    match text(strategy, "type") {
        "OnDelete" if strategy.get("rollingUpdate").is_some() => {
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            errors.push(FieldError::invalid("spec.updateStrategy.rollingUpdate", &strategy["rollingUpdate"], detail));
        }
        "RollingUpdate" => {
            if let Some(rolling) = strategy.get("rollingUpdate") {
                check::non_negative(rolling, "partition", "spec.updateStrategy.rollingUpdate", &mut errors);
            }
        }
        _ => check::one_of(strategy, "type", "spec.updateStrategy", &["OnDelete", "RollingUpdate"], true, &mut errors),
    }
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    for key in ["whenDeleted", "whenScaled"] {
        check::one_of(
            retention,
            key,
            "spec.persistentVolumeClaimRetentionPolicy",
            &["Retain", "Delete"],
            true,
            &mut errors,
        );
    }
    check::non_negative(spec, "replicas", "spec", &mut errors);
    check::non_negative(spec, "minReadySeconds", "spec", &mut errors);
    if let Some(ordinals) = spec.get("ordinals") {
        check::non_negative(ordinals, "start", "spec.ordinals", &mut errors);
    }
    check::non_negative(spec, "revisionHistoryLimit", "spec", &mut errors);
    selector(spec, "statefulset", &mut errors);
    // Claims of a StatefulSet become volumes of its pods.
    let mut pods = spec["template"].clone();
    let claims = items(spec, "volumeClaimTemplates");
    if let Some(inner) = pods.get_mut("spec").and_then(Value::as_object_mut) {
        let volumes = inner.entry("volumes").or_insert_with(|| json!([]));
        if let Some(volumes) = volumes.as_array_mut() {
            for claim in claims {
                let name = &claim["metadata"]["name"];
                volumes.retain(|volume| volume.get("name") != Some(name));
                volumes.push(json!({ "name": name, "emptyDir": {} }));
            }
        }
    }
    template(&pods, spec.get("selector"), "spec.template", &mut errors);
    lasting(&spec["template"], "spec.template", "StatefulSet", &mut errors);
    for (index, claim) in claims.iter().enumerate() {
        claim_spec(&claim["spec"], &format!("spec.volumeClaimTemplates[{index}].spec"), &mut errors);
    }
    errors
}

/// What may change in a StatefulSet.
const CHANGES: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

pub(crate) fn stateful_set_change(new: &Value, old: &Value) -> Errors {
    let fixed = |set: &Value| {
        let mut spec = set.get("spec").cloned().unwrap_or_default();
        for key in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            drop_key(&mut spec, key);
        }
        spec
    };
    if fixed(new) == fixed(old) { Vec::new() } else { vec![FieldError::forbidden("spec", CHANGES)] }
}

pub(crate) fn revision(revision: &Value) -> Errors {
    let mut errors = Vec::new();
    if revision.get("data").is_none_or(Value::is_null) {
        errors.push(FieldError::required("data", "data is mandatory"));
    }
    check::non_negative(revision, "revision", "", &mut errors);
    errors
}

pub(crate) fn revision_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    check::immutable(new, old, "/data", "data", &mut errors);
    errors
}
