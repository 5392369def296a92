#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn every_built_in_kind_has_a_schema_with_metadata() {
    for resource in resources() {
        assert!(resource.schema.properties.contains_key("metadata"), "{}", resource.openapi_name);
        assert_eq!(
            resource.schema.properties.contains_key("status"),
            definitions::DEFINITIONS[&resource.openapi_name]["properties"].get("status").is_some()
        );
    }
}

#[test]
fn names_are_told_apart() {
    let mut seen = std::collections::BTreeSet::new();
    for resource in resources() {
        assert!(seen.insert((resource.group.clone(), resource.version.clone(), resource.plural.clone())));
    }
    assert!(seen.contains(&("apps".to_owned(), "v1".to_owned(), "statefulsets".to_owned())));
}
