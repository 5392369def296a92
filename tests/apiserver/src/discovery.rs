//! Discovery: what is served comes in; the documents by which clients find it come out.

use crate::api::Api;
use crate::api_error::ApiError;
use crate::http::accept::Accepted;
use crate::http::reply::{self, Reply};
use crate::http::request::Call;
use crate::openapi;
use crate::registry::Served;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, VARY};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version that the server says it is.
const VERSION: &str = "v1.36.0";

/// Groups with their versions, best first, in the order in which they were registered.
fn groups(served: &[Arc<Served>]) -> Vec<(String, Vec<String>)> {
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    for resource in served {
        match out.iter_mut().find(|(group, _)| *group == resource.group) {
            Some((_, versions)) if versions.contains(&resource.version) => {}
            Some((_, versions)) => versions.push(resource.version.clone()),
            None => out.push((resource.group.clone(), vec![resource.version.clone()])),
        }
    }
    for (_, versions) in &mut out {
        versions.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| a.cmp(b)));
    }
    out
}

/// Versions in the order of preference: GA before beta before alpha, higher numbers first, others last.
fn priority(version: &str) -> (u8, u64, u64) {
    let parse = |text: &str| text.parse::<u64>().ok();
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    for (word, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some((major, minor)) = rest.split_once(word)
            && let (Some(major), Some(minor)) = (parse(major), parse(minor))
        {
            return (rank, major, minor);
        }
    }
    parse(rest).map_or((0, 0, 0), |major| (3, major, 0))
}

struct Sub {
    name: &'static str,
    kind: String,
    group: &'static str,
    version: &'static str,
    verbs: &'static [&'static str],
}

fn subresources(served: &Served) -> Vec<Sub> {
    const CHANGE: &[&str] = &["get", "patch", "update"];
    const CREATE: &[&str] = &["create"];
    let own = |name: &'static str, verbs| Sub { name, kind: served.kind.clone(), group: "", version: "", verbs };
    let mut out = Vec::new();
    match (served.group.as_str(), served.plural.as_str()) {
        ("", "namespaces") => out.push(own("finalize", &["update"])),
        ("", "pods") => {
            out.push(Sub { name: "binding", kind: "Binding".to_owned(), group: "", version: "", verbs: CREATE });
            out.push(own("ephemeralcontainers", CHANGE));
            out.push(Sub {
                name: "eviction",
                kind: "Eviction".to_owned(),
                group: "policy",
                version: "v1",
                verbs: CREATE,
            });
            out.push(own("log", &["get"]));
            out.push(own("resize", CHANGE));
        }
        ("", "serviceaccounts") => out.push(Sub {
            name: "token",
            kind: "TokenRequest".to_owned(),
            group: "authentication.k8s.io",
            version: "v1",
            verbs: CREATE,
        }),
        _ => {}
    }
    if served.scale.is_some() {
        out.push(Sub { name: "scale", kind: "Scale".to_owned(), group: "autoscaling", version: "v1", verbs: CHANGE });
    }
    if served.status {
        out.push(own("status", CHANGE));
    }
    if served.custom {
        // Custom resources list their status first.
        out.reverse();
    }
    out
}

fn of_version(served: &[Arc<Served>], group: &str, version: &str) -> Vec<Arc<Served>> {
    let mut found: Vec<_> = served.iter().filter(|s| s.group == group && s.version == version).cloned().collect();
    found.sort_by(|a, b| a.plural.cmp(&b.plural));
    found
}

fn resource_list(served: &[Arc<Served>], group: &str, version: &str) -> Option<Value> {
    let found = of_version(served, group, version);
    if found.is_empty() {
        return None;
    }
    let mut resources = Vec::new();
    for resource in &found {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.verbs,
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        if resource.storage_version && resource.verbs.iter().any(|v| v == "list") {
            let digest = Sha256::digest(format!("{}/{}/{}", resource.group, resource.version, resource.kind));
            use base64::Engine;
            entry["storageVersionHash"] = json!(base64::engine::general_purpose::STANDARD.encode(&digest[..8]));
        }
        resources.push(entry);
        for sub in subresources(resource) {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, sub.name),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": sub.kind,
                "verbs": sub.verbs,
            });
            if !sub.group.is_empty() {
                entry["group"] = json!(sub.group);
                entry["version"] = json!(sub.version);
            }
            resources.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }),
    )
}

