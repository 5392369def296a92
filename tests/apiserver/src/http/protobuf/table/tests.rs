#![allow(clippy::unwrap_used)]
use super::super::message::DEPTH;
use super::*;
use crate::builtin;
use crate::schema::{Kind, Schema};
use std::collections::BTreeMap;

const TEXT: &str = include_str!("../../../builtin/wire.txt");

fn schema_of(name: &str) -> Option<std::sync::Arc<Schema>> {
    let prefix = if name.starts_with("meta.") { "io.k8s.apimachinery.pkg.apis" } else { "io.k8s.api" };
    builtin::schema(&format!("{prefix}.{name}"))
}

/// The fields of a message as JSON has them.
fn in_json(table: &Table, message: usize) -> BTreeMap<&'static str, Field> {
    let mut found = BTreeMap::new();
    for field in table.fields(message) {
        match field.value {
            Type::Message(inner) if field.name.is_empty() => found.extend(in_json(table, inner)),
            _ => drop(found.insert(field.name, *field)),
        }
    }
    found
}

fn fits(field: Field, schema: &Schema) -> bool {
    match field.shape {
        Shape::One => value_fits(field.value, schema),
        Shape::List => schema.kind == Kind::Array && value_fits(field.value, schema.items.as_ref().unwrap()),
        Shape::Map => schema.kind == Kind::Object && value_fits(field.value, schema.additional.as_ref().unwrap()),
    }
}

fn value_fits(value: Type, schema: &Schema) -> bool {
    let format = schema.format.as_deref();
    match value {
        Type::Text => schema.kind == Kind::String && !matches!(format, Some("byte" | "date-time")),
        Type::Int32 => schema.kind == Kind::Integer && format == Some("int32"),
        Type::Int64 => schema.kind == Kind::Integer && format == Some("int64"),
        Type::Bool => schema.kind == Kind::Boolean,
        Type::Bytes => schema.kind == Kind::String && format == Some("byte"),
        Type::Strings => schema.kind == Kind::Array && schema.items.as_ref().unwrap().kind == Kind::String,
        Type::Time | Type::MicroTime => schema.kind == Kind::String && format == Some("date-time"),
        Type::Quantity => schema.kind == Kind::IntOrString && format == Some("quantity"),
        Type::IntOrString => schema.kind == Kind::IntOrString && format.is_none_or(|f| f == "int-or-string"),
        Type::Json => schema.kind == Kind::Any,
        Type::Message(_) => schema.kind == Kind::Object,
    }
}

#[test]
fn every_word_of_the_table_is_understood() {
    for (place, line) in TEXT.lines().enumerate() {
        let words = line.split(' ').count() - 1;
        assert_eq!(TABLE.fields[place].len(), words, "{line}");
    }
}

#[test]
fn messages_have_exactly_the_fields_of_their_schemas() {
    let mut without = Vec::new();
    for (place, line) in TEXT.lines().enumerate() {
        let (name, version) = head(line);
        let Some(schema) = schema_of(name) else {
            without.push(name);
            continue;
        };
        let fields = in_json(&TABLE, place);
        let mut expected: Vec<&str> = schema.properties.keys().map(String::as_str).collect();
        if version.is_some() {
            // The envelope says these.
            expected.retain(|name| !matches!(*name, "apiVersion" | "kind"));
        }
        assert_eq!(fields.keys().copied().collect::<Vec<_>>(), expected, "{name}");
        for (field_name, field) in fields {
            let property = &schema.properties[field_name];
            assert!(fits(field, property), "{name}.{field_name}: {field:?} is {property:?}");
        }
    }
    // Only messages whose fields belong to the object around them have no schema of their own.
    let inline = ["EphemeralContainerCommon", "ProbeHandler", "VolumeSource"].map(|name| format!("core.v1.{name}"));
    assert_eq!(without, [inline.as_slice(), &["networking.v1.IngressRuleValue".to_owned()]].concat());
}

#[test]
fn no_kind_nests_deeper_than_the_decoder_reads() {
    fn depth(message: usize, left: usize) {
        assert!(left > 0, "deeper than {DEPTH}");
        for field in TABLE.fields(message) {
            if let Type::Message(inner) = field.value {
                depth(inner, left - 1);
            }
        }
    }
    for (_, place) in TABLE.kinds.iter() {
        depth(*place, DEPTH);
    }
}

#[test]
fn a_kind_is_known_in_its_own_group_and_version_only() {
    assert!(TABLE.kind("apps/v1", "Deployment").is_some());
    assert!(TABLE.kind("apps/v1beta1", "Deployment").is_none());
    assert!(TABLE.kind("apps.example.com/v1", "Deployment").is_none());
    assert!(TABLE.kind("v1", "PodSpec").is_none());
    assert_ne!(TABLE.kind("v1", "Event"), TABLE.kind("events.k8s.io/v1", "Event"));
    assert!(TABLE.kind("v1", "DeleteOptions").is_some());
    assert!(TABLE.kind("policy/v1", "DeleteOptions").is_some());
}
