#![allow(clippy::unwrap_used)]
use super::*;
use crate::builtin;

#[test]
fn the_index_names_every_group_version() {
    let index = v3_index(&builtin::resources());
    for path in ["api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1"] {
        let url = index["paths"][path]["serverRelativeURL"].as_str().unwrap();
        assert!(url.starts_with(&format!("/openapi/v3/{path}?hash=")));
    }
}

#[test]
fn references_lead_somewhere() {
    let resources = builtin::resources();
    let mut groups: Vec<_> =
        resources.iter().map(|resource| (resource.group.clone(), resource.version.clone())).collect();
    groups.dedup();
    for (group, version) in groups {
        let document = v3_group_version(&resources, &group, &version);
        let mut found = BTreeSet::new();
        schemas::references(&document, &mut found);
        for name in found {
            assert!(document["components"]["schemas"].get(&name).is_some(), "{group}/{version}: {name}");
        }
    }
    let document = v2(&resources);
    let mut found = BTreeSet::new();
    schemas::references(&document, &mut found);
    for name in found {
        assert!(document["definitions"].get(&name).is_some(), "{name}");
    }
}

#[test]
fn clients_learn_that_the_server_validates_fields() {
    let document = v3_group_version(&builtin::resources(), "apps", "v1");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let names: Vec<_> =
        patch["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"fieldValidation") && names.contains(&"dryRun"));
}

#[test]
fn how_lists_merge_is_told() {
    let document = v3_group_version(&builtin::resources(), "", "v1");
    let containers = &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["items"]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Container");
}

#[test]
fn custom_resources_are_described_as_they_were_defined() {
    let definition = json!({"spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": {"type": "object", "description": "what it should be", "properties": {"n": {"type": "integer", "nullable": true}}}}}}}]}});
    let resources = crate::schema::crd::compile(&definition).unwrap();
    let document = v3_group_version(&resources, "example.com", "v1");
    let schema = &document["components"]["schemas"]["com.example.v1.Gadget"];
    assert_eq!(schema["properties"]["spec"]["description"], "what it should be");
    assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "Gadget");
    assert!(schema["properties"]["metadata"]["allOf"][0]["$ref"].as_str().unwrap().ends_with("ObjectMeta"));
    let reduced = &v2(&resources)["definitions"]["com.example.v1.Gadget"]["properties"]["spec"]["properties"]["n"];
    assert_eq!(*reduced, json!({}));
}
