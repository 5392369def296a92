//! Plugins as rights see them, from the documents that say what they are: `Plugin` resources, and definitions.

use super::{Names, Plugin, Served};
use crate::plugins::PluginSpec;
use crate::plugins::resource::DeletionPolicy;
use crate::plugins::resource::status::ServedKind;
use serde_json::Value;

impl Plugin {
    /// From a `Plugin` resource. Which kinds it serves only its component can say, or, in a cluster, its status: they are
    /// left empty where the status names none.
    ///
    /// # Errors
    /// With the field that is wrong.
    pub fn of_resource(document: &Value) -> Result<Plugin, String> {
        let name = document.pointer("/metadata/name").and_then(Value::as_str).ok_or("metadata.name is missing")?;
        let PluginSpec { source, grants, deletion_policy, .. } =
            PluginSpec::read(document).map_err(|error| format!("Plugin {name}: {error}"))?;
        let kinds = document.pointer("/status/kinds").cloned().unwrap_or_default();
        let kinds: Vec<ServedKind> = serde_json::from_value(kinds).unwrap_or_default();
        Ok(Plugin {
            name: name.to_owned(),
            serves: kinds.iter().filter_map(|kind| Served::named(&kind.definition, true)).collect(),
            grants,
            source: Some(source),
            deletes_definitions: deletion_policy != DeletionPolicy::Retain,
            deletes_resources: deletion_policy == DeletionPolicy::DeleteResources,
        })
    }

    /// Takes in the definitions that its component gives.
    pub fn serve(&mut self, definitions: &[Value], names: &mut Names) {
        self.serves = definitions.iter().filter_map(Served::of_definition).collect();
        definitions.iter().for_each(|definition| names.insert_definition(definition));
    }
}

impl Served {
    /// By the name of its definition, `PLURAL.GROUP`.
    pub fn named(definition: &str, namespaced: bool) -> Option<Served> {
        let (plural, group) = definition.split_once('.')?;
        let named = !plural.is_empty() && !group.is_empty();
        named.then(|| Served { group: group.into(), plural: plural.into(), namespaced })
    }

    /// As a CustomResourceDefinition has it.
    pub fn of_definition(definition: &Value) -> Option<Served> {
        let name = definition.pointer("/metadata/name").and_then(Value::as_str)?;
        let cluster = definition.pointer("/spec/scope").and_then(Value::as_str) == Some("Cluster");
        Served::named(name, !cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plugin_of_a_cluster_serves_what_its_status_names() {
        let plugin = Plugin::of_resource(&json!({
            "metadata": {"name": "a"},
            "spec": {"source": {"file": {"path": "a.wasm"}}, "deletionPolicy": "WaitForResources",
                     "grants": {"serviceAccount": {"namespace": "shop", "name": "a"}}},
            "status": {"kinds": [{"definition": "things.a.dev", "kind": "Thing", "apiVersion": "a.dev/v1"}]},
        }))
        .unwrap();
        assert_eq!(plugin.serves, [Served { group: "a.dev".into(), plural: "things".into(), namespaced: true }]);
        assert!(plugin.deletes_definitions && !plugin.deletes_resources);
        assert_eq!(plugin.grants.service_account.unwrap().user(), "system:serviceaccount:shop:a");
    }

    #[test]
    fn what_is_wrong_is_named_by_plugin_and_path() {
        let error =
            Plugin::of_resource(&json!({"metadata": {"name": "a"}, "spec": {"source": {}, "grants": {"writes": 1}}}));
        let error = error.unwrap_err();
        assert!(error.contains("Plugin a: spec.grants.writes"), "{error}");
        let account = json!({"namespace": "a b", "name": "x"});
        let error = Plugin::of_resource(
            &json!({"metadata": {"name": "a"}, "spec": {"source": {}, "grants": {"serviceAccount": account}}}),
        );
        assert!(error.unwrap_err().contains("spec.grants.serviceAccount"));
    }
}
