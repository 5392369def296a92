//! What comes in: nothing. What goes out: the resources that the server serves from the start, each with schema, names,
//! columns and strategy, as a real API server of the 1.36 line serves them. Pure.

use std::sync::{Arc, LazyLock};

use crate::resource::{Resource, ScalePaths};
use crate::schema::Schema;

mod apps;
mod batch;
mod check;
mod core;
pub mod definitions;
mod edit;
pub mod events;
mod kinds;
mod labels;
mod network;
mod pod;
mod policy;
mod rbac;
mod service;
pub mod strategy;
mod volume;

use kinds::{Entry, KINDS};
use strategy::Builtin;

static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(|| KINDS.iter().map(resource).collect());

/// Every built-in resource. Built once; later calls copy references.
#[must_use]
pub fn resources() -> Vec<Resource> {
    RESOURCES.clone()
}

/// The schema of any built-in type by the name of its OpenAPI definition, such as
/// `io.k8s.api.authorization.v1.SelfSubjectAccessReview`.
#[must_use]
pub fn schema(name: &str) -> Option<Arc<Schema>> {
    definitions::schema(name)
}

/// What `metadata` must look like in every object: also in custom resources it is decoded like a Go struct.
#[must_use]
pub fn object_meta() -> Arc<Schema> {
    definitions::object_meta()
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn resource(entry: &Entry) -> Resource {
    let openapi_name = openapi_name(entry.group, entry.version, entry.kind);
    let schema = definitions::schema(&openapi_name).unwrap_or_default();
    let mut verbs = words("create delete deletecollection get list patch update watch");
    if entry.group.starts_with("auth") {
        verbs = words("create");
    }
    if entry.kind == "Namespace" {
        verbs.retain(|verb| verb != "deletecollection");
    }
    let scale = entry.rules.scale.then(|| ScalePaths {
        spec_replicas: ".spec.replicas".to_owned(),
        status_replicas: ".status.replicas".to_owned(),
        label_selector: Some(".spec.selector".to_owned()),
    });
    let mut names = words(entry.names).into_iter();
    Resource {
        group: entry.group.to_owned(),
        version: entry.version.to_owned(),
        kind: entry.kind.to_owned(),
        list_kind: format!("{}List", entry.kind),
        plural: names.next().unwrap_or_default(),
        singular: entry.kind.to_ascii_lowercase(),
        short_names: names.collect(),
        categories: words(entry.categories),
        namespaced: entry.namespaced,
        verbs,
        status: entry.rules.status,
        scale,
        columns: crate::table::definitions(entry.group, entry.kind)
            .into_iter()
            .filter(|column| column.name != "Name")
            .collect(),
        selectable_fields: words(entry.fields),
        strategy: Arc::new(Builtin { schema: schema.clone(), rules: entry.rules }),
        schema,
        custom: false,
        storage_version: true,
        openapi_name,
    }
}

/// The name of a kind's definition in the OpenAPI documents.
fn openapi_name(group: &str, version: &str, kind: &str) -> String {
    match group {
        "" => format!("io.k8s.api.core.{version}.{kind}"),
        "apiextensions.k8s.io" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"),
        group => {
            let first = group.split('.').next().unwrap_or_default();
            format!("io.k8s.api.{first}.{version}.{kind}")
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod rules_tests;
