//! What comes in: CustomResourceDefinitions. What goes out: their defaults, complaints about them, and the resources that
//! they define. Pure. Status conditions, stored versions after creation and finalizers are the core's.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::resource::{Column, Resource, ScalePaths};

use super::structural;

mod check;
mod costs;
mod custom;
mod schema_check;
mod structural_check;

pub use check::{validate_change, validate_crd};
pub use custom::Custom;

/// Members of a list, empty when absent.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Text of a member, empty when absent.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Fills in what a real server fills in: names derived from the kind, conversion, the webhook's port.
pub fn default_crd(definition: &mut Value) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let missing = |name: Option<&Value>| name.and_then(Value::as_str).unwrap_or_default().is_empty();
        if missing(names.get("singular")) && !kind.is_empty() {
            names.insert("singular".to_owned(), json!(kind.to_lowercase()));
        }
        if missing(names.get("listKind")) && !kind.is_empty() {
            names.insert("listKind".to_owned(), json!(format!("{kind}List")));
        }
    }
    let conversion = spec.entry("conversion").or_insert_with(|| json!({ "strategy": "None" }));
    if let Some(service) = conversion.pointer_mut("/webhook/clientConfig/service").and_then(Value::as_object_mut) {
        service.entry("port").or_insert_with(|| json!(443));
    }
}

/// The name of the version at which objects are stored.
#[must_use]
pub fn storage_version(definition: &Value) -> &str {
    let versions = list(&definition["spec"], "versions");
    versions.iter().find(|version| version["storage"] == json!(true)).map_or("", |version| text(version, "name"))
}

/// The resources that a definition serves, one for each served version.
///
/// # Errors
/// What is wrong with the definition: nothing is served then.
pub fn compile(definition: &Value) -> Result<Vec<Resource>, Vec<FieldError>> {
    let spec = &definition["spec"];
    let mut errors = Vec::new();
    for (path, source) in check::schemas(definition) {
        errors.extend(structural_check::errors(source, &path));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let served = list(spec, "versions").iter().filter(|version| version["served"] == json!(true));
    Ok(served.map(|version| resource(spec, version)).collect())
}

fn resource(spec: &Value, version: &Value) -> Resource {
    let names = &spec["names"];
    let group = text(spec, "group");
    let kind = text(names, "kind");
    let name = text(version, "name");
    let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let source = version.pointer("/schema/openAPIV3Schema").unwrap_or(&anything);
    let schema = Arc::new(structural::root(source));
    let status = version.pointer("/subresources/status").is_some();
    let scale = version.pointer("/subresources/scale").map(|scale| ScalePaths {
        spec_replicas: text(scale, "specReplicasPath").to_owned(),
        status_replicas: text(scale, "statusReplicasPath").to_owned(),
        label_selector: Some(text(scale, "labelSelectorPath")).filter(|path| !path.is_empty()).map(str::to_owned),
    });
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    Resource {
        group: group.to_owned(),
        version: name.to_owned(),
        kind: kind.to_owned(),
        list_kind: text(names, "listKind").to_owned(),
        plural: text(names, "plural").to_owned(),
        singular: text(names, "singular").to_owned(),
        short_names: texts(names, "shortNames"),
        categories: texts(names, "categories"),
        namespaced: text(spec, "scope") != "Cluster",
        verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            .map(str::to_owned)
            .to_vec(),
        status,
        strategy: Arc::new(Custom {
            schema: schema.clone(),
            status,
            scale: scale.clone(),
            kind: kind.to_owned(),
            api_version: format!("{group}/{name}"),
        }),
        scale,
        schema,
        columns: columns(version),
        selectable_fields: list(version, "selectableFields")
            .iter()
            .map(|field| text(field, "jsonPath").trim_start_matches('.').to_owned())
            .collect(),
        custom: true,
        storage_version: version["storage"] == json!(true),
        openapi_name: format!("{}.{name}.{kind}", parts.join(".")),
    }
}

/// The printer columns of a version; without any, the age alone is shown.
fn columns(version: &Value) -> Vec<Column> {
    let stated = list(version, "additionalPrinterColumns");
    let column = |source: &Value| Column {
        name: text(source, "name").to_owned(),
        type_: text(source, "type").to_owned(),
        format: text(source, "format").to_owned(),
        description: match text(source, "description") {
            "" => format!("Custom resource definition column (in JSONPath format): {}", text(source, "jsonPath")),
            description => description.to_owned(),
        },
        priority: source.get("priority").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
        json_path: Some(text(source, "jsonPath").to_owned()),
    };
    if stated.is_empty() {
        return vec![Column {
            name: "Age".to_owned(),
            type_: "date".to_owned(),
            format: String::new(),
            description: crate::table::AGE.to_owned(),
            priority: 0,
            json_path: Some(".metadata.creationTimestamp".to_owned()),
        }];
    }
    stated.iter().map(column).collect()
}

#[cfg(test)]
mod tests;
