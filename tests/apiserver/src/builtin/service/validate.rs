//! What comes in: Services. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors, join};
use crate::builtin::edit::{entries, items, text};
use crate::builtin::labels;
use crate::field_error::FieldError;
use crate::resource::names;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(crate) fn service(service: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &service["spec"];
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    let ports = items(spec, "ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!("None"), detail));
        }
        "ExternalName" => {
            for key in ["clusterIPs", "ipFamilies"] {
                if !items(spec, key).is_empty() {
                    errors.push(FieldError::forbidden(
                        format!("spec.{key}"),
                        "may not be set when `type` is 'ExternalName'",
                    ));
                }
            }
            let name = text(spec, "externalName").trim_end_matches('.');
            if name.is_empty() {
                errors.push(FieldError::required("spec.externalName", ""));
            } else if let Some(problem) = names::dns_subdomain(name) {
                errors.push(FieldError::invalid("spec.externalName", &json!(name), problem));
            }
        }
        _ => {}
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        self::port(port, &format!("spec.ports[{index}]"), ports.len() > 1, &mut seen, &mut errors);
    }
    labels::labels(entries(spec, "selector"), "spec.selector", &mut errors);
    check::one_of(spec, "sessionAffinity", "spec", &["ClientIP", "None"], true, &mut errors);
    check::one_of(spec, "type", "spec", &TYPES, true, &mut errors);
    for (index, port) in ports.iter().enumerate() {
        let same =
            |other: &Value| other.get("port") == port.get("port") && other.get("protocol") == port.get("protocol");
        if ports[..index].iter().any(same) {
            let shown = json!({ "protocol": port["protocol"], "port": port["port"] });
            errors.push(FieldError::duplicate(format!("spec.ports[{index}]"), &shown));
        }
        if kind == "ClusterIP" && port.get("nodePort").is_some() {
            let detail = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(format!("spec.ports[{index}].nodePort"), detail));
        }
    }
    if kind != "ExternalName" {
        check::one_of(spec, "internalTrafficPolicy", "spec", &["Cluster", "Local"], false, &mut errors);
    }
    if matches!(kind, "LoadBalancer" | "NodePort") || !items(spec, "externalIPs").is_empty() {
        check::one_of(spec, "externalTrafficPolicy", "spec", &["Cluster", "Local"], false, &mut errors);
    } else if !text(spec, "externalTrafficPolicy").is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid("spec.externalTrafficPolicy", &spec["externalTrafficPolicy"], detail));
    }
    errors
}

fn port<'a>(port: &'a Value, path: &str, named: bool, seen: &mut Vec<&'a str>, errors: &mut Errors) {
    let name = text(port, "name");
    if name.is_empty() {
        if named {
            errors.push(FieldError::required(join(path, "name"), ""));
        }
    } else {
        if let Some(problem) = names::dns_label(name) {
            errors.push(FieldError::invalid(join(path, "name"), &port["name"], problem));
        }
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(join(path, "name"), &port["name"]));
        }
        seen.push(name);
    }
    check::port(&port["port"], join(path, "port"), errors);
    check::one_of(port, "protocol", path, &["SCTP", "TCP", "UDP"], true, errors);
    match &port["targetPort"] {
        target @ Value::String(_) => check::port_name(target, &join(path, "targetPort"), errors),
        target => check::port(target, join(path, "targetPort"), errors),
    }
    if let Some(node) = port.get("nodePort") {
        check::port(node, join(path, "nodePort"), errors);
    }
}

pub(crate) fn service_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    let kind = |service: &Value| text(&service["spec"], "type").to_owned();
    let address = |service: &Value| text(&service["spec"], "clusterIP").to_owned();
    let keeps = kind(new) != "ExternalName" && kind(old) != "ExternalName";
    if keeps && !address(old).is_empty() && address(new) != address(old) {
        let shown = json!(items(&new["spec"], "clusterIPs"));
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
    }
    errors
}
