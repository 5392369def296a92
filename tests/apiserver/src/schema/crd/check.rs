//! What comes in: a CustomResourceDefinition, on updates with the stored one. What goes out: complaints in the words and
//! order of a real server. Pure.
//!
//! A real server keeps what all versions share at the top of the spec: complaints about a schema that all versions share
//! name `spec.validation`, those about shared columns `spec.additionalPrinterColumns`, and so on.

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::resource::names;

use super::{costs, list, schema_check, storage_version, structural_check, text};

/// At most so many selectable fields.
const SELECTABLE: usize = 8;

/// Complaints about a definition; with `old`, about a change.
#[must_use]
pub fn validate_crd(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &new["spec"];
    if old.is_none() {
        let name = new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let wanted = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
        if name != wanted {
            errors.push(FieldError::invalid(
                "metadata.name",
                &json!(name),
                "must be spec.names.plural+\".\"+spec.group",
            ));
        }
    }
    spec_errors(new, old, &mut errors);
    approval(new, old, &mut errors);
    errors
}

/// Complaints about what an update may not change; those about the new definition come with it.
#[must_use]
pub fn validate_change(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut immutable = |pointer: &str, field: &str| {
        let (now, before) = (new.pointer(pointer), old.pointer(pointer));
        if now != before {
            errors.push(FieldError::invalid(field, now.unwrap_or(&Value::Null), "field is immutable"));
        }
    };
    let established = list(&old["status"], "conditions")
        .iter()
        .any(|condition| text(condition, "type") == "Established" && text(condition, "status") == "True");
    if established {
        immutable("/spec/scope", "spec.scope");
        immutable("/spec/names/kind", "spec.names.kind");
    }
    immutable("/spec/group", "spec.group");
    immutable("/spec/names/plural", "spec.names.plural");
    let stored = list(&new["status"], "storedVersions");
    let storage = storage_version(new);
    if !stored.is_empty() && !stored.contains(&json!(storage)) {
        let detail = format!("must have the storage version {storage}");
        errors.push(FieldError::invalid("status.storedVersions", &json!(stored), detail));
    }
    for (index, version) in stored.iter().enumerate() {
        let known = list(&new["spec"], "versions").iter().any(|known| known.get("name") == Some(version));
        if !known {
            let name = version.as_str().unwrap_or_default();
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.push(FieldError::invalid(format!("status.storedVersions[{index}]"), version, detail));
        }
    }
    errors
}

/// Groups under `k8s.io` are protected by an annotation.
fn approval(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let group = text(&new["spec"], "group");
    let protected =
        ["k8s.io", "kubernetes.io"].iter().any(|suffix| group == *suffix || group.ends_with(&format!(".{suffix}")));
    let annotation = |object: &Value| {
        object
            .pointer("/metadata/annotations/api-approved.kubernetes.io")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if !protected || old.is_some_and(|old| annotation(old) == annotation(new)) {
        return;
    }
    let field = "metadata.annotations[api-approved.kubernetes.io]";
    let value = annotation(new);
    if value.is_empty() {
        errors.push(FieldError::required(field, "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111"));
    } else if !value.starts_with("unapproved") && !value.contains("://") {
        errors.push(FieldError::invalid(field, &json!(value), "protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"));
    }
}

/// Whether all versions have the same, non-empty value at a pointer.
fn shared<'a>(versions: &'a [Value], pointer: &str) -> Option<&'a Value> {
    let first = versions.first()?.pointer(pointer)?;
    let same = versions.iter().all(|version| version.pointer(pointer) == Some(first));
    (same && first.as_array().is_none_or(|items| !items.is_empty())).then_some(first)
}

/// The schemas of a definition with the paths by which complaints name them.
pub(super) fn schemas(definition: &Value) -> Vec<(String, &Value)> {
    let versions = list(&definition["spec"], "versions");
    if let Some(schema) = shared(versions, "/schema").and_then(|schema| schema.get("openAPIV3Schema")) {
        return vec![("spec.validation.openAPIV3Schema".to_owned(), schema)];
    }
    let numbered = versions.iter().enumerate();
    numbered
        .filter_map(|(index, version)| {
            let schema = version.pointer("/schema/openAPIV3Schema")?;
            Some((format!("spec.versions[{index}].schema.openAPIV3Schema"), schema))
        })
        .collect()
}

