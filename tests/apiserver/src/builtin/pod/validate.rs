//! What comes in: Pods and pod templates. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Map, Value, json};

use crate::builtin::check::{self, Errors, join};
use crate::builtin::edit::{drop_key, each, entries, items, text, with};
use crate::builtin::labels;
use crate::field_error::FieldError;
use crate::resource::names;
use crate::schema::quantity::Quantity;

mod containers;

pub(crate) fn pod(pod: &Value) -> Errors {
    let mut errors = Vec::new();
    spec(&pod["spec"], "spec", &mut errors);
    errors
}

/// What a pod's spec may change after creation.
const CHANGES: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(crate) fn pod_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    let fixed = |pod: &Value| {
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        for list in ["containers", "initContainers"] {
            each(&mut spec, list, |container| drop_key(container, "image"));
        }
        for key in ["activeDeadlineSeconds", "tolerations", "ephemeralContainers", "schedulingGates"] {
            drop_key(&mut spec, key);
        }
        // Binding a pod to a node is its own request; here the node may only be given once.
        if old.pointer("/spec/nodeName").is_none() {
            drop_key(&mut spec, "nodeName");
        }
        let negative =
            old.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|n| n < 0);
        if negative {
            drop_key(&mut spec, "terminationGracePeriodSeconds");
        }
        with(&mut spec, "securityContext", |_| {});
        spec
    };
    let count = |pod: &Value, list: &str| items(&pod["spec"], list).len();
    if count(new, "containers") != count(old, "containers") {
        errors.push(FieldError::forbidden("spec.containers", "pod updates may not add or remove containers"));
        return errors;
    }
    if count(new, "initContainers") != count(old, "initContainers") {
        errors.push(FieldError::forbidden("spec.initContainers", "pod updates may not add or remove containers"));
        return errors;
    }
    let kept = |toleration: &&Value| !items(&new["spec"], "tolerations").contains(toleration);
    if items(&old["spec"], "tolerations").iter().any(|toleration| kept(&toleration)) {
        errors.push(FieldError::forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        ));
    }
    if fixed(new) != fixed(old) {
        errors.push(FieldError::forbidden("spec", CHANGES));
    }
    errors
}

/// Complaints about the template of a workload, whose selector must match its labels.
pub(crate) fn template(template: &Value, selector: Option<&Value>, path: &str, errors: &mut Errors) {
    let given = entries(&template["metadata"], "labels");
    if let Some(selector) = selector.filter(|selector| !labels::is_empty(selector))
        && !labels::matches(selector, given)
    {
        let shown = given.map_or(Value::Null, |labels| Value::Object(labels.clone()));
        errors.push(FieldError::invalid(
            format!("{path}.metadata.labels"),
            &shown,
            "`selector` does not match template `labels`",
        ));
    }
    labels::labels(given, &format!("{path}.metadata.labels"), errors);
    spec(&template["spec"], &format!("{path}.spec"), errors);
}

/// Complaints about a workload's template that its pods must run for ever.
pub(crate) fn lasting(template: &Value, path: &str, owner: &str, errors: &mut Errors) {
    let policy = text(&template["spec"], "restartPolicy");
    if policy != "Always" {
        errors.push(FieldError::not_supported(format!("{path}.spec.restartPolicy"), &json!(policy), &["Always"]));
    }
    if template.pointer("/spec/activeDeadlineSeconds").is_some() {
        let detail = format!("activeDeadlineSeconds in {owner} is not Supported");
        errors.push(FieldError::forbidden(format!("{path}.spec.activeDeadlineSeconds"), detail));
    }
}

/// Complaints about a pod's spec.
pub(crate) fn spec(spec: &Value, path: &str, errors: &mut Errors) {
    let volumes = volumes(spec, path, errors);
    let containers = items(spec, "containers");
    if containers.is_empty() {
        errors.push(FieldError::required(join(path, "containers"), ""));
    }
    let mut seen = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in items(spec, list).iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            containers::check(container, &path, &volumes, errors);
            let name = text(container, "name");
            if !name.is_empty() && seen.contains(&name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), &container["name"]));
            }
            seen.push(name);
        }
    }
    restart_and_dns(spec, path, errors);
    for (key, rule) in [
        ("serviceAccountName", names::dns_subdomain as fn(&str) -> Option<String>),
        ("nodeName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
        ("priorityClassName", names::dns_subdomain),
    ] {
        let value = text(spec, key);
        if let Some(problem) = rule(value).filter(|_| !value.is_empty()) {
            errors.push(FieldError::invalid(join(path, key), &spec[key], problem));
        }
    }
    labels::labels(entries(spec, "nodeSelector"), &join(path, "nodeSelector"), errors);
    tolerations(spec, path, errors);
    spread(spec, path, errors);
}

