//! The environment of a container. In: its spec, its pod, the ConfigMaps and Secrets it names. Out: names and values, as
//! a kubelet would give them. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, ObjectFieldSelector, Pod, ResourceFieldSelector};

use super::content::{Absent, Sources};
use super::rewrite::Paths;
use crate::node::status::HOST_IP;
use crate::schema::quantity::Quantity;

/// A container with what its fields may refer to.
pub(super) struct Subject<'a> {
    pub(super) pod: &'a Pod,
    pub(super) container: &'a Container,
    pub(super) address: Ipv4Addr,
}

/// The variables of a container; paths in the values that stand in the spec are replaced.
pub(super) fn variables(
    subject: &Subject<'_>,
    sources: &dyn Sources,
    paths: &Paths,
) -> Result<BTreeMap<String, String>, Absent> {
    let namespace = subject.pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut all = BTreeMap::new();
    for from in subject.container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let mut add = |values: BTreeMap<String, Vec<u8>>| {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            all.extend(values.into_iter().map(|(key, value)| (format!("{prefix}{key}"), text(value))));
        };
        if let Some(map) = &from.config_map_ref {
            add(sources.config_map(namespace, &map.name, map.optional == Some(true))?);
        }
        if let Some(secret) = &from.secret_ref {
            add(sources.secret(namespace, &secret.name, secret.optional == Some(true))?);
        }
    }
    for variable in subject.container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (_, Some(from)) => match referred(subject, sources, from)? {
                Some(value) => value,
                None => continue,
            },
            (value, None) => paths.text(&expanded(value.as_deref().unwrap_or_default(), &all)),
        };
        all.insert(variable.name.clone(), value);
    }
    Ok(all)
}

fn referred(subject: &Subject<'_>, sources: &dyn Sources, from: &EnvVarSource) -> Result<Option<String>, Absent> {
    let namespace = subject.pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(selector) = &from.field_ref {
        return Ok(Some(field(subject.pod, selector, subject.address)));
    }
    if let Some(selector) = &from.resource_field_ref {
        return Ok(Some(resource(subject.container, selector)));
    }
    let (kind, name, key, optional, mut values) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(map), _) => {
            let optional = map.optional == Some(true);
            ("ConfigMap", &map.name, &map.key, optional, sources.config_map(namespace, &map.name, optional)?)
        }
        (None, Some(secret)) => {
            let optional = secret.optional == Some(true);
            ("Secret", &secret.name, &secret.key, optional, sources.secret(namespace, &secret.name, optional)?)
        }
        (None, None) => return Ok(None),
    };
    match values.remove(key) {
        Some(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
        None if optional => Ok(None),
        None => Err(Absent::Key { kind, namespace: namespace.to_owned(), name: name.clone(), key: key.clone() }),
    }
}

