//! What the schema cannot say about a spec. In: a spec, and the spec before it. Out: errors with the field, what is wrong,
//! and what to do. The rules that the CRD states in CEL are checked here again: they do not reach old resources, nor
//! clusters that ignore them.

use crate::build::mycnf;
use crate::spec::network::{ServiceTemplate, ServiceType};
use crate::spec::{MysqlSpec, REPLICAS};
use crate::version::{self, Version};
use windlass_sdk::{FieldError, IntOrString, Quantity, cron};

/// Errors of a spec by itself.
pub fn spec(spec: &MysqlSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say = |path: &str, message: &str| errors.push(FieldError::at(path, message));
    if !REPLICAS.contains(&spec.replicas) {
        say("spec.replicas", &format!("must be from {} to {}", REPLICAS.start(), REPLICAS.end()));
    }
    match Version::parse(&spec.version) {
        None => say(
            "spec.version",
            &format!("is not supported: use one of {}, or a patch release such as 8.4.2", version::names()),
        ),
        Some(Version { series: 0, patch: Some(patch) }) if patch < version::OLDEST_8_0_PATCH => say(
            "spec.version",
            &format!("is too old: the oldest supported release of 8.0 is 8.0.{}", version::OLDEST_8_0_PATCH),
        ),
        Some(_) => {}
    }
    if spec.image.as_deref().is_some_and(|image| image.is_empty() || image.chars().any(char::is_whitespace)) {
        say("spec.image", "is not the name of an image");
    }
    if Quantity::parse(&spec.storage.size).is_none_or(|size| size.units() == 0) {
        say("spec.storage.size", "is not a size: use a number with a unit, such as 100Gi");
    }
    for (part, amounts) in spec.resources.iter().flat_map(|r| [("requests", &r.requests), ("limits", &r.limits)]) {
        for (name, amount) in amounts {
            if !is_quantity(amount) {
                say(&format!("spec.resources.{part}.{name}"), "is not a quantity: use 500m, 2 or 4Gi");
            }
        }
    }
    for (key, value) in &spec.config {
        if let Some(why) = mycnf::refuses(key, value) {
            say(&format!("spec.config.{key}"), why);
        }
    }
    let backup = &spec.backup;
    if let Err(why) = cron::check(&backup.schedule) {
        say("spec.backup.schedule", &why);
    }
    if backup.time_zone.as_deref() == Some("Local") {
        say("spec.backup.timeZone", "must name a zone, such as Europe/Berlin");
    }
    if backup.storage.size.as_ref().is_some_and(|size| !is_quantity(size)) {
        say("spec.backup.storage.size", "is not a size: use a number with a unit, such as 100Gi");
    }
    if backup.storage.claim_name.is_some()
        && (backup.storage.size.is_some() || backup.storage.storage_class_name.is_some())
    {
        say("spec.backup.storage.claimName", "names a claim that exists: leave size and storageClassName out");
    }
    for (name, service) in [("primary", &spec.services.primary), ("replica", &spec.services.replica)] {
        for (field, message) in service_errors(service) {
            say(&format!("spec.services.{name}.{field}"), message);
        }
    }
    for (name, list) in [
        ("env", &spec.pod_template.env),
        ("volumes", &spec.pod_template.volumes),
        ("volumeMounts", &spec.pod_template.volume_mounts),
        ("sidecars", &spec.pod_template.sidecars),
    ] {
        for (index, entry) in list.iter().enumerate() {
            if let Some(why) = entry_error(name, entry) {
                say(&format!("spec.podTemplate.{name}[{index}]"), &why);
            }
        }
    }
    errors
}

/// Errors of a change.
pub fn change(old: &MysqlSpec, new: &MysqlSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say = |path: &str, message: &str| errors.push(FieldError::at(path, message));
    if let (Some(from), Some(to)) = (Version::parse(&old.version), Version::parse(&new.version))
        && let Some(why) = from.refuses(to)
    {
        say("spec.version", &why);
    }
    if let (Some(from), Some(to)) = (Quantity::parse(&old.storage.size), Quantity::parse(&new.storage.size))
        && to < from
    {
        say(
            "spec.storage.size",
            &format!(
                "cannot shrink from {} to {}: volumes only grow; restore a backup into a new resource instead",
                old.storage.size, new.storage.size
            ),
        );
    }
    if old.storage.storage_class_name != new.storage.storage_class_name {
        say("spec.storage.storageClassName", "cannot change: restore a backup into a new resource instead");
    }
    if old.storage.access_mode != new.storage.access_mode {
        say("spec.storage.accessMode", "cannot change: restore a backup into a new resource instead");
    }
    errors
}

/// Fields of a Service that its type does not have.
fn service_errors(service: &ServiceTemplate) -> Vec<(&'static str, &'static str)> {
    let mut errors = Vec::new();
    if service.type_ != ServiceType::LoadBalancer {
        if !service.load_balancer_source_ranges.is_empty() {
            errors.push(("loadBalancerSourceRanges", "needs `type: LoadBalancer`"));
        }
        if service.load_balancer_class.is_some() {
            errors.push(("loadBalancerClass", "needs `type: LoadBalancer`"));
        }
    }
    if service.type_ == ServiceType::ClusterIP {
        if service.node_port.is_some() {
            errors.push(("nodePort", "needs `type: NodePort` or `LoadBalancer`"));
        }
        if service.external_traffic_policy.is_some() {
            errors.push(("externalTrafficPolicy", "needs `type: NodePort` or `LoadBalancer`"));
        }
    }
    errors
}

/// Names that the server's own pod uses, by list.
fn entry_error(list: &str, entry: &windlass_sdk::Value) -> Option<String> {
    let taken: &[&str] = match list {
        "env" => &[
            "POD_NAME",
            "POD_IP",
            "POD_INDEX",
            "MYSQL_ROOT_PASSWORD_FILE",
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_ROOT_HOST",
            "MYSQL_INITDB_SKIP_TZINFO",
        ],
        "volumes" => &["data", "config", "start", "root", "run", "tmp", "tls"],
        "sidecars" => &[crate::build::pod::CONTAINER],
        _ => &[],
    };
    match entry.get("name").and_then(|name| name.as_str()) {
        None | Some("") => Some("has no name".to_string()),
        Some(name) if taken.contains(&name) => {
            Some(format!("`{name}` belongs to the server's own pod; use another name"))
        }
        Some(_) => None,
    }
}

/// Whether a number or text is an amount.
fn is_quantity(value: &IntOrString) -> bool {
    match value {
        IntOrString::Int(number) => *number >= 0,
        IntOrString::String(text) => Quantity::parse(text).is_some(),
    }
}
