//! What the plugins generate is what an API server accepts: the definitions with their rules, the examples, everything
//! that is desired, and the refusals that the rules promise.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod support;

use apiserver::field_error::FieldError;
use apiserver::resource::Resource;
use apiserver::schema::crd;
use support::{items, resource, with_spec};
use windlass_sdk::{Item, Value, json};

/// The resource that a definition serves; the definition itself must be in order.
fn served(definition: &Value) -> Resource {
    let mut definition = definition.clone();
    crd::default_crd(&mut definition);
    assert_eq!(crd::validate_crd(&definition, None), Vec::<FieldError>::new());
    crd::compile(&definition).unwrap().remove(0)
}

fn mysql_resource() -> Resource {
    served(&mysql::crd().manifest())
}

/// The object as the API server would store it, or its complaints.
fn create(resource: &Resource, object: &Value) -> Result<Value, Vec<String>> {
    let mut object = object.clone();
    resource.strategy.decode(&mut object).map_err(|why| vec![why])?;
    resource.strategy.default(&mut object, None);
    resource.strategy.prepare_create(&mut object);
    let mut errors: Vec<String> =
        resource.strategy.validate_create(&object).iter().map(|e| format!("{}: {}", e.field, e.message)).collect();
    errors.extend(resource.strategy.name_error(object["metadata"]["name"].as_str().unwrap_or_default()));
    if errors.is_empty() { Ok(object) } else { Err(errors) }
}

/// The API server's complaints about a change of the spec.
fn change(old: Value, new: Value) -> String {
    let resource = mysql_resource();
    let (old, mut new) = (create(&resource, &with_spec(old)).unwrap(), with_spec(new));
    resource.strategy.decode(&mut new).unwrap();
    resource.strategy.default(&mut new, Some(&old));
    resource.strategy.prepare_update(&mut new, &old);
    let errors = resource.strategy.validate_update(&new, &old, None);
    errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_definitions_are_accepted() {
    assert_eq!(mysql_resource().kind, "MySQL");
    assert_eq!(served(&backup::crd().manifest()).kind, "Backup");
}

#[test]
fn the_examples_are_accepted() {
    for file in ["mysql.yaml", "mysql-full.yaml"] {
        create(&mysql_resource(), &resource(file)).unwrap();
    }
    create(&served(&backup::crd().manifest()), &resource("backup.yaml")).unwrap();
}

#[test]
fn nothing_of_the_example_with_every_field_is_pruned() {
    let stored = create(&mysql_resource(), &resource("mysql-full.yaml")).unwrap();
    assert_eq!(stored["spec"], resource("mysql-full.yaml")["spec"]);
}

#[test]
fn what_the_api_server_defaults_changes_nothing_that_is_desired() {
    let stored = create(&mysql_resource(), &resource("mysql.yaml")).unwrap();
    assert_ne!(stored["spec"], resource("mysql.yaml")["spec"]);
    assert_eq!(items(&stored), items(&resource("mysql.yaml")));
}

#[test]
fn everything_that_is_desired_is_accepted() {
    let mut kinds = apiserver::builtin::resources();
    kinds.push(served(&backup::crd().manifest()));
    let mut single = resource("mysql.yaml");
    single["spec"] = json!({ "version": "9.7" });
    for example in [resource("mysql.yaml"), resource("mysql-full.yaml"), single] {
        for mut manifest in items(&example).iter().filter_map(Item::manifest) {
            manifest["metadata"]["namespace"] = json!("default");
            let kind = kinds
                .iter()
                .find(|kind| manifest["apiVersion"] == kind.api_version() && manifest["kind"] == kind.kind)
                .unwrap_or_else(|| panic!("{} is not served", manifest["kind"]));
            create(kind, &manifest)
                .unwrap_or_else(|why| panic!("{} {}: {why:?}", manifest["kind"], example["metadata"]["name"]));
        }
    }
}

#[test]
fn rules_of_the_definition_refuse_what_cannot_be_undone() {
    let version = |from: &str, to: &str| change(json!({ "version": from }), json!({ "version": to }));
    assert_eq!(version("8.0", "8.4"), "");
    assert_eq!(version("8.4.2", "9.7"), "");
    assert!(version("8.4", "8.0").contains("one series at a time"), "{}", version("8.4", "8.0"));
    assert!(version("8.0.36", "9.7").contains("one series at a time"));

    let size = |from: &str, to: &str| {
        change(
            json!({ "version": "8.4", "storage": { "size": from } }),
            json!({ "version": "8.4", "storage": { "size": to } }),
        )
    };
    assert_eq!(size("1Gi", "1024Mi"), "");
    assert_eq!(size("1Gi", "2Gi"), "");
    assert!(size("2Gi", "1Gi").contains("cannot shrink"));

    let class = |from: Value, to: Value| {
        change(json!({ "version": "8.4", "storage": from }), json!({ "version": "8.4", "storage": to }))
    };
    assert!(class(json!({ "storageClassName": "a" }), json!({ "storageClassName": "b" })).contains("cannot change"));
    assert!(class(json!({}), json!({ "storageClassName": "b" })).contains("added or removed"));
}

#[test]
fn the_schema_refuses_what_is_out_of_range() {
    let refused = |spec: Value| create(&mysql_resource(), &with_spec(spec)).unwrap_err().join("\n");
    assert!(refused(json!({ "version": "8.0", "replicas": 0 })).contains("spec.replicas"));
    assert!(refused(json!({ "version": "8.1" })).contains("spec.version"));
    assert!(refused(json!({})).contains("spec.version"));
    assert!(refused(json!({ "version": "8.0", "backup": { "schedule": "daily" } })).contains("spec.backup.schedule"));
}

#[test]
fn null_is_accepted_wherever_a_field_may_be_left_out() {
    let nulls = json!({ "version": "8.0", "image": null, "storage": null, "replicas": null, "config": null,
        "podTemplate": { "affinity": null, "tolerations": null }, "services": { "primary": null } });
    create(&mysql_resource(), &with_spec(nulls)).unwrap();
}
