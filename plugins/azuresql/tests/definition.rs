//! The definition of the kind: what users see of it, and which changes the API server refuses by itself.
#![allow(clippy::unwrap_used)]

use azuresql::AzureSqlPlugin;
use serde_json::Value;
use windlass_sdk::Reconciler;

fn definition() -> Value {
    serde_json::from_str(AzureSqlPlugin::describe().serves.first().unwrap()).unwrap()
}

#[test]
fn the_kind_has_the_names_that_the_manifest_of_the_mission_uses() {
    let definition = definition();
    assert_eq!(definition["spec"]["group"], "serviceoperator.azure.com");
    assert_eq!(definition["spec"]["names"]["kind"], "AzureSQLServer");
    assert_eq!(definition["spec"]["versions"][0]["name"], "v1beta1");
    assert!(definition["spec"]["versions"][0]["subresources"]["status"].is_object());
}

#[test]
fn what_cannot_change_is_a_rule_and_what_users_look_for_is_a_column() {
    let definition = definition();
    let rules = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations").unwrap();
    let rules: Vec<&str> = rules.as_array().unwrap().iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    for field in ["location", "azureName", "owner", "administratorLogin"] {
        assert!(rules.iter().any(|rule| rule.contains(&format!("spec.{field}"))), "{field}");
    }
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    let names: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert!(["Ready", "Severity", "Reason", "Host"].iter().all(|wanted| names.contains(wanted)), "{names:?}");
}
