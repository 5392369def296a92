//! Questions about pods that several controllers ask, and pods from templates. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::core::metadata::ObjectMeta;

/// The pod's phase, empty when it has none yet.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// The pod's condition of this type.
pub(crate) fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|c| c.type_ == type_)
}

/// Whether the Ready condition holds.
pub(crate) fn has_ready_condition(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Running and ready, which is what StatefulSets wait for.
pub(crate) fn is_running_and_ready(pod: &Pod) -> bool {
    phase(pod) == "Running" && has_ready_condition(pod)
}

/// Whether somebody asked for the pod's deletion.
pub(crate) fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether all containers have ended for good.
pub(crate) fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Neither finished nor on its way out.
pub(crate) fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && !is_terminating(pod)
}

/// How long until a pod has been ready for `min_ready_seconds`: zero when it is available, `None` while not ready.
pub(crate) fn until_available(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> Option<Duration> {
    let ready = condition(pod, "Ready").filter(|c| c.status == "True")?;
    let wanted = i64::from(min_ready_seconds);
    let since = match &ready.last_transition_time {
        Some(Time(at)) => now.as_second() - at.as_second(),
        None if wanted == 0 => 0,
        None => return None,
    };
    Some(Duration::from_secs((wanted - since).clamp(0, wanted.max(0)) as u64))
}

/// A pod made from a template for a controller.
pub(crate) fn from_template(template: &PodTemplateSpec, owner: OwnerReference, namespace: &str, prefix: &str) -> Pod {
    let meta = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            generate_name: Some(format!("{prefix}-")),
            labels: meta.labels,
            annotations: meta.annotations,
            finalizers: meta.finalizers,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}
