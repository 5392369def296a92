//! What comes in: an object of a built-in kind. What goes out: the cells of its row. Pure.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{age, pods, workloads};

/// Text at a pointer, empty when absent.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number at a pointer, 0 when absent.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The items of a list at a pointer.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn size(object: &Value, pointer: &str) -> usize {
    object.pointer(pointer).and_then(Value::as_object).map_or(0, Map::len)
}

/// Labels as `a=b,c=d`.
pub(super) fn labels(value: Option<&Value>) -> String {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    let joined =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(",");
    if joined.is_empty() { "<none>".to_owned() } else { joined }
}

/// A label selector as text.
pub(super) fn selector(value: Option<&Value>) -> String {
    let Some(value) = value.filter(|value| value.is_object()) else { return "<none>".to_owned() };
    let mut parts: Vec<String> = value
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for requirement in items(value, "/matchExpressions") {
        let key = text(requirement, "/key");
        let mut values: Vec<&str> = items(requirement, "/values").iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        parts.push(match text(requirement, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}

/// The cells of an object of a built-in kind.
pub(super) fn builtin(group: &str, kind: &str, object: &Value, now: DateTime<Utc>) -> Vec<Value> {
    if group.is_empty() && kind == "Pod" {
        return pods::row(object, now);
    }
    if let Some(cells) = workloads::row(kind, object, now) {
        return cells;
    }
    let name = json!(text(object, "/metadata/name"));
    let created = object.pointer("/metadata/creationTimestamp");
    let aged = json!(age::since(now, created));
    let at = |pointer: &str| json!(text(object, pointer));
    match kind {
        "Service" => {
            let ports = items(object, "/spec/ports").iter().map(port).collect::<Vec<_>>().join(",");
            vec![
                name,
                at("/spec/type"),
                json!(or_none(text(object, "/spec/clusterIP"))),
                json!(external(object)),
                json!(or_none(&ports)),
                aged,
                json!(labels(object.pointer("/spec/selector"))),
            ]
        }
        "PersistentVolumeClaim" => claim(object, name, aged),
        "PersistentVolume" => volume(object, name, aged),
        "Event" => event(object, now),
        "Node" => node(object, name, aged),
        "Namespace" => vec![name, at("/status/phase"), aged],
        "Secret" => vec![name, at("/type"), json!(size(object, "/data")), aged],
        "ConfigMap" => vec![name, json!(size(object, "/data") + size(object, "/binaryData")), aged],
        "ServiceAccount" => vec![name, json!(items(object, "/secrets").len()), aged],
        "PodTemplate" => {
            let containers = items(object, "/template/spec/containers");
            let join = |key: &str| {
                json!(containers.iter().map(|container| text(container, key)).collect::<Vec<_>>().join(","))
            };
            vec![name, join("/name"), join("/image"), json!(labels(object.pointer("/template/metadata/labels")))]
        }
        "PodDisruptionBudget" => {
            let either = |pointer: &str| object.pointer(pointer).map_or_else(|| "N/A".to_owned(), plain);
            vec![
                name,
                json!(either("/spec/minAvailable")),
                json!(either("/spec/maxUnavailable")),
                json!(number(object, "/status/disruptionsAllowed")),
                aged,
            ]
        }
        "ControllerRevision" => {
            let owner =
                items(object, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == json!(true));
            let controller = owner.map_or_else(
                || "<none>".to_owned(),
                |owner| {
                    let group = text(owner, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
                    let kind = text(owner, "/kind").to_lowercase();
                    let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
                    format!("{kind}/{}", text(owner, "/name"))
                },
            );
            vec![name, json!(controller), json!(number(object, "/revision")), aged]
        }
        "Ingress" => vec![
            name,
            json!(or_none(text(object, "/spec/ingressClassName"))),
            json!(hosts(object)),
            json!(balancer(object)),
            json!(if items(object, "/spec/tls").is_empty() { "80" } else { "80, 443" }),
            aged,
        ],
        "IngressClass" => {
            let parameters = object.pointer("/spec/parameters").map_or_else(
                || "<none>".to_owned(),
                |reference| {
                    let kind = text(reference, "/kind");
                    let group = text(reference, "/apiGroup");
                    let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
                    format!("{kind}/{}", text(reference, "/name"))
                },
            );
            vec![name, at("/spec/controller"), json!(parameters), aged]
        }
        "NetworkPolicy" => vec![name, json!(selector(object.pointer("/spec/podSelector"))), aged],
        "Endpoints" => vec![name, json!(endpoints(object)), aged],
        "EndpointSlice" => slice(object, name, aged),
        "ResourceQuota" => {
            let [requests, limits] = quota(object);
            vec![name, json!(requests), json!(limits), aged]
        }
        "StorageClass" => {
            let default = text(object, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true";
            let name = text(object, "/metadata/name");
            vec![
                json!(if default { format!("{name} (default)") } else { name.to_owned() }),
                at("/provisioner"),
                at("/reclaimPolicy"),
                at("/volumeBindingMode"),
                json!(object.get("allowVolumeExpansion") == Some(&json!(true))),
                aged,
            ]
        }
        "HorizontalPodAutoscaler" => vec![
            name,
            json!(format!(
                "{}/{}",
                text(object, "/spec/scaleTargetRef/kind"),
                text(object, "/spec/scaleTargetRef/name")
            )),
            json!(targets(object)),
            json!(object.pointer("/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), plain)),
            json!(number(object, "/spec/maxReplicas")),
            json!(number(object, "/status/currentReplicas")),
            aged,
        ],
        "RoleBinding" | "ClusterRoleBinding" => {
            let of = |kind: &str| {
                let named = items(object, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
                let names = named.map(|subject| match (kind, text(subject, "/namespace")) {
                    ("ServiceAccount", namespace) => format!("{namespace}/{}", text(subject, "/name")),
                    _ => text(subject, "/name").to_owned(),
                });
                json!(names.collect::<Vec<_>>().join(", "))
            };
            let role = format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
            vec![name, json!(role), aged, of("User"), of("Group"), of("ServiceAccount")]
        }
        "Lease" => vec![name, at("/spec/holderIdentity"), aged],
        "PriorityClass" => vec![
            name,
            json!(number(object, "/value")),
            json!(object.get("globalDefault") == Some(&json!(true))),
            aged,
            at("/preemptionPolicy"),
        ],
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            vec![name, json!(items(object, "/webhooks").len()), aged]
        }
        _ => vec![name, created.cloned().unwrap_or_default()],
    }
}

/// A number or text as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

fn port(port: &Value) -> String {
    let protocol = text(port, "/protocol");
    match number(port, "/nodePort") {
        0 => format!("{}/{protocol}", number(port, "/port")),
        node => format!("{}:{node}/{protocol}", number(port, "/port")),
    }
}

/// The addresses of a load balancer.
fn balancer(object: &Value) -> String {
    let mut found: Vec<&str> = items(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|ingress| if text(ingress, "/ip").is_empty() { text(ingress, "/hostname") } else { text(ingress, "/ip") })
        .filter(|address| !address.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found.join(",")
}

fn external(service: &Value) -> String {
    let given: Vec<&str> = items(service, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    match text(service, "/spec/type") {
        "LoadBalancer" => {
            let mut all = balancer(service);
            if !given.is_empty() {
                all = if all.is_empty() { given.join(",") } else { format!("{all},{}", given.join(",")) };
            }
            if all.is_empty() { "<pending>".to_owned() } else { all }
        }
        "ExternalName" => text(service, "/spec/externalName").to_owned(),
        "ClusterIP" | "NodePort" => or_none(&given.join(",")).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Access modes in short, in the usual order.
fn modes(object: &Value, pointer: &str) -> String {
    let has = |mode: &str| items(object, pointer).iter().any(|value| value.as_str() == Some(mode));
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    short.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> Value {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        json!("Terminating")
    } else {
        json!(text(object, "/status/phase"))
    }
}

/// `<unset>` where a field is absent.
fn or_unset(object: &Value, pointer: &str) -> Value {
    json!(object.pointer(pointer).and_then(Value::as_str).unwrap_or("<unset>"))
}

fn claim(object: &Value, name: Value, aged: Value) -> Vec<Value> {
    let volume = text(object, "/spec/volumeName");
    let bound = !volume.is_empty();
    vec![
        name,
        phase(object),
        json!(volume),
        json!(if bound { text(object, "/status/capacity/storage") } else { "" }),
        json!(if bound { modes(object, "/status/accessModes") } else { String::new() }),
        json!(text(object, "/spec/storageClassName")),
        or_unset(object, "/spec/volumeAttributesClassName"),
        aged,
        or_unset(object, "/spec/volumeMode"),
    ]
}

fn volume(object: &Value, name: Value, aged: Value) -> Vec<Value> {
    let claim = object
        .pointer("/spec/claimRef")
        .map_or_else(String::new, |claim| format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")));
    vec![
        name,
        json!(text(object, "/spec/capacity/storage")),
        json!(modes(object, "/spec/accessModes")),
        json!(text(object, "/spec/persistentVolumeReclaimPolicy")),
        phase(object),
        json!(claim),
        json!(text(object, "/spec/storageClassName")),
        or_unset(object, "/spec/volumeAttributesClassName"),
        json!(text(object, "/status/reason")),
        aged,
        or_unset(object, "/spec/volumeMode"),
    ]
}

/// Events of either group: the fields differ in name alone.
fn event(event: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let either =
        |core: &str, other: &str| event.pointer(core).or_else(|| event.pointer(other)).filter(|value| !value.is_null());
    let happened = event.get("eventTime").filter(|value| !value.is_null());
    let first = either("/firstTimestamp", "/deprecatedFirstTimestamp").or(happened);
    let series = event.pointer("/series/lastObservedTime");
    let last = series.or_else(|| either("/lastTimestamp", "/deprecatedLastTimestamp")).or(first);
    let count = event.pointer("/series/count").or_else(|| either("/count", "/deprecatedCount")).and_then(Value::as_i64);
    let word = |core: &str, other: &str| either(core, other).and_then(Value::as_str).unwrap_or_default().to_owned();
    let component = match word("/source/component", "/deprecatedSource/component") {
        empty if empty.is_empty() => word("/reportingComponent", "/reportingController"),
        component => component,
    };
    let host = word("/source/host", "/deprecatedSource/host");
    let source = if host.is_empty() { component } else { format!("{component}, {host}") };
    let kind = word("/involvedObject/kind", "/regarding/kind").to_lowercase();
    let name = word("/involvedObject/name", "/regarding/name");
    let message = word("/message", "/note");
    vec![
        json!(age::since(now, last)),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(if name.is_empty() { kind } else { format!("{kind}/{name}") }),
        json!(word("/involvedObject/fieldPath", "/regarding/fieldPath")),
        json!(source),
        json!(message.trim()),
        json!(age::since(now, first)),
        json!(count.unwrap_or(1).max(1)),
        json!(text(event, "/metadata/name")),
    ]
}

fn node(node: &Value, name: Value, aged: Value) -> Vec<Value> {
    let ready = items(node, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| text(condition, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node.pointer("/spec/unschedulable") == Some(&json!(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = node
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    let address = |kind: &str| {
        let found = items(node, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
        json!(found.map_or("<none>", |address| text(address, "/address")))
    };
    let known = |pointer: &str| match text(node, pointer) {
        "" => json!("<unknown>"),
        known => json!(known),
    };
    vec![
        name,
        json!(status),
        json!(or_none(&roles.join(","))),
        aged,
        json!(text(node, "/status/nodeInfo/kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        known("/status/nodeInfo/osImage"),
        known("/status/nodeInfo/kernelVersion"),
        known("/status/nodeInfo/containerRuntimeVersion"),
    ]
}

/// Up to `max` of the texts, and how many more there are.
fn at_most(all: &[String], max: usize) -> String {
    let shown = all[..all.len().min(max)].join(",");
    if all.len() > max { format!("{shown} + {} more...", all.len() - max) } else { shown }
}

fn hosts(ingress: &Value) -> String {
    let all: Vec<String> = items(ingress, "/spec/rules")
        .iter()
        .map(|rule| text(rule, "/host").to_owned())
        .filter(|host| !host.is_empty())
        .collect();
    if all.is_empty() { "*".to_owned() } else { at_most(&all, 3) }
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in items(object, "/subsets") {
        let addresses = items(subset, "/addresses");
        let ports = items(subset, "/ports");
        if ports.is_empty() {
            all.extend(addresses.iter().map(|address| text(address, "/ip").to_owned()));
        }
        for port in ports {
            all.extend(addresses.iter().map(|address| format!("{}:{}", text(address, "/ip"), number(port, "/port"))));
        }
    }
    if all.is_empty() { "<none>".to_owned() } else { at_most(&all, 3) }
}

fn slice(object: &Value, name: Value, aged: Value) -> Vec<Value> {
    let ports: Vec<String> =
        items(object, "/ports").iter().map(|port| port.get("port").map_or_else(|| "*".to_owned(), plain)).collect();
    let addresses: Vec<String> = items(object, "/endpoints")
        .iter()
        .flat_map(|endpoint| items(endpoint, "/addresses"))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let or_unset = |all: &[String]| if all.is_empty() { "<unset>".to_owned() } else { at_most(all, 3) };
    vec![name, json!(text(object, "/addressType")), json!(or_unset(&ports)), json!(or_unset(&addresses)), aged]
}

/// Used and allowed amounts: requests and counts, then limits.
fn quota(object: &Value) -> [String; 2] {
    let mut parts = [Vec::new(), Vec::new()];
    for (resource, hard) in object.pointer("/status/hard").and_then(Value::as_object).into_iter().flatten() {
        let used =
            object.pointer("/status/used").and_then(|used| used.get(resource)).and_then(Value::as_str).unwrap_or("0");
        let shown = format!("{resource}: {used}/{}", hard.as_str().unwrap_or_default());
        parts[usize::from(resource.starts_with("limits"))].push(shown);
    }
    parts.map(|parts| parts.join(", "))
}

fn targets(scaler: &Value) -> String {
    let metrics = items(scaler, "/spec/metrics");
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let current = items(scaler, "/status/currentMetrics");
    let shown = |(index, metric): (usize, &Value)| {
        let key = match text(metric, "/type") {
            "Resource" => "resource",
            "ContainerResource" => "containerResource",
            "Pods" => "pods",
            "Object" => "object",
            _ => "external",
        };
        let now = current.get(index).map(|status| &status[key]["current"]);
        let wanted = &metric[key]["target"];
        let prefix = if key == "resource" { format!("{}: ", text(metric, "/resource/name")) } else { String::new() };
        match wanted.get("averageUtilization") {
            Some(wanted) => {
                let now = now.and_then(|now| now.get("averageUtilization"));
                let now = now.map_or_else(|| "<unknown>".to_owned(), |now| format!("{}%", plain(now)));
                format!("{prefix}{now}/{}%", plain(wanted))
            }
            None => {
                let (value, suffix) = match wanted.get("averageValue") {
                    Some(value) => (value, " (avg)"),
                    None => (&wanted["value"], ""),
                };
                let now = now.and_then(|now| now.get("averageValue").or_else(|| now.get("value")));
                format!("{prefix}{}/{}{suffix}", now.map_or_else(|| "<unknown>".to_owned(), plain), plain(value))
            }
        }
    };
    let all: Vec<String> = metrics.iter().enumerate().map(shown).collect();
    let text = all[..all.len().min(2)].join(", ");
    if all.len() > 2 { format!("{text} + {} more...", all.len() - 2) } else { text }
}
