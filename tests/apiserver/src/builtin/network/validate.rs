//! What comes in: network policies, ingresses, endpoint slices. What goes out: complaints in the words of a real server.
//! Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors, join};
use crate::builtin::edit::{items, text};
use crate::builtin::labels;
use crate::field_error::FieldError;
use crate::resource::names;

pub(crate) fn policy(policy: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &policy["spec"];
    labels::selector(&spec["podSelector"], "spec.podSelector", &mut errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(spec, direction).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            for (index, port) in items(rule, "ports").iter().enumerate() {
                let path = format!("{path}.ports[{index}]");
                check::one_of(port, "protocol", &path, &["SCTP", "TCP", "UDP"], false, &mut errors);
                match &port["port"] {
                    name @ Value::String(_) => check::port_name(name, &join(&path, "port"), &mut errors),
                    number => check::port(number, join(&path, "port"), &mut errors),
                }
            }
            for (index, peer) in items(rule, peers).iter().enumerate() {
                self::peer(peer, &format!("{path}.{peers}[{index}]"), &mut errors);
            }
        }
    }
    for (index, kind) in items(spec, "policyTypes").iter().enumerate() {
        if !matches!(kind.as_str(), Some("Ingress" | "Egress")) {
            errors.push(FieldError::not_supported(format!("spec.policyTypes[{index}]"), kind, &["Egress", "Ingress"]));
        }
    }
    errors
}

fn peer(peer: &Value, path: &str, errors: &mut Errors) {
    let selectors: Vec<&str> =
        ["podSelector", "namespaceSelector"].into_iter().filter(|key| peer.get(*key).is_some()).collect();
    for key in &selectors {
        labels::selector(&peer[*key], &join(path, key), errors);
    }
    match (peer.get("ipBlock"), selectors.is_empty()) {
        (None, true) => errors.push(FieldError::required(path, "must specify a peer")),
        (Some(_), false) => {
            errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
        }
        (Some(block), true) => {
            check::required(block, "cidr", &join(path, "ipBlock"), errors);
        }
        (None, false) => {}
    }
}

pub(crate) fn ingress(ingress: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &ingress["spec"];
    let rules = items(spec, "rules");
    if rules.is_empty() && spec.get("defaultBackend").is_none() {
        errors.push(FieldError::invalid("spec", spec, "either `defaultBackend` or `rules` must be specified"));
    }
    if let Some(backend) = spec.get("defaultBackend") {
        self::backend(backend, "spec.defaultBackend", &mut errors);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        let host = text(rule, "host");
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if let Some(problem) = names::dns_subdomain(bare).filter(|_| !host.is_empty()) {
            errors.push(FieldError::invalid(join(&path, "host"), &rule["host"], problem));
        }
        let Some(http) = rule.get("http") else { continue };
        let paths = items(http, "paths");
        if paths.is_empty() {
            errors.push(FieldError::required(format!("{path}.http.paths"), ""));
        }
        for (index, entry) in paths.iter().enumerate() {
            let path = format!("{path}.http.paths[{index}]");
            if text(entry, "pathType").is_empty() {
                errors.push(FieldError::required(join(&path, "pathType"), "pathType must be specified"));
            } else {
                check::one_of(
                    entry,
                    "pathType",
                    &path,
                    &["Exact", "ImplementationSpecific", "Prefix"],
                    true,
                    &mut errors,
                );
            }
            if matches!(text(entry, "pathType"), "Exact" | "Prefix") && !text(entry, "path").starts_with('/') {
                errors.push(FieldError::invalid(
                    join(&path, "path"),
                    &json!(text(entry, "path")),
                    "must be an absolute path",
                ));
            }
            self::backend(&entry["backend"], &join(&path, "backend"), &mut errors);
        }
    }
    errors
}

fn backend(backend: &Value, path: &str, errors: &mut Errors) {
    match (backend.get("service"), backend.get("resource")) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(path, &json!(""), "cannot set both resource and service backends"));
        }
        (None, None) => errors.push(FieldError::invalid(path, &json!(""), "resource or service backend is required")),
        (None, Some(_)) => {}
        (Some(service), None) => {
            let path = join(path, "service");
            check::required(service, "name", &path, errors);
            let port = &service["port"];
            match (port.get("name"), port.get("number")) {
                (None, None) => errors.push(FieldError::required(path, "port name or number is required")),
                (Some(_), Some(_)) => {
                    errors.push(FieldError::invalid(path, &json!(""), "cannot set both port name & port number"))
                }
                (Some(name), None) => check::port_name(name, &format!("{path}.port.name"), errors),
                (None, Some(number)) => check::port(number, format!("{path}.port.number"), errors),
            }
        }
    }
}

pub(crate) fn slice(slice: &Value) -> Errors {
    let mut errors = Vec::new();
    check::one_of(slice, "addressType", "", &["FQDN", "IPv4", "IPv6"], true, &mut errors);
    let endpoints = items(slice, "endpoints");
    if endpoints.len() > 1000 {
        errors.push(FieldError::too_many("endpoints", endpoints.len(), 1000));
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        if items(endpoint, "addresses").is_empty() {
            errors
                .push(FieldError::required(format!("endpoints[{index}].addresses"), "must contain at least 1 address"));
        }
    }
    errors
}

pub(crate) fn slice_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    check::immutable(new, old, "/addressType", "addressType", &mut errors);
    errors
}