fn restart_and_dns(spec: &Value, path: &str, errors: &mut Errors) {
    check::one_of(spec, "restartPolicy", path, &["Always", "OnFailure", "Never"], true, errors);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    check::one_of(spec, "dnsPolicy", path, &policies, true, errors);
    if text(spec, "dnsPolicy") == "None" && items(&spec["dnsConfig"], "nameservers").is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(FieldError::required(format!("{path}.dnsConfig.nameservers"), detail));
    }
    check::non_negative(spec, "terminationGracePeriodSeconds", path, errors);
    if let Some(value) = spec.get("activeDeadlineSeconds")
        && value.as_i64().is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds))
    {
        errors.push(FieldError::invalid(
            join(path, "activeDeadlineSeconds"),
            value,
            "must be between 1 and 2147483647, inclusive",
        ));
    }
}

fn tolerations(spec: &Value, path: &str, errors: &mut Errors) {
    for (index, toleration) in items(spec, "tolerations").iter().enumerate() {
        let path = format!("{path}.tolerations[{index}]");
        let operator = text(toleration, "operator");
        if text(toleration, "key").is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(FieldError::invalid(join(&path, "operator"), &json!(operator), detail));
        }
        if toleration.get("tolerationSeconds").is_some() && text(toleration, "effect") != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(FieldError::invalid(join(&path, "effect"), &json!(text(toleration, "effect")), detail));
        }
        match operator {
            "Exists" if !text(toleration, "value").is_empty() => {
                errors.push(FieldError::invalid(
                    join(&path, "operator"),
                    toleration,
                    "value must be empty when `operator` is 'Exists'",
                ));
            }
            "" | "Exists" | "Equal" | "Lt" | "Gt" => {}
            _ => errors.push(FieldError::not_supported(
                join(&path, "operator"),
                &toleration["operator"],
                &["Equal", "Exists"],
            )),
        }
        check::one_of(toleration, "effect", &path, &["NoSchedule", "PreferNoSchedule", "NoExecute"], false, errors);
    }
}

fn spread(spec: &Value, path: &str, errors: &mut Errors) {
    for (index, constraint) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{index}]");
        if constraint.get("maxSkew").and_then(Value::as_i64).unwrap_or(0) <= 0 {
            errors.push(FieldError::invalid(
                join(&path, "maxSkew"),
                &constraint["maxSkew"],
                "must be greater than zero",
            ));
        }
        check::required(constraint, "topologyKey", &path, errors);
        check::one_of(constraint, "whenUnsatisfiable", &path, &["DoNotSchedule", "ScheduleAnyway"], true, errors);
        if let Some(selector) = constraint.get("labelSelector") {
            labels::selector(selector, &join(&path, "labelSelector"), errors);
        }
    }
}

/// Checks the volumes; gives back their names.
fn volumes(spec: &Value, path: &str, errors: &mut Errors) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        source(volume, &path, errors);
        let name = text(volume, "name");
        if name.is_empty() {
            errors.push(FieldError::required(join(&path, "name"), ""));
        } else if let Some(problem) = names::dns_label(name) {
            errors.push(FieldError::invalid(join(&path, "name"), &volume["name"], problem));
        } else if seen.iter().any(|other| other == name) {
            errors.push(FieldError::duplicate(join(&path, "name"), &volume["name"]));
        } else {
            seen.push(name.to_owned());
        }
    }
    seen
}

fn source(volume: &Value, path: &str, errors: &mut Errors) {
    let kinds: Vec<&String> =
        volume.as_object().map_or_else(Vec::new, |map| map.keys().filter(|key| *key != "name").collect());
    match kinds.as_slice() {
        [] => errors.push(FieldError::required(path, "must specify a volume type")),
        [_] => {}
        [_, more @ ..] => {
            for kind in more {
                errors.push(FieldError::forbidden(join(path, kind), "may not specify more than 1 volume type"));
            }
        }
    }
    for (kind, key) in [
        ("secret", "secretName"),
        ("configMap", "name"),
        ("persistentVolumeClaim", "claimName"),
        ("hostPath", "path"),
        ("nfs", "server"),
        ("csi", "driver"),
    ] {
        if let Some(source) = volume.get(kind) {
            check::required(source, key, &join(path, kind), errors);
        }
    }
}

/// Requests and limits.
fn resources(resources: &Value, path: &str, errors: &mut Errors) {
    let limits: Option<&Map<String, Value>> = entries(resources, "limits");
    for (name, value) in limits.into_iter().flatten() {
        check::quantity(value, &format!("{path}.limits[{name}]"), errors);
    }
    for (name, value) in entries(resources, "requests").into_iter().flatten() {
        check::quantity(value, &format!("{path}.requests[{name}]"), errors);
        let limit = limits.and_then(|limits| limits.get(name));
        if let (Some(request), Some(limit)) = (Quantity::of(value), limit.and_then(Quantity::of))
            && request.compare(&limit).is_gt()
        {
            let detail = format!("must be less than or equal to {name} limit of {}", limit.canonical());
            errors.push(FieldError::invalid(format!("{path}.requests"), value, detail));
        }
    }
}
