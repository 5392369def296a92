use super::*;
use serde_json::json;

#[test]
fn the_least_plugin_is_a_source() {
    let spec = PluginSpec::read(&json!({"spec": {"source": {"file": {"path": "a.wasm"}}}})).unwrap();
    assert_eq!(spec.deletion_policy, DeletionPolicy::Retain);
    assert_eq!(spec.limits, Limits::default());
    assert_eq!(spec.grants, Grants::default());
}

#[test]
fn null_is_the_same_as_left_out() {
    let spec = json!({"spec": {"source": {"file": {"path": "a.wasm"}, "oci": null}, "settings": null, "grants": null}});
    assert!(PluginSpec::read(&spec).is_ok());
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let error = |spec: Value| PluginSpec::read(&json!({ "spec": spec })).unwrap_err();
    let file = json!({"file": {"path": "a"}});
    let message = error(json!({"source": file, "limits": {"fule": 3}}));
    assert!(message.contains("spec.limits") && message.contains("fule"), "{message}");
    let message = error(json!({"source": file, "grants": {"writes": [{"group": "apps"}]}}));
    assert!(message.contains("spec.grants") && message.contains("kind"), "{message}");
    let message = error(json!({"source": file, "limits": {"memory": "4Gi"}}));
    assert!(message.contains("spec.limits.memory"), "{message}");
}

#[test]
fn the_definition_is_one_that_the_host_can_install() {
    let document: Value = serde_yaml::from_str(DEFINITION).unwrap();
    let definition = crate::install::definition::Definition::new(&document).unwrap();
    assert_eq!(definition.name(), "plugins.windlass.dev");
    assert_eq!(definition.watched(), Some(&kind()));
    assert!(!definition.namespaced());
}