fn group_document(group: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    let list: Vec<Value> = versions.iter().map(entry).collect();
    json!({ "name": group, "versions": list, "preferredVersion": list.first() })
}

fn aggregated(served: &[Arc<Served>], core: bool) -> Value {
    let mut items = Vec::new();
    for (group, versions) in groups(served).into_iter().filter(|(group, _)| group.is_empty() == core) {
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| {
                let resources: Vec<Value> =
                    of_version(served, &group, version).iter().map(|r| aggregated_resource(r)).collect();
                json!({ "version": version, "resources": resources, "freshness": "Current" })
            })
            .collect();
        let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
        items.push(json!({ "metadata": metadata, "versions": versions }));
    }
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn aggregated_resource(resource: &Served) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": kind(&resource.group, &resource.version, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let subs: Vec<Value> = subresources(resource)
        .into_iter()
        .map(|sub| {
            let (group, version) = match sub.group {
                "" => (resource.group.as_str(), resource.version.as_str()),
                group => (group, sub.version),
            };
            json!({ "subresource": sub.name, "responseKind": kind(group, version, &sub.kind), "verbs": sub.verbs })
        })
        .collect();
    if !subs.is_empty() {
        entry["subresources"] = json!(subs);
    }
    entry
}

/// Answer a path that is not about a resource.
pub(crate) fn handle(api: &Api, call: &Call, accepted: Accepted) -> Result<Reply, ApiError> {
    if !matches!(call.method.as_str(), "GET" | "HEAD") {
        return Err(ApiError::unknown_path());
    }
    let catalog = api.registry.snapshot();
    let served = catalog.all();
    let parts: Vec<&str> = call.path.split('/').filter(|p| !p.is_empty()).collect();
    let document = match parts.as_slice() {
        [] => {
            let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
            for (group, versions) in groups(served).into_iter().filter(|(g, _)| !g.is_empty()) {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
            }
            paths
                .extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
            json!({ "paths": paths })
        }
        ["api" | "apis"] if accepted.aggregated => return Ok(tagged(call, &aggregated(served, parts == ["api"]))),
        ["api"] => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": api.address }],
        }),
        ["apis"] => {
            let list: Vec<Value> =
                groups(served).iter().filter(|(g, _)| !g.is_empty()).map(|(g, v)| group_document(g, v)).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": list })
        }
        ["apis", group] => {
            let found: BTreeMap<String, Vec<String>> = groups(served).into_iter().collect();
            let versions = found.get(*group).ok_or_else(ApiError::unknown_path)?;
            let mut document = group_document(group, versions);
            document["kind"] = json!("APIGroup");
            document["apiVersion"] = json!("v1");
            document
        }
        ["api", version] => resource_list(served, "", version).ok_or_else(ApiError::unknown_path)?,
        ["apis", group, version] => resource_list(served, group, version).ok_or_else(ApiError::unknown_path)?,
        ["version"] => json!({
            "major": "1", "minor": "36", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
        }),
        ["healthz" | "livez" | "readyz", ..] => return Ok(reply::text(200, "ok")),
        ["openapi", "v2"] => openapi::v2(&catalog.resources()),
        ["openapi", "v3"] => openapi::v3_index(&catalog.resources()),
        ["openapi", "v3", "api", version] => openapi::v3_group_version(&catalog.resources(), "", version),
        ["openapi", "v3", "apis", group, version] => openapi::v3_group_version(&catalog.resources(), group, version),
        _ => return Err(ApiError::unknown_path()),
    };
    if document.is_null() {
        return Err(ApiError::unknown_path());
    }
    Ok(reply::value(200, &document, accepted))
}

/// Aggregated discovery with its tag; 304 when the client has it.
fn tagged(call: &Call, document: &Value) -> Reply {
    let bytes = crate::storage::render_json(document);
    let tag = format!("\"{:X}\"", Sha256::digest(&bytes));
    let known = call.header("if-none-match") == Some(tag.as_str());
    let mut reply = if known {
        reply::with_type(304, "application/json", "")
    } else {
        reply::with_type(200, "application/json", bytes)
    };
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
    );
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    headers.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("public"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    reply
}
