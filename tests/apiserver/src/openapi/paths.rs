//! What comes in: the served resources. What goes out: the paths of an OpenAPI document, with the operations and query
//! parameters by which clients learn what a server can do. Pure.

use serde_json::{Map, Value, json};

use crate::resource::Resource;

use super::prefix;
use super::schemas::{Dialect, SCALE};

/// The paths of all resources.
pub(super) fn of(resources: &[&Resource], dialect: Dialect) -> Map<String, Value> {
    let mut paths = Map::new();
    for resource in resources {
        let root = format!("/{}", prefix(&resource.group, &resource.version));
        let plural = &resource.plural;
        let collection = if resource.namespaced {
            paths.insert(format!("{root}/{plural}"), json!({ "get": operation(resource, "get", "list", dialect) }));
            format!("{root}/namespaces/{{namespace}}/{plural}")
        } else {
            format!("{root}/{plural}")
        };
        let item = format!("{collection}/{{name}}");
        if resource.status {
            paths.insert(format!("{item}/status"), one(resource, &["get", "patch", "update"], dialect));
        }
        if resource.scale.is_some() {
            paths.insert(format!("{item}/scale"), scale(dialect));
        }
        paths.insert(item, one(resource, &["get", "delete", "patch", "update"], dialect));
        paths.insert(collection, many(resource, dialect));
    }
    paths
}

fn many(resource: &Resource, dialect: Dialect) -> Value {
    let mut operations = Map::new();
    for (verb, method, action) in
        [("list", "get", "list"), ("create", "post", "post"), ("deletecollection", "delete", "deletecollection")]
    {
        if resource.verbs.iter().any(|served| served == verb) {
            operations.insert(method.to_owned(), operation(resource, method, action, dialect));
        }
    }
    named(operations, resource.namespaced, false, dialect)
}

fn one(resource: &Resource, verbs: &[&str], dialect: Dialect) -> Value {
    let mut operations = Map::new();
    for verb in verbs.iter().filter(|verb| resource.verbs.iter().any(|served| served == **verb)) {
        let method = if *verb == "update" { "put" } else { verb };
        operations.insert(method.to_owned(), operation(resource, method, method, dialect));
    }
    named(operations, resource.namespaced, true, dialect)
}

fn scale(dialect: Dialect) -> Value {
    let operation = |method: &str| {
        json!({
            "responses": { "200": answer(SCALE, dialect) },
            "x-kubernetes-action": method,
            "x-kubernetes-group-version-kind": { "group": "autoscaling", "kind": "Scale", "version": "v1" },
        })
    };
    let operations = ["get", "patch", "put"].map(|method| (method.to_owned(), operation(method)));
    named(operations.into_iter().collect(), true, true, dialect)
}

/// The operations of a path with the parameters that its text names.
fn named(mut operations: Map<String, Value>, namespace: bool, name: bool, dialect: Dialect) -> Value {
    let mut parameters = Vec::new();
    for (wanted, key) in [(name, "name"), (namespace, "namespace")] {
        if wanted {
            parameters.push(parameter(key, "path", "string", dialect));
        }
    }
    operations.insert("parameters".to_owned(), json!(parameters));
    Value::Object(operations)
}

fn parameter(name: &str, place: &str, kind: &str, dialect: Dialect) -> Value {
    let mut out = json!({ "name": name, "in": place });
    match dialect {
        Dialect::V2 => {
            out["type"] = json!(kind);
            out["uniqueItems"] = json!(true);
        }
        Dialect::V3 => out["schema"] = json!({ "type": kind, "uniqueItems": true }),
    }
    if place == "path" {
        out["required"] = json!(true);
    }
    out
}

fn answer(name: &str, dialect: Dialect) -> Value {
    let schema = json!({ "$ref": dialect.reference(name) });
    match dialect {
        Dialect::V2 => json!({ "description": "OK", "schema": schema }),
        Dialect::V3 => json!({ "description": "OK", "content": { "application/json": { "schema": schema } } }),
    }
}

fn operation(resource: &Resource, method: &str, action: &str, dialect: Dialect) -> Value {
    let query: &[(&str, &str)] = match action {
        "post" | "put" => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")],
        "patch" => {
            &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")]
        }
        "delete" => &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")],
        "deletecollection" => &[
            ("dryRun", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("propagationPolicy", "string"),
        ],
        "list" => &[
            ("allowWatchBookmarks", "boolean"),
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        _ => &[],
    };
    let mut parameters: Vec<Value> = query.iter().map(|(name, kind)| parameter(name, "query", kind, dialect)).collect();
    let shown = match action {
        "list" => format!("{}List", resource.openapi_name),
        "deletecollection" => "io.k8s.apimachinery.pkg.apis.meta.v1.Status".to_owned(),
        _ => resource.openapi_name.clone(),
    };
    let code = if action == "post" { "201" } else { "200" };
    let mut out = json!({
        "operationId": format!("{action}{}{}{}", camel(&resource.group), camel(&resource.version), resource.kind),
        "responses": { code: answer(&shown, dialect) },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": { "group": resource.group, "kind": resource.kind, "version": resource.version },
    });
    if matches!(method, "post" | "put") {
        let schema = json!({ "$ref": dialect.reference(&resource.openapi_name) });
        match dialect {
            Dialect::V2 => parameters.push(json!({ "name": "body", "in": "body", "required": true, "schema": schema })),
            Dialect::V3 => out["requestBody"] = json!({ "content": { "*/*": { "schema": schema } }, "required": true }),
        }
    }
    out["parameters"] = json!(parameters);
    out
}

fn camel(text: &str) -> String {
    text.split('.')
        .map(|part| {
            let mut letters = part.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}
