#![allow(clippy::unwrap_used)]

use super::*;

fn given() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"status": {
                    "type": "object",
                    "properties": {"conditions": {"type": "array"}, "observedGeneration": {"type": "integer"}},
                }}}},
            }],
        },
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut changed = given();
    *changed.pointer_mut(pointer).unwrap() = value;
    changed
}

/// As an API server shows what was applied.
fn live(definition: &Definition, manager: &str) -> Value {
    let mut live = definition.manifest().clone();
    live["metadata"]["managedFields"] = json!([
        {"manager": manager, "operation": "Apply"},
        {"manager": "kube-apiserver", "operation": "Update", "subresource": "status"},
    ]);
    live["spec"]["conversion"] = json!({"strategy": "None"});
    live["spec"]["names"]["listKind"] = "WidgetList".into();
    live["status"] = json!({"storedVersions": ["v1"]});
    live
}

#[test]
fn a_definition_that_is_there_and_equal_is_not_written() {
    let definition = Definition::new(&given()).unwrap();
    assert_eq!(definition.compare(None), Ok(Step::Create));
    assert_eq!(definition.compare(Some(&live(&definition, FIELD_MANAGER))), Ok(Step::Nothing));
    assert_eq!(definition.compare(Some(&live(&definition, "helm"))), Ok(Step::Nothing), "equal, whoever put it there");
    assert_eq!(definition.watched(), Some(&Kind::new("example.com", "v1", "Widget")));
}

#[test]
fn a_definition_of_the_host_that_differs_or_has_more_than_is_asked_for_is_updated() {
    let before = Definition::new(&given()).unwrap();
    let more =
        Definition::new(&with("/spec/names", json!({"plural": "widgets", "kind": "Widget", "shortNames": ["w"]})));
    let more = more.unwrap();
    assert_eq!(more.compare(Some(&live(&before, FIELD_MANAGER))), Ok(Step::Update));
    assert_eq!(before.compare(Some(&live(&more, FIELD_MANAGER))), Ok(Step::Update), "a field is asked for no more");
}

#[test]
fn a_definition_of_somebody_else_that_differs_is_left_alone() {
    let definition = Definition::new(&given()).unwrap();
    let mut foreign = live(&definition, "helm");
    foreign["spec"]["versions"][0]["schema"] = json!({});
    let error = definition.compare(Some(&foreign)).unwrap_err();
    assert!(matches!(&error, DefinitionError::Foreign { managers, .. } if managers == "helm"), "{error}");
}

#[test]
fn a_version_that_objects_are_stored_in_is_not_dropped() {
    let definition = Definition::new(&with("/spec/versions/0/name", "v2".into())).unwrap();
    let old = live(&Definition::new(&given()).unwrap(), FIELD_MANAGER);
    let error = definition.compare(Some(&old)).unwrap_err();
    assert!(matches!(&error, DefinitionError::DropsStoredVersion { version, .. } if version == "v1"), "{error}");
}

#[test]
fn another_kind_or_scope_under_the_same_name_is_a_clash() {
    let definition = Definition::new(&given()).unwrap();
    for (pointer, value) in [("/spec/names/kind", "Gadget"), ("/spec/scope", "Cluster")] {
        let mut other = live(&definition, FIELD_MANAGER);
        *other.pointer_mut(pointer).unwrap() = value.into();
        assert!(matches!(definition.compare(Some(&other)), Err(DefinitionError::Clash { .. })), "{pointer}");
    }
}

#[test]
fn a_definition_without_what_the_host_needs_is_refused_by_field() {
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    for (given, field) in [
        (with("/spec/versions/0/subresources", json!({})), "spec.versions[0].subresources.status"),
        (with(schema, json!({"observedGeneration": {}})), "properties.conditions"),
        (with(schema, json!({"conditions": {}})), "properties.observedGeneration"),
        (with("/spec/versions", json!([])), "spec.versions"),
        (with("/metadata/name", "gadgets.example.com".into()), "metadata.name"),
        (with("/spec/names/kind", "".into()), "spec.names.kind"),
        (with("/kind", "Pod".into()), "apiVersion and kind"),
        (json!(7), "apiVersion and kind"),
    ] {
        let DefinitionError::Invalid { field: named, .. } = Definition::new(&given).unwrap_err() else {
            panic!("{field}")
        };
        assert!(named.ends_with(field), "{named} for {field}");
    }
}

#[test]
fn a_definition_is_established_when_its_condition_says_so_and_never_when_its_names_are_taken() {
    let conditions = |conditions: Value| json!({"status": {"conditions": conditions}});
    assert_eq!(established(&json!({})), Ok(false));
    assert_eq!(established(&conditions(json!([{"type": "Established", "status": "True"}]))), Ok(true));
    let taken = json!([{"type": "NamesAccepted", "status": "False", "message": "plural in use"}]);
    assert_eq!(established(&conditions(taken)), Err("its names are taken: plural in use".into()));
}
