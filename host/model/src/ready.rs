//! Whether a live object is ready by the rules of its kind, and if not, why. In: the object. Out: yes or no and a text.

mod workloads;

use crate::kind::Kind;
use crate::text::bounded;
use serde_json::Value;

/// The host's judgement of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// It is ready.
    pub ready: bool,
    /// What there is to say, for people: `2 of 3 replicas ready`. Bounded and without control characters.
    pub reason: String,
}

/// Most bytes of a reason; parts of it come from other controllers.
const REASON_BYTES: usize = 512;

impl Readiness {
    fn yes(reason: &str) -> Self {
        Readiness { ready: true, reason: bounded(reason, REASON_BYTES) }
    }

    fn no(reason: &str) -> Self {
        Readiness { ready: false, reason: bounded(reason, REASON_BYTES) }
    }
}

/// Whether objects of a kind are ready as soon as they exist. What comes after such an item need not wait for a look at
/// it: its successful creation is enough.
pub fn by_existence(kind: &Kind) -> bool {
    match kind.group.as_str() {
        "" => matches!(
            kind.kind.as_str(),
            "ConfigMap"
                | "Endpoints"
                | "Event"
                | "LimitRange"
                | "PodTemplate"
                | "ResourceQuota"
                | "Secret"
                | "ServiceAccount"
        ),
        "apps" => kind.kind == "ControllerRevision",
        "batch" => kind.kind == "CronJob",
        "policy" => kind.kind == "PodDisruptionBudget",
        "networking.k8s.io" => kind.kind != "Ingress",
        "autoscaling"
        | "rbac.authorization.k8s.io"
        | "storage.k8s.io"
        | "scheduling.k8s.io"
        | "discovery.k8s.io"
        | "coordination.k8s.io"
        | "admissionregistration.k8s.io"
        | "node.k8s.io" => true,
        _ => false,
    }
}

/// The judgement of a live object. An object that is being deleted is never ready.
pub fn of(object: &Value) -> Readiness {
    if at(object, &["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null()) {
        return Readiness::no("is being deleted");
    }
    let Some(kind) = crate::snapshot::manifest_kind(object) else { return Readiness::no("is not an object") };
    if by_existence(&kind) {
        return Readiness::yes("exists");
    }
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workloads::replica_set(object),
        ("batch", "Job") => workloads::job(object),
        ("", "Pod") => workloads::pod(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "PersistentVolume") => phase(object, &["Available", "Bound"]),
        ("", "Namespace") => phase(object, &["Active"]),
        ("", "Service") => service(object),
        ("", "Node") => by_condition(object, "Ready"),
        ("networking.k8s.io", "Ingress") => ingress(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => by_condition(object, "Established"),
        ("apiregistration.k8s.io", "APIService") => by_condition(object, "Available"),
        _ => custom(object),
    }
}

/// A claim of a class that waits for its first consumer stays pending until a pod uses it, and that pod may well come
/// after the claim. Nothing in the claim names the mode of its class, but the scheduler notes the node that it selected:
/// a pending claim without that note waits for no more than a pod, or for a provisioner that a pod would wait for as well.
fn claim(object: &Value) -> Readiness {
    match text(object, &["status", "phase"]) {
        Some("Bound") => Readiness::yes("is bound"),
        Some("Lost") => Readiness::no("has lost its volume"),
        _ if at(object, &["metadata", "annotations", "volume.kubernetes.io/selected-node"]).is_some() => {
            Readiness::no("waits for its volume on the node that was selected")
        }
        _ => Readiness::yes("is pending until a pod uses it"),
    }
}

fn service(object: &Value) -> Readiness {
    if text(object, &["spec", "type"]) != Some("LoadBalancer") {
        return Readiness::yes("exists");
    }
    balanced(object)
}

fn ingress(object: &Value) -> Readiness {
    // Many controllers never write an address, and nothing can come after one anyway: it exists.
    match at(object, &["status", "loadBalancer", "ingress"]).and_then(Value::as_array) {
        Some(list) if !list.is_empty() => Readiness::yes("has an address"),
        _ => Readiness::yes("exists, without an address yet"),
    }
}

fn balanced(object: &Value) -> Readiness {
    match at(object, &["status", "loadBalancer", "ingress"]).and_then(Value::as_array) {
        Some(list) if !list.is_empty() => Readiness::yes("has an address"),
        _ => Readiness::no("waits for an address of its load balancer"),
    }
}

fn phase(object: &Value, good: &[&str]) -> Readiness {
    let phase = text(object, &["status", "phase"]).unwrap_or("unknown");
    let reason = format!("is {phase}");
    if good.contains(&phase) { Readiness::yes(&reason) } else { Readiness::no(&reason) }
}

fn by_condition(object: &Value, type_: &str) -> Readiness {
    match condition(object, type_) {
        Some(condition) if is_true(condition) => Readiness::yes(&format!("is {type_}")),
        Some(condition) => Readiness::no(&because(type_, condition)),
        None => Readiness::no(&format!("has no condition {type_} yet")),
    }
}

/// A kind that the host knows nothing about: by its `Ready` condition if it has one that is not out of date, else it is
/// ready when it exists.
fn custom(object: &Value) -> Readiness {
    if let Some(wait) = stale(object) {
        return wait;
    }
    let Some(condition) = condition(object, "Ready") else { return Readiness::yes("exists") };
    let seen = condition.get("observedGeneration").and_then(Value::as_i64);
    if let (Some(seen), Some(generation)) = (seen, integer(object, &["metadata", "generation"]))
        && seen < generation
    {
        return Readiness::no(&format!("its Ready condition is of generation {seen}, the object is at {generation}"));
    }
    if is_true(condition) { Readiness::yes("is Ready") } else { Readiness::no(&because("Ready", condition)) }
}

/// The object's controller has not seen the newest spec yet.
fn stale(object: &Value) -> Option<Readiness> {
    let seen = integer(object, &["status", "observedGeneration"])?;
    let generation = integer(object, &["metadata", "generation"])?;
    (seen < generation).then(|| {
        Readiness::no(&format!("its controller has seen generation {seen}, the object is at generation {generation}"))
    })
}

fn because(type_: &str, condition: &Value) -> String {
    let reason = condition.get("reason").and_then(Value::as_str).unwrap_or("no reason given");
    match condition.get("message").and_then(Value::as_str) {
        Some(message) if !message.is_empty() => format!("is not {type_} ({reason}): {message}"),
        _ => format!("is not {type_} ({reason})"),
    }
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = at(object, &["status", "conditions"])?.as_array()?;
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(type_))
}

fn is_true(condition: &Value) -> bool {
    condition.get("status").and_then(Value::as_str) == Some("True")
}

fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

fn text<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(object, path)?.as_str()
}

fn integer(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path)?.as_i64()
}

#[cfg(test)]
mod tests;
