use super::*;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema matters")]
struct Spec {
    /// How many, over
    /// two lines.
    #[serde(default = "three")]
    replicas: u16,
    title: String,
    nested: Option<Nested>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    mode: Mode,
    port: Option<crate::IntOrString>,
    #[schemars(schema_with = "any_object")]
    affinity: Option<serde_json::Value>,
}

fn three() -> u16 {
    3
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Nested {
    #[schemars(extend("x-kubernetes-validations" = [rule("self == oldSelf", "must not change")]))]
    size: String,
}

#[derive(Default, Deserialize, serde::Serialize, JsonSchema)]
enum Mode {
    /// Keeps.
    #[default]
    Keep,
    /// Drops.
    Drop,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Status {
    phase: Option<String>,
}

fn manifest() -> Value {
    Crd::of::<Spec, Status>("example.com", "v1", "Thing").manifest()
}

fn property(path: &str) -> Value {
    let schema = manifest();
    schema.pointer(&format!("/spec/versions/0/schema/openAPIV3Schema/properties{path}")).unwrap().clone()
}

#[test]
fn a_schema_of_everyday_types_has_no_problems() {
    assert_eq!(problems(&manifest()), Vec::<String>::new());
}

#[test]
fn an_option_of_a_struct_is_a_nullable_object() {
    let nested = property("/spec/properties/nested");
    assert_eq!(nested["type"], "object");
    assert_eq!(nested["nullable"], true);
    assert!(nested.get("anyOf").is_none());
}

#[test]
fn an_enumeration_keeps_its_values_and_their_meaning() {
    let mode = property("/spec/properties/mode");
    assert_eq!(mode["enum"], json!(["Keep", "Drop"]));
    assert_eq!(mode["default"], "Keep");
    assert!(mode["description"].as_str().unwrap().contains("Drop: Drops."));
}

#[test]
fn unsigned_numbers_become_limits() {
    let replicas = property("/spec/properties/replicas");
    assert_eq!(replicas["maximum"], 65535);
    assert_eq!(replicas["minimum"], 0);
    assert_eq!(replicas["format"], "int32");
    assert_eq!(replicas["default"], 3);
    assert_eq!(replicas["description"], "How many, over two lines.");
}

#[test]
fn every_list_map_and_text_of_the_spec_is_bounded() {
    assert_eq!(property("/spec/properties/tags")["maxItems"], 64);
    assert_eq!(property("/spec/properties/tags")["items"]["maxLength"], 1024);
    assert_eq!(property("/spec/properties/labels")["maxProperties"], 64);
}

#[test]
fn a_rule_stays_where_it_was_written() {
    let rules = property("/spec/properties/nested/properties/size/x-kubernetes-validations");
    assert_eq!(rules, json!([{ "rule": "self == oldSelf", "message": "must not change" }]));
}

#[test]
fn the_status_has_what_the_host_fills_in() {
    assert_eq!(property("/status/properties/conditions")["x-kubernetes-list-map-keys"], json!(["type"]));
    assert_eq!(property("/status/properties/observedGeneration")["type"], "integer");
}

#[test]
fn what_is_not_structural_is_reported_with_its_path() {
    let mut crd = manifest();
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/title";
    *crd.pointer_mut(at).unwrap() = json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }] });
    let found = problems(&crd).join("\n");
    assert!(found.contains("spec.title: `oneOf`") && found.contains("spec.title: has no type"), "{found}");
}