fn spec_errors(definition: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &definition["spec"];
    let group = text(spec, "group");
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if let Some(problem) = names::dns_subdomain(group) {
        errors.push(FieldError::invalid("spec.group", &json!(group), problem));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid("spec.group", &json!(group), "should be a domain with at least one dot"));
    }
    one_of(text(spec, "scope"), "spec.scope", &["Cluster", "Namespaced"], errors);
    let versions = list(spec, "versions");
    for (index, version) in versions.iter().enumerate() {
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            errors.push(FieldError::required(format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    if spec.get("preserveUnknownFields") == Some(&json!(true)) {
        errors.push(FieldError::invalid(
            "spec.preserveUnknownFields",
            &json!(true),
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ));
    }
    let common_schema = shared(versions, "/schema");
    let common_subresources = shared(versions, "/subresources");
    let common_columns = shared(versions, "/additionalPrinterColumns");
    let common_fields = shared(versions, "/selectableFields");
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        let name = text(version, "name");
        if let Some(problem) = names::dns_1035_label(name) {
            errors.push(FieldError::invalid(format!("{path}.name"), &json!(name), problem));
        }
        deprecation(version, &path, errors);
        if common_schema.is_none() {
            schema_errors(version.get("schema"), &format!("{path}.schema"), version, old, errors);
        }
        if common_subresources.is_none() {
            subresources(version.get("subresources"), &format!("{path}.subresources"), errors);
        }
        if common_columns.is_none() {
            columns(list(version, "additionalPrinterColumns"), &format!("{path}.additionalPrinterColumns"), errors);
        }
        if common_fields.is_none() {
            selectable(version, &format!("{path}.selectableFields"), errors);
        }
    }
    let named: Vec<&str> = versions.iter().map(|version| text(version, "name")).collect();
    if named.iter().enumerate().any(|(index, name)| named[..index].contains(name)) {
        errors.push(FieldError::invalid("spec.versions", &json!(versions), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == json!(true)).count() != 1 {
        errors.push(FieldError::invalid(
            "spec.versions",
            &json!(versions),
            "must have exactly one version marked as storage version",
        ));
    }
    name_errors(&spec["names"], errors);
    if let Some(first) = versions.first() {
        if common_schema.is_some() {
            schema_errors(common_schema, "spec.validation", first, old, errors);
        }
        if common_subresources.is_some() {
            subresources(common_subresources, "spec.subresources", errors);
        }
        if common_columns.is_some() {
            columns(list(first, "additionalPrinterColumns"), "spec.additionalPrinterColumns", errors);
        }
        if common_fields.is_some() {
            selectable(first, "spec.selectableFields", errors);
        }
    }
    conversion(&spec["conversion"], errors);
}

fn one_of(value: &str, field: &str, allowed: &[&str], errors: &mut Vec<FieldError>) {
    if value.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if !allowed.contains(&value) {
        errors.push(FieldError::not_supported(field, &json!(value), allowed));
    }
}

fn deprecation(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let field = format!("{path}.deprecationWarning");
    let mut refuse = |detail: &str| errors.push(FieldError::invalid(field.clone(), &json!(warning), detail));
    if version.get("deprecated") != Some(&json!(true)) {
        return refuse("can only be set for deprecated versions");
    }
    if warning.len() > 256 {
        refuse("must be <= 256 characters long");
    }
    if warning.is_empty() {
        refuse("must not be an empty string");
    }
}

fn name_errors(given: &Value, errors: &mut Vec<FieldError>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        if text(given, key).is_empty() {
            errors.push(FieldError::required(format!("spec.names.{key}"), ""));
        }
    }
    for key in ["plural", "singular"] {
        if let Some(problem) = names::dns_1035_label(text(given, key)).filter(|_| !text(given, key).is_empty()) {
            errors.push(FieldError::invalid(format!("spec.names.{key}"), &given[key], problem));
        }
    }
    for key in ["kind", "listKind"] {
        let name = text(given, key);
        if let Some(problem) = names::dns_1035_label(&name.to_lowercase()).filter(|_| !name.is_empty()) {
            let detail = format!("may have mixed case, but should otherwise match: {problem}");
            errors.push(FieldError::invalid(format!("spec.names.{key}"), &json!(name), detail));
        }
    }
    label_errors(given, "shortNames", errors);
    let same = !text(given, "kind").is_empty() && text(given, "kind") == text(given, "listKind");
    if same {
        errors.push(FieldError::invalid(
            "spec.names.listKind",
            &given["listKind"],
            "kind and listKind may not be the same",
        ));
    }
    label_errors(given, "categories", errors);
}

fn label_errors(given: &Value, key: &str, errors: &mut Vec<FieldError>) {
    for (index, name) in list(given, key).iter().enumerate() {
        if let Some(problem) = names::dns_1035_label(name.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid(format!("spec.names.{key}[{index}]"), name, problem));
        }
    }
}

/// Complaints about one schema: its form, its defaults, then its rules and what these may cost.
fn schema_errors(
    schema: Option<&Value>,
    path: &str,
    version: &Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) {
    let Some(source) = schema.and_then(|schema| schema.get("openAPIV3Schema")) else { return };
    let path = format!("{path}.openAPIV3Schema");
    let mut found = Vec::new();
    if version.pointer("/subresources/status").is_some() {
        let kind = text(source, "type");
        if kind != "object" && !kind.is_empty() {
            let detail =
                "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            found.push(FieldError::invalid(format!("{path}.type"), &json!(kind), detail));
        }
    }
    if source.get("nullable") == Some(&json!(true)) {
        found.push(FieldError::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    let mut structural = structural_check::errors(source, &path);
    if structural.is_empty() {
        structural = structural_check::default_errors(source, &path);
    }
    let sound = structural.is_empty();
    found.extend(structural);
    let formal = schema_check::errors(source, &path);
    let check_rules = sound && formal.is_empty();
    found.extend(formal);
    if check_rules {
        let unchanged = old.is_some_and(|old| {
            let name = version.get("name");
            let before = list(&old["spec"], "versions").iter().find(|before| before.get("name") == name);
            before.and_then(|before| before.get("schema")) == version.get("schema")
        });
        found.extend(costs::errors(source, &path, unchanged));
    }
    errors.extend(found);
}

fn simple_path(path: &str, field: &str) -> Option<FieldError> {
    match path.chars().next() {
        None => Some(FieldError::invalid(field, &json!(path), "must not be empty")),
        Some('.') => None,
        Some(_) => Some(FieldError::invalid(field, &json!(path), "must be a simple json path starting with .")),
    }
}

fn subresources(given: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(scale) = given.and_then(|given| given.get("scale")) else { return };
    for (key, below) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let field = format!("{path}.scale.{key}");
        let value = text(scale, key);
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if let Some(error) = simple_path(value, &field) {
            errors.push(error);
        } else if !value.starts_with(&format!("{below}.")) {
            errors.push(FieldError::invalid(field, &json!(value), format!("should be a json path under {below}")));
        }
    }
    let value = text(scale, "labelSelectorPath");
    let field = format!("{path}.scale.labelSelectorPath");
    if value.is_empty() {
        return;
    }
    if let Some(error) = simple_path(value, &field) {
        errors.push(error);
    } else if !value.starts_with(".spec.") && !value.starts_with(".status.") {
        errors.push(FieldError::invalid(field, &json!(value), "should be a json path under either .spec or .status"));
    }
}

fn columns(columns: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    for (index, column) in columns.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        let must = format!("must be one of {}", TYPES.join(","));
        match text(column, "type") {
            "" => errors.push(FieldError::required(format!("{path}.type"), must)),
            kind if !TYPES.contains(&kind) => {
                errors.push(FieldError::invalid(format!("{path}.type"), &json!(kind), must))
            }
            _ => {}
        }
        let format = text(column, "format");
        if !format.is_empty() && !FORMATS.contains(&format) {
            let must = format!("must be one of {}", FORMATS.join(","));
            errors.push(FieldError::invalid(format!("{path}.format"), &json!(format), must));
        }
        match text(column, "jsonPath") {
            "" => errors.push(FieldError::required(format!("{path}.JSONPath"), "")),
            json_path => errors.extend(simple_path(json_path, &format!("{path}.JSONPath"))),
        }
    }
}

fn selectable(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = Vec::new();
    for (index, given) in list(version, "selectableFields").iter().enumerate() {
        let field = format!("{path}[{index}].jsonPath");
        let json_path = text(given, "jsonPath");
        if json_path.is_empty() {
            errors.push(FieldError::required(field, ""));
            continue;
        }
        let mut here = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
        let mut missing = None;
        for name in json_path.trim_start_matches('.').split('.') {
            match here.get("properties").and_then(|properties| properties.get(name)) {
                Some(next) => here = next,
                None => {
                    missing = Some(name);
                    break;
                }
            }
        }
        if let Some(name) = missing.filter(|_| !json_path.starts_with(".metadata")) {
            let detail = format!("is an invalid path: does not refer to a valid field: {name}");
            errors.push(FieldError::invalid(field, &json!(json_path), detail));
            continue;
        }
        if json_path.starts_with(".metadata") {
            errors.push(FieldError::invalid(field.clone(), &json!(json_path), "must not point to fields in metadata"));
        }
        if !matches!(text(here, "type"), "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(field.clone(), &json!(json_path), detail));
        }
        if seen.contains(&json_path) {
            errors.push(FieldError::duplicate(field, &json!(json_path)));
        } else {
            seen.push(json_path);
        }
    }
    if seen.len() > SELECTABLE {
        errors.push(FieldError::too_many(path, seen.len(), SELECTABLE));
    }
}

fn conversion(given: &Value, errors: &mut Vec<FieldError>) {
    if given.is_null() {
        return;
    }
    one_of(text(given, "strategy"), "spec.conversion.strategy", &["None", "Webhook"], errors);
    let client = given.pointer("/webhook/clientConfig");
    if text(given, "strategy") != "Webhook" {
        if client.is_some() {
            errors.push(FieldError::forbidden(
                "spec.conversion.webhookClientConfig",
                "should not be set when strategy is not set to Webhook",
            ));
        }
        return;
    }
    match client {
        None => errors.push(FieldError::required(
            "spec.conversion.webhookClientConfig",
            "required when strategy is set to Webhook",
        )),
        Some(client) if client.get("url").is_some() == client.get("service").is_some() => {
            errors.push(FieldError::required(
                "spec.conversion.webhookClientConfig",
                "exactly one of url or service is required",
            ));
        }
        Some(_) => {}
    }
    if given.pointer("/webhook/conversionReviewVersions").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        errors.push(FieldError::required("spec.conversion.conversionReviewVersions", ""));
    }
}
