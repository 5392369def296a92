#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

/// A definition with one version whose spec has these properties, and rules on the spec.
fn definition(spec: Value) -> Value {
    let mut definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": spec, "status": {"type": "object", "properties": {"ready": {"type": "integer"}}}}}},
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.ready"}}}],
        },
    });
    default_crd(&mut definition);
    definition
}

fn gadget() -> Resource {
    let spec = json!({
        "type": "object", "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "mode": {"type": "string", "enum": ["fast", "safe"], "default": "safe"},
            "tag": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
            "opts": {"type": "object", "default": {}, "properties": {"depth": {"type": "integer", "default": 3}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "qty": {"x-kubernetes-int-or-string": true},
            "when": {"type": "string", "format": "date-time"},
            "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "v": {"type": "integer"}}}},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "nul": {"type": "string", "nullable": true},
        },
        "x-kubernetes-validations": [
            {"rule": "self.mode != 'fast' || self.size > 2", "message": "fast needs size above 2"},
            {"rule": "self.size >= oldSelf.size", "message": "size may only grow"},
        ],
    });
    compile(&definition(spec)).unwrap().remove(0)
}

fn object(spec: Value) -> Value {
    let mut object = json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "c"}, "spec": spec});
    let gadget = gadget();
    gadget.strategy.decode(&mut object).unwrap();
    gadget.strategy.default(&mut object, None);
    object
}

fn refusal(spec: Value) -> String {
    crate::field_error::join(&gadget().strategy.validate_create(&object(spec)))
}

const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

#[test]
fn refusals_read_as_on_a_real_server() {
    for (spec, want) in [
        (json!({}), format!("[spec.size: Required value, {UNCHECKED}]")),
        (
            json!({"size": "three"}),
            format!(
                "[spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\", .spec.size: Invalid value: 0: .spec.size accessor error: three is of the type string, expected int64, {UNCHECKED}]"
            ),
        ),
        (
            json!({"size": 10}),
            "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9".to_owned(),
        ),
        (
            json!({"size": 2, "mode": "wild"}),
            format!("[spec.mode: Unsupported value: \"wild\": supported values: \"fast\", \"safe\", {UNCHECKED}]"),
        ),
        (
            json!({"size": 2, "tag": "ABC"}),
            "spec.tag: Invalid value: \"ABC\": spec.tag in body should match '^[a-z]+$'".to_owned(),
        ),
        (
            json!({"size": 2, "tag": "abcdefgh"}),
            format!("[spec.tag: Too long: may not be more than 5 bytes, {UNCHECKED}]"),
        ),
        (json!({"size": 2, "set": ["a", "a"]}), "spec.set[1]: Duplicate value: \"a\"".to_owned()),
        (
            json!({"size": 2, "items": [{"name": "a"}, {"name": "a"}]}),
            "spec.items[1]: Duplicate value: {\"name\":\"a\"}".to_owned(),
        ),
        (json!({"size": 1, "mode": "fast"}), "spec: Invalid value: fast needs size above 2".to_owned()),
    ] {
        assert_eq!(refusal(spec.clone()), want, "{spec}");
    }
    assert!(refusal(json!({"size": 2, "when": "yesterday"})).starts_with("[spec.when: Invalid value: \"yesterday\""));
    assert_eq!(gadget().strategy.validate_create(&object(json!({"size": 2, "qty": "50%", "nul": null}))), []);
}

#[test]
fn defaults_are_filled_in_and_the_unknown_is_pruned() {
    let got = object(json!({"size": 2, "unknown": 1, "opts": {"x": 2}, "free": {"any": ["thing"]}, "nul": null}));
    assert_eq!(
        got["spec"],
        json!({"free": {"any": ["thing"]}, "mode": "safe", "opts": {"depth": 3}, "size": 2, "nul": null})
    );
    let unknown = gadget()
        .schema
        .unknown_fields(&json!({"spec": {"unknown": 1, "opts": {"x": 1}, "free": {"y": 1}}, "metadata": {"nam": 1}}));
    assert_eq!(unknown, ["metadata.nam", "spec.opts.x", "spec.unknown"]);
}

#[test]
fn transition_rules_look_at_the_old_object() {
    let (old, new) = (object(json!({"size": 5})), object(json!({"size": 4})));
    let errors = gadget().strategy.validate_update(&new, &old, None);
    assert_eq!(crate::field_error::join(&errors), "spec: Invalid value: size may only grow");
    assert_eq!(gadget().strategy.validate_update(&old, &new, None), []);
}

#[test]
fn what_did_not_change_may_stay_invalid() {
    let mut old = object(json!({"size": 2}));
    old["spec"]["tag"] = json!("BAD");
    let mut new = old.clone();
    new["spec"]["size"] = json!(3);
    assert_eq!(gadget().strategy.validate_update(&new, &old, None), []);
    new["spec"]["tag"] = json!("WORSE");
    assert_eq!(gadget().strategy.validate_update(&new, &old, None).len(), 1);
}

#[test]
fn the_status_is_kept_apart() {
    let gadget = gadget();
    let mut new = object(json!({"size": 1}));
    new["status"] = json!({"ready": 1});
    let old = object(json!({"size": 1}));
    gadget.strategy.prepare_update(&mut new, &old);
    assert!(new.get("status").is_none());
    let mut new = object(json!({"size": 9}));
    new["status"] = json!({"ready": 1});
    gadget.strategy.prepare_status_update(&mut new, &old);
    assert_eq!((&new["spec"]["size"], &new["status"]["ready"]), (&json!(1), &json!(1)));
    assert!(!gadget.strategy.spec_changed(&new, &old));
}

