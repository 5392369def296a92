//! What a plugin says of itself, before anybody relies on it.

use model::{Description, FieldError};
use serde_json::Value;
use std::collections::HashSet;

/// Nothing, or where it is wrong.
type Checked = Result<(), FieldError>;

fn wrong(path: impl Into<String>, message: impl Into<String>) -> Checked {
    Err(FieldError { path: path.into(), message: message.into() })
}

/// The description is usable: names are names, CRDs are CRDs with what the host fills in, queries are told apart.
pub(super) fn check(description: &Description) -> Checked {
    let Description { name, version, serves, writes, reads, backends: _ } = description;
    if !is_dns_label(name) {
        return wrong("name", format!("`{name}` is no DNS label; use lower-case letters, digits and `-`, at most 63"));
    }
    if !is_semantic_version(version) {
        return wrong("version", format!("`{version}` is no semantic version; write one like `1.4.0`"));
    }
    if serves.is_empty() {
        return wrong("serves", "the plugin serves no kind; return a CustomResourceDefinition");
    }
    for (index, crd) in serves.iter().enumerate() {
        check_crd(&format!("serves[{index}]"), crd)?;
    }
    for (index, kind) in writes.iter().enumerate() {
        if kind.kind.is_empty() || kind.version.is_empty() {
            return wrong(format!("writes[{index}]"), "kind and version must not be empty");
        }
    }
    let mut names = HashSet::new();
    for (index, query) in reads.iter().enumerate() {
        if query.name.is_empty() || !names.insert(&query.name) {
            return wrong(format!("reads[{index}].name"), "names of queries must be there and differ");
        }
    }
    Ok(())
}

fn check_crd(path: &str, crd: &Value) -> Checked {
    let is = |pointer: &str, expected: &str| crd.pointer(pointer).and_then(Value::as_str) == Some(expected);
    if !is("/apiVersion", "apiextensions.k8s.io/v1") || !is("/kind", "CustomResourceDefinition") {
        return wrong(path, "this is no CustomResourceDefinition of apiextensions.k8s.io/v1");
    }
    for field in ["/metadata/name", "/spec/group", "/spec/names/kind", "/spec/names/plural"] {
        if crd.pointer(field).and_then(Value::as_str).is_none_or(str::is_empty) {
            return wrong(format!("{path}{}", field.replace('/', ".")), "this field must be there");
        }
    }
    let versions = crd.pointer("/spec/versions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if versions.is_empty() {
        return wrong(format!("{path}.spec.versions"), "there must be a version");
    }
    for (index, version) in versions.iter().enumerate() {
        let at = format!("{path}.spec.versions[{index}]");
        let schema = version.pointer("/schema/openAPIV3Schema/properties/status/properties");
        for field in ["conditions", "observedGeneration"] {
            if schema.and_then(|properties| properties.get(field)).is_none() {
                return wrong(&at, format!("the schema must have `status.{field}`, which the host fills in"));
            }
        }
        if version.pointer("/subresources/status").is_none() {
            return wrong(&at, "the status must be a subresource: `subresources: {status: {}}`");
        }
    }
    Ok(())
}

fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// Three numbers; what follows a `-` or `+` is free.
fn is_semantic_version(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        Kind,
        description::{Backends, RelatedQuery},
    };
    use serde_json::json;

    fn good() -> Description {
        let status = json!({"properties": {"conditions": {}, "observedGeneration": {}}});
        let version = json!({
            "name": "v1", "schema": {"openAPIV3Schema": {"properties": {"status": status}}}, "subresources": {"status": {}},
        });
        Description {
            name: "mysql".into(),
            version: "1.4.0-rc.1".into(),
            serves: vec![json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "mysqls.windlass.dev"},
                "spec": {"group": "windlass.dev", "names": {"kind": "MySQL", "plural": "mysqls"}, "versions": [version]},
            })],
            writes: vec![Kind::new("apps", "v1", "StatefulSet")],
            reads: vec![],
            backends: Backends::default(),
        }
    }

    fn path_of_error(change: impl FnOnce(&mut Description)) -> String {
        let mut description = good();
        change(&mut description);
        check(&description).unwrap_err().path
    }

    #[test]
    fn a_good_description_passes() {
        assert_eq!(check(&good()), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let query = RelatedQuery {
            name: "a".into(),
            kind: Kind::new("", "v1", "Node"),
            namespace: None,
            label_selector: None,
            names: vec![],
        };
        assert_eq!(path_of_error(|it| it.name = "My SQL".into()), "name");
        assert_eq!(path_of_error(|it| it.version = "1.4".into()), "version");
        assert_eq!(path_of_error(|it| it.serves.clear()), "serves");
        assert_eq!(path_of_error(|it| it.serves[0] = json!({"kind": "Secret"})), "serves[0]");
        assert_eq!(path_of_error(|it| it.serves[0]["spec"]["group"] = json!("")), "serves[0].spec.group");
        assert_eq!(
            path_of_error(|it| it.serves[0]["spec"]["versions"][0]["schema"] = json!({})),
            "serves[0].spec.versions[0]"
        );
        assert_eq!(path_of_error(|it| it.reads = vec![query.clone(), query]), "reads[1].name");
    }
}