/// A field of a pod, as the downward API gives it; empty where there is none.
pub(super) fn field(pod: &Pod, selector: &ObjectFieldSelector, address: Ipv4Addr) -> String {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let path = selector.field_path.as_str();
    let of = |map: &Option<BTreeMap<String, String>>, key: &str| map.as_ref().and_then(|map| map.get(key)).cloned();
    let lines = |map: &Option<BTreeMap<String, String>>| {
        let lines = map.iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let subscript = |field: &str| path.strip_prefix(field)?.strip_prefix("['")?.strip_suffix("']");
    if let Some(key) = subscript("metadata.labels") {
        return of(&meta.labels, key).unwrap_or_default();
    }
    if let Some(key) = subscript("metadata.annotations") {
        return of(&meta.annotations, key).unwrap_or_default();
    }
    match path {
        "metadata.name" => meta.name.clone().unwrap_or_default(),
        "metadata.namespace" => meta.namespace.clone().unwrap_or_default(),
        "metadata.uid" => meta.uid.clone().unwrap_or_default(),
        "metadata.labels" => lines(&meta.labels),
        "metadata.annotations" => lines(&meta.annotations),
        "spec.nodeName" => spec.and_then(|s| s.node_name.clone()).unwrap_or_default(),
        "spec.serviceAccountName" => spec.and_then(|s| s.service_account_name.clone()).unwrap_or_default(),
        "status.podIP" | "status.podIPs" => address.to_string(),
        "status.hostIP" | "status.hostIPs" => HOST_IP.to_owned(),
        _ => String::new(),
    }
}

/// A container's limit or request in units of the divisor, rounded up; empty where it has none.
pub(super) fn resource(container: &Container, selector: &ResourceFieldSelector) -> String {
    let resources = container.resources.as_ref();
    let held = match selector.resource.split_once('.') {
        Some(("limits", name)) => resources.and_then(|r| r.limits.as_ref()?.get(name)),
        Some(("requests", name)) => resources.and_then(|r| r.requests.as_ref()?.get(name)),
        _ => None,
    };
    let parsed = |text: &str| Quantity::parse(text).map(|quantity| quantity.nanos());
    let divisor = selector.divisor.as_ref().and_then(|d| parsed(&d.0)).filter(|d| *d > 0).unwrap_or(1_000_000_000);
    let value = held.and_then(|quantity| parsed(&quantity.0));
    value
        .map(|value| value.div_euclid(divisor) + i128::from(value.rem_euclid(divisor) > 0))
        .map_or(String::new(), |v| v.to_string())
}

/// A text with `$(NAME)` replaced where there is such a variable; `$$(NAME)` stands for itself with one dollar.
pub(super) fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(escaped) = rest.strip_prefix('$') {
            out.push('$');
            rest = escaped;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match name.and_then(|(name, after)| Some((variables.get(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::node::processes::content::tests::Fixed;
    use serde_json::json;

    #[test]
    fn references_are_expanded_as_a_kubelet_does() {
        let variables = [("A".to_owned(), "x".to_owned()), ("E".to_owned(), String::new())].into();
        for (text, want) in [
            ("$(A)$(A)", "xx"),
            ("1$(E)2", "12"),
            ("$(NONE)", "$(NONE)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$x"),
            ("$A ${A} $(A", "$A ${A} $(A"),
            ("ends with $", "ends with $"),
        ] {
            assert_eq!(expanded(text, &variables), want, "{text}");
        }
    }

    #[test]
    fn variables_come_from_values_fields_limits_maps_and_secrets_in_that_order_of_writing() {
        let container = json!({"name": "c",
        "envFrom": [{"prefix": "M_", "configMapRef": {"name": "map"}}],
        "resources": {"limits": {"memory": "1Gi", "cpu": "1500m"}},
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "INDEX", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/index']"}}},
            {"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "password"}}},
            {"name": "NOT", "valueFrom": {"secretKeyRef": {"name": "none", "key": "password", "optional": true}}},
            {"name": "FILE", "value": "/run/root/$(INDEX)"},
        ]});
        let pod = json!({"metadata": {"name": "p", "namespace": "n", "labels": {"a/index": "7"}}});
        let (pod, container) = (serde_json::from_value(pod).unwrap(), serde_json::from_value(container).unwrap());
        let subject = Subject { pod: &pod, container: &container, address: Ipv4Addr::new(127, 16, 0, 1) };
        let mut paths = Paths::default();
        paths.add("/run/root", "/h".into());
        let all = variables(&subject, &Fixed, &paths).unwrap();
        let want = [
            ("CPU", "2"),
            ("FILE", "/h/7"),
            ("INDEX", "7"),
            ("IP", "127.16.0.1"),
            ("MIB", "1024"),
            ("M_cnf", "dir=/run/root"),
            ("M_key", "value"),
            ("PASSWORD", "/run/root"),
        ];
        assert_eq!(all.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), want);
    }

    #[test]
    fn what_is_not_there_and_not_optional_holds_the_container_back() {
        let pod = serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}})).unwrap();
        let refused = |from: serde_json::Value| {
            let container =
                serde_json::from_value(json!({"name": "c", "env": [{"name": "A", "valueFrom": from}]})).unwrap();
            let subject = Subject { pod: &pod, container: &container, address: Ipv4Addr::LOCALHOST };
            variables(&subject, &Fixed, &Paths::default()).unwrap_err().to_string()
        };
        assert_eq!(refused(json!({"secretKeyRef": {"name": "none", "key": "a"}})), "secret \"none\" not found");
        assert_eq!(
            refused(json!({"configMapKeyRef": {"name": "map", "key": "a"}})),
            "couldn't find key a in ConfigMap n/map"
        );
    }
}