fn complaints(definition: &Value) -> Vec<String> {
    validate_crd(definition, None).iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_definition_is_accepted_and_completed() {
    let definition = definition(json!({"type": "object", "properties": {"size": {"type": "integer"}}}));
    assert_eq!(complaints(&definition), [] as [String; 0]);
    assert_eq!(
        definition["spec"]["names"],
        json!({"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"})
    );
    assert_eq!(definition["spec"]["conversion"], json!({"strategy": "None"}));
    let resource = compile(&definition).unwrap().remove(0);
    assert_eq!(resource.openapi_name, "com.example.v1.Gadget");
    assert_eq!(resource.columns[0].name, "Age");
}

#[test]
fn the_name_follows_from_plural_and_group() {
    let mut definition = definition(json!({"type": "object"}));
    definition["metadata"]["name"] = json!("wrong.example.com");
    assert_eq!(
        complaints(&definition),
        ["metadata.name: Invalid value: \"wrong.example.com\": must be spec.names.plural+\".\"+spec.group"]
    );
}

#[test]
fn schemas_that_are_not_structural_are_refused() {
    let root = "spec.validation.openAPIV3Schema.properties[spec]";
    for (spec, want) in [
        (
            json!({"type": "object", "properties": {"a": {}}}),
            format!("{root}.properties[a].type: Required value: must not be empty for specified object fields"),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            format!("{root}.properties[a].items: Required value: must be specified"),
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]}),
            format!("{root}.properties[a]: Required value: because it is defined in {root}.anyOf[0].properties[a]"),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}}),
            format!(
                "{root}.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            ),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}),
            format!(
                "{root}.properties[a].default: Invalid value: \"string\": {root}.properties[a].default in body must be of type integer: \"string\""
            ),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}}),
            format!(
                "{root}.properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ),
        ),
    ] {
        let got = complaints(&definition(spec.clone()));
        assert!(got.contains(&want) || (got.len() == 1 && want.contains(".default in body")), "{spec}: {got:?}");
    }
}

#[test]
fn exactly_one_version_is_stored() {
    let mut definition = definition(json!({"type": "object"}));
    definition["spec"]["versions"][0]["storage"] = json!(false);
    assert!(
        complaints(&definition)
            .iter()
            .any(|text| text.ends_with("must have exactly one version marked as storage version"))
    );
}

#[test]
fn names_of_an_established_definition_stay() {
    let mut old = definition(json!({"type": "object"}));
    old["status"] = json!({"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]});
    let mut new = old.clone();
    new["spec"]["scope"] = json!("Cluster");
    let told = validate_change(&new, &old);
    assert_eq!(told[0].to_string(), "spec.scope: Invalid value: \"Cluster\": field is immutable");
}

/// The complaints about one rule on the spec.
fn rule_complaints(properties: Value, rule: Value) -> Vec<String> {
    complaints(&definition(json!({"type": "object", "properties": properties, "x-kubernetes-validations": [rule]})))
}

#[test]
fn rules_that_could_cost_too_much_are_refused() {
    let list = |bounds: Value| {
        let mut list = json!({"type": "array", "items": {"type": "string"}});
        list.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
        json!({"l": list})
    };
    let rule = json!({"rule": "self.l.all(x, self.l.exists_one(y, x == y))"});
    let told = rule_complaints(list(json!({})), rule.clone());
    assert_eq!(
        told[0],
        "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    );
    assert!(told.iter().any(|text| text.contains("for entire OpenAPIv3 schema exceeds budget")));
    let bounded = json!({"l": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}}});
    assert_eq!(rule_complaints(bounded, rule), [] as [String; 0]);
}

#[test]
fn rules_that_do_not_compile_are_refused() {
    let properties = json!({"size": {"type": "integer"}});
    let told = rule_complaints(properties.clone(), json!({"rule": "self.sise > 1"}));
    assert!(told[0].contains("compilation failed: ERROR: <input>:1:5: undefined field 'sise'"), "{told:?}");
    let told = rule_complaints(properties.clone(), json!({"rule": "self.size"}));
    assert!(told[0].ends_with("cel expression must evaluate to a bool"), "{told:?}");
    let told = rule_complaints(properties.clone(), json!({"rule": "self.size >"}));
    assert!(told[0].contains("compilation failed"), "{told:?}");
    assert_eq!(
        rule_complaints(
            properties,
            json!({"rule": "self.size > 1", "messageExpression": "'size is ' + string(self.size)"})
        ),
        [] as [String; 0]
    );
}

#[test]
fn old_items_of_plain_lists_cannot_be_told() {
    let items = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": [{"rule": "self.n >= oldSelf.n"}]});
    let told = complaints(&definition(
        json!({"type": "object", "properties": {"l": {"type": "array", "maxItems": 5, "items": items}}}),
    ));
    assert!(told[0].contains("oldSelf cannot be used on the uncorrelatable portion of the schema within"), "{told:?}");
}

#[test]
fn the_definitions_of_this_project_are_accepted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let mut definition: Value = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        default_crd(&mut definition);
        assert_eq!(complaints(&definition), [] as [String; 0], "{}", path.display());
        assert!(!compile(&definition).unwrap().is_empty());
        seen += 1;
    }
    assert!(seen > 0);
}
