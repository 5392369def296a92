//! Keys by which the API server tells the elements of its lists apart (`x-kubernetes-list-map-keys` of its kinds).
//! In: the name of a list. Out: its keys, and whether two elements are the same one.

use serde_json::Value;

/// Fields that together name an element, each with the value that it has when left out.
pub(super) type Keys = &'static [(&'static str, Option<&'static str>)];

/// Keys of a list by its field's name; `None` for lists that are replaced as a whole.
pub(super) fn keys(list: &str, service: bool) -> Option<Keys> {
    Some(match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims" => &[("name", None)],
        "volumeMounts" => &[("mountPath", None)],
        "volumeDevices" => &[("devicePath", None)],
        "ports" if service => &[("port", None), ("protocol", Some("TCP"))],
        "ports" => &[("containerPort", None), ("protocol", Some("TCP"))],
        "hostAliases" => &[("ip", None)],
        "conditions" => &[("type", None)],
        "ownerReferences" => &[("uid", None)],
        "topologySpreadConstraints" => &[("topologyKey", None), ("whenUnsatisfiable", None)],
        _ => return None,
    })
}

/// Whether two elements are the same one.
pub(super) fn same_key(keys: Keys, one: &Value, two: &Value) -> bool {
    keys.iter().all(|key| matches!((part(*key, one), part(*key, two)), (Some(one), Some(two)) if one == two))
}

/// Whether every element has all keys and no two are the same. A list that is not so is compared by position.
pub(super) fn unique(keys: Keys, list: &[Value]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    list.iter().all(|element| {
        let name: Option<Vec<String>> = keys.iter().map(|key| part(*key, element)).collect();
        name.is_some_and(|name| seen.insert(name))
    })
}

fn part((field, default): (&str, Option<&str>), element: &Value) -> Option<String> {
    match element.as_object()?.get(field) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Null) | None => default.map(str::to_owned),
        Some(_) => None,
    }
}
