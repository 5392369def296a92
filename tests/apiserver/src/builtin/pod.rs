//! What comes in: Pods and pod templates. What goes out: their defaults, what is set on creation, how long deletion takes.
//! Pure.

use serde_json::{Value, json};

use super::edit::{each, fill, items, set, text, with, within};
use super::strategy::{PLAIN, Rules};

pub(super) mod containers;
pub(super) mod validate;
pub(super) mod volumes;

pub(super) const POD: Rules = Rules {
    status: true,
    generation: true,
    default: default_pod,
    create,
    update: carry_over,
    validate: validate::pod,
    validate_change: validate::pod_change,
    ..PLAIN
};

pub(super) const POD_TEMPLATE: Rules =
    Rules { generation: true, default: |object| with(object, "template", default_template), ..PLAIN };

/// The default time that a deleted pod is given, in seconds.
const GRACE: i64 = 30;

fn default_pod(pod: &mut Value) {
    with(pod, "spec", |spec| {
        default_spec(spec);
        for list in ["containers", "initContainers"] {
            each(spec, list, |container| {
                with(container, "resources", |resources| {
                    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
                    within(resources, "requests", |requests| {
                        for (name, amount) in limits {
                            fill(requests, &name, amount);
                        }
                    });
                });
            });
        }
        fill(spec, "enableServiceLinks", true);
    });
}

/// What defaulting does to the template of a workload.
pub(super) fn default_template(template: &mut Value) {
    fill(template, "metadata", json!({}));
    within(template, "spec", default_spec);
}

fn default_spec(spec: &mut Value) {
    // The two spellings of the service account's name are written together.
    let account = match text(spec, "serviceAccountName") {
        "" => text(spec, "serviceAccount").to_owned(),
        name => name.to_owned(),
    };
    if !account.is_empty() {
        set(spec, "serviceAccountName", account.clone());
        set(spec, "serviceAccount", account);
    }
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", GRACE);
    fill(spec, "schedulerName", "default-scheduler");
    let host_network = spec.get("hostNetwork") == Some(&json!(true));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, list, |container| containers::default(container, host_network && list != "ephemeralContainers"));
    }
    each(spec, "volumes", volumes::default);
    each(spec, "topologySpreadConstraints", |constraint| fill(constraint, "whenUnsatisfiable", "DoNotSchedule"));
}

fn create(pod: &mut Value) {
    let qos = quality(pod);
    set(pod, "status", json!({ "phase": "Pending", "qosClass": qos }));
    within(pod, "spec", |spec| {
        // What the admission of a default server adds: service account, priority, tolerations of a lost node.
        fill(spec, "serviceAccountName", "default");
        let account = text(spec, "serviceAccountName").to_owned();
        set(spec, "serviceAccount", account);
        fill(spec, "priority", 0);
        fill(spec, "preemptionPolicy", "PreemptLowerPriority");
        fill(spec, "tolerations", json!([]));
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerated = items(spec, "tolerations").iter().any(|toleration| tolerates(toleration, key));
            if !tolerated && let Some(list) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
                list.push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
            }
        }
    });
}

fn tolerates(toleration: &Value, key: &str) -> bool {
    matches!(text(toleration, "key"), "" | "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
        && (text(toleration, "key").is_empty() || text(toleration, "key") == key)
        && matches!(text(toleration, "effect"), "" | "NoExecute")
}

fn carry_over(new: &mut Value, old: &Value) {
    // A pod that was placed keeps its quality of service, which is part of the status.
    let _ = old;
    with(new, "spec", |spec| fill(spec, "enableServiceLinks", true));
}

/// The quality of service class: `Guaranteed` when every container's limits equal its requests for cpu and memory.
fn quality(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    let containers = items(spec, "containers").iter().chain(items(spec, "initContainers"));
    let mut any = false;
    let mut guaranteed = true;
    for container in containers {
        for resource in ["cpu", "memory"] {
            let request = container.pointer(&format!("/resources/requests/{resource}"));
            let limit = container.pointer(&format!("/resources/limits/{resource}"));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Seconds that a deleted object is given. Only pods have any, and only while they may be running on a node.
pub(super) fn graceful_seconds(object: &Value, requested: Option<i64>) -> i64 {
    if object.get("kind").and_then(Value::as_str) != Some("Pod") {
        return 0;
    }
    let unplaced = object.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default().is_empty();
    let phase = object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    if unplaced || matches!(phase, "Failed" | "Succeeded") {
        return 0;
    }
    let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(GRACE);
    // A negative period means "as short as possible without skipping the shutdown".
    let period = requested.unwrap_or(own);
    if period < 0 { 1 } else { period }
}
