//! What comes in: the served resources. What goes out: the OpenAPI documents, version 2 for everything and version 3 by
//! group and version, as far as `kubectl explain`, `apply` and `diff` read them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::resource::Resource;

mod paths;
mod schemas;

use schemas::Dialect;

/// The version of Kubernetes that the documents name.
const VERSION: &str = "v1.36.0";

/// The path of a group version: `api/v1`, `apis/apps/v1`.
fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The index of the version 3 documents: what `/openapi/v3` answers.
#[must_use]
pub fn v3_index(resources: &[Resource]) -> Value {
    let mut digests: BTreeMap<String, Sha256> = BTreeMap::new();
    for resource in resources {
        let digest = digests.entry(prefix(&resource.group, &resource.version)).or_default();
        digest.update(resource.openapi_name.as_bytes());
        if let Some(source) = &resource.schema.source {
            digest.update(source.to_string().as_bytes());
        }
    }
    let entries = digests.into_iter().map(|(path, digest)| {
        let hash: String = digest.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
        let url = format!("/openapi/v3/{path}?hash={hash}");
        (path, json!({ "serverRelativeURL": url }))
    });
    json!({ "paths": entries.collect::<Map<_, _>>() })
}

/// The version 3 document of one group version; `null` when nothing of it is served.
#[must_use]
pub fn v3_group_version(resources: &[Resource], group: &str, version: &str) -> Value {
    let own: Vec<&Resource> =
        resources.iter().filter(|resource| resource.group == group && resource.version == version).collect();
    if own.is_empty() {
        return Value::Null;
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths::of(&own, Dialect::V3),
        "components": { "schemas": definitions(&own, Dialect::V3) },
    })
}

/// The version 2 document of everything: what `/openapi/v2` answers.
#[must_use]
pub fn v2(resources: &[Resource]) -> Value {
    let all: Vec<&Resource> = resources.iter().collect();
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths::of(&all, Dialect::V2),
        "definitions": definitions(&all, Dialect::V2),
    })
}

/// The schemas of the kinds and of all that they refer to.
fn definitions(resources: &[&Resource], dialect: Dialect) -> Map<String, Value> {
    let mut done = Map::new();
    let mut wanted: BTreeSet<String> = schemas::ALWAYS.iter().map(|name| (*name).to_owned()).collect();
    for resource in resources {
        let (schema, list) = schemas::kind(resource, dialect);
        schemas::references(&schema, &mut wanted);
        schemas::references(&list, &mut wanted);
        done.insert(resource.openapi_name.clone(), schema);
        done.insert(format!("{}List", resource.openapi_name), list);
        if resource.scale.is_some() {
            wanted.insert(schemas::SCALE.to_owned());
        }
    }
    while let Some(name) = wanted.pop_first() {
        if done.contains_key(&name) {
            continue;
        }
        let Some(schema) = schemas::builtin(&name, dialect) else { continue };
        schemas::references(&schema, &mut wanted);
        done.insert(name, schema);
    }
    done
}

#[cfg(test)]
mod tests;
