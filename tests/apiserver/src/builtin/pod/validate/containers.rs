//! What comes in: containers. What goes out: complaints in the words of a real server. Pure.

use serde_json::Value;

use crate::builtin::check::{self, Errors, join};
use crate::builtin::edit::{items, text};
use crate::field_error::FieldError;
use crate::resource::names;

/// Complaints about one container; `volumes` are the names that mounts may use.
pub(super) fn check(container: &Value, path: &str, volumes: &[String], errors: &mut Errors) {
    let name = text(container, "name");
    if name.is_empty() {
        errors.push(FieldError::required(join(path, "name"), ""));
    } else if let Some(problem) = names::dns_label(name) {
        errors.push(FieldError::invalid(join(path, "name"), &container["name"], problem));
    }
    let image = text(container, "image");
    if image.is_empty() {
        errors.push(FieldError::required(join(path, "image"), ""));
    } else if image.trim() != image {
        errors.push(FieldError::invalid(
            join(path, "image"),
            &container["image"],
            "must not have leading or trailing whitespace",
        ));
    }
    check::one_of(container, "terminationMessagePolicy", path, &["FallbackToLogsOnError", "File"], true, errors);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(given) = container.get(probe) {
            self::probe(given, &join(path, probe), probe != "readinessProbe", errors);
        }
    }
    ports(container, path, errors);
    environment(container, path, errors);
    mounts(container, path, volumes, errors);
    check::one_of(container, "imagePullPolicy", path, &["Always", "IfNotPresent", "Never"], true, errors);
    super::resources(&container["resources"], &join(path, "resources"), errors);
}

fn probe(probe: &Value, path: &str, once: bool, errors: &mut Errors) {
    handler(probe, path, errors);
    for key in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        check::non_negative(probe, key, path, errors);
    }
    if once && probe.get("successThreshold").and_then(Value::as_i64).is_some_and(|threshold| threshold != 1) {
        errors.push(FieldError::invalid(join(path, "successThreshold"), &probe["successThreshold"], "must be 1"));
    }
}

fn handler(probe: &Value, path: &str, errors: &mut Errors) {
    let given: Vec<&str> =
        ["exec", "httpGet", "tcpSocket", "grpc"].into_iter().filter(|kind| probe.get(*kind).is_some()).collect();
    match given.as_slice() {
        [] => errors.push(FieldError::required(path, "must specify a handler type")),
        [_] => {}
        [_, more @ ..] => {
            for kind in more {
                errors.push(FieldError::forbidden(join(path, kind), "may not specify more than 1 handler type"));
            }
        }
    }
    if let Some(exec) = probe.get("exec")
        && items(exec, "command").is_empty()
    {
        errors.push(FieldError::required(format!("{path}.exec.command"), ""));
    }
    for kind in ["httpGet", "tcpSocket", "grpc"] {
        let Some(port) = probe.get(kind).map(|action| &action["port"]) else { continue };
        let field = format!("{path}.{kind}.port");
        match port {
            Value::String(_) => check::port_name(port, &field, errors),
            number => check::port(number, field, errors),
        }
    }
}

fn ports(container: &Value, path: &str, errors: &mut Errors) {
    let mut seen = Vec::new();
    for (index, port) in items(container, "ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(port, "name");
        if !name.is_empty() {
            check::port_name(&port["name"], &join(&path, "name"), errors);
            if seen.contains(&name) {
                errors.push(FieldError::duplicate(join(&path, "name"), &port["name"]));
            }
            seen.push(name);
        }
        match port.get("containerPort").and_then(Value::as_i64) {
            None | Some(0) => errors.push(FieldError::required(join(&path, "containerPort"), "")),
            Some(_) => check::port(&port["containerPort"], join(&path, "containerPort"), errors),
        }
        if let Some(host) = port.get("hostPort") {
            check::port(host, join(&path, "hostPort"), errors);
        }
        check::one_of(port, "protocol", &path, &["SCTP", "TCP", "UDP"], true, errors);
    }
}

fn environment(container: &Value, path: &str, errors: &mut Errors) {
    for (index, variable) in items(container, "env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        let name = text(variable, "name");
        if name.is_empty() {
            errors.push(FieldError::required(join(&path, "name"), ""));
        } else if !name.chars().all(|c| (' '..='~').contains(&c) && c != '=') {
            let detail =
                "a valid environment variable name must consist only of printable ASCII characters other than '='";
            errors.push(FieldError::invalid(join(&path, "name"), &variable["name"], detail));
        }
        if let Some(source) = variable.get("valueFrom") {
            let path = join(&path, "valueFrom");
            let count = source.as_object().map_or(0, serde_json::Map::len);
            if count == 0 {
                let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
                errors.push(FieldError::invalid(path, &Value::String(String::new()), detail));
            } else if !text(variable, "value").is_empty() {
                errors.push(FieldError::invalid(
                    path,
                    &Value::String(String::new()),
                    "may not be specified when `value` is not empty",
                ));
            } else if count > 1 {
                let detail = "may not have more than one field specified at a time";
                errors.push(FieldError::invalid(path, &Value::String(String::new()), detail));
            } else {
                for kind in ["configMapKeyRef", "secretKeyRef"] {
                    if let Some(reference) = source.get(kind) {
                        check::required(reference, "name", &join(&path, kind), errors);
                        check::required(reference, "key", &join(&path, kind), errors);
                    }
                }
            }
        }
    }
}

fn mounts(container: &Value, path: &str, volumes: &[String], errors: &mut Errors) {
    let mut seen = Vec::new();
    for (index, mount) in items(container, "volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        let name = text(mount, "name");
        if name.is_empty() {
            errors.push(FieldError::required(join(&path, "name"), ""));
        }
        if !volumes.iter().any(|volume| volume == name) {
            errors.push(FieldError::not_found(join(&path, "name"), &mount["name"]));
        }
        let place = text(mount, "mountPath");
        if place.is_empty() {
            errors.push(FieldError::required(join(&path, "mountPath"), ""));
        }
        if seen.contains(&place) {
            errors.push(FieldError::invalid(join(&path, "mountPath"), &mount["mountPath"], "must be unique"));
        }
        seen.push(place);
    }
}
