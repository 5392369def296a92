//! How the schema says that a value merges: as a leaf, as a list of items with identity, or field by field.

use super::fields::FieldSet;
use crate::registry::Served;
use crate::schema::{Kind, ListType, MapType, Schema};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// How a value merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Scalars, and lists and objects that are owned whole.
    Leaf,
    /// A list whose items have identity.
    List,
    /// An object whose fields are owned one by one.
    Map,
}

static ANY: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::any()));

/// The schema of whole objects: metadata and the type's names are declared in every kind.
pub(crate) fn root(served: &Served) -> Arc<Schema> {
    let mut schema = (*served.schema).clone();
    schema.kind = Kind::Object;
    schema.map_type = MapType::Granular;
    schema.properties.insert("metadata".to_owned(), super::object_meta());
    for name in ["apiVersion", "kind"] {
        schema
            .properties
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Schema { kind: Kind::String, ..Schema::default() }));
    }
    Arc::new(schema)
}

/// The shape of a value under a schema. `value` decides where the schema takes anything.
pub(crate) fn of(schema: &Schema, value: Option<&Value>) -> Shape {
    match schema.kind {
        Kind::Object if schema.map_type == MapType::Atomic => Shape::Leaf,
        Kind::Object => Shape::Map,
        Kind::Array if schema.list_type == ListType::Atomic => Shape::Leaf,
        Kind::Array => Shape::List,
        Kind::Any if schema.typed => Shape::Leaf,
        Kind::Any if schema.map_type == MapType::Atomic => Shape::Leaf,
        Kind::Any => match value {
            Some(Value::Object(_)) => Shape::Map,
            _ => Shape::Leaf,
        },
        Kind::String | Kind::Integer | Kind::Number | Kind::Boolean | Kind::IntOrString => Shape::Leaf,
    }
}

/// The schema of a field, and whether it is declared by name. Nothing for a field that the schema does not know.
pub(crate) fn child<'a>(schema: &'a Schema, name: &str) -> Option<(&'a Arc<Schema>, bool)> {
    if let Some(named) = schema.properties.get(name) {
        return Some((named, true));
    }
    if let Some(additional) = &schema.additional {
        return Some((additional, false));
    }
    let open = schema.preserve_unknown || schema.kind == Kind::Any || schema.embedded_resource;
    open.then_some((&*ANY, false))
}

/// The schema of a field, anything when unknown.
pub(crate) fn child_or_any<'a>(schema: &'a Schema, name: &str) -> (&'a Arc<Schema>, bool) {
    child(schema, name).unwrap_or((&*ANY, false))
}

/// The schema of a list's items.
pub(crate) fn items(schema: &Schema) -> &Arc<Schema> {
    schema.items.as_ref().unwrap_or(&*ANY)
}

/// The identity of a list's item as an element of paths; the error says why it has none.
pub(crate) fn element(schema: &Schema, item: &Value) -> Result<String, String> {
    match &schema.list_type {
        ListType::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListType::Set => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(format!("v:{scalar}")),
        },
        ListType::Map(keys) => {
            let object = match item {
                Value::Object(object) => object,
                Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
                _ => return Err("associative list with keys may not have non-map elements".to_owned()),
            };
            let declared = items(schema);
            let mut found: BTreeMap<&str, &Value> = BTreeMap::new();
            for key in keys {
                let default = || declared.properties.get(key).and_then(|s| key_default(s));
                if let Some(value) = object.get(key).or_else(default) {
                    found.insert(key, value);
                }
            }
            if found.is_empty() {
                let shown: Vec<String> = keys.iter().map(|k| crate::field_error::quote(k)).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                    shown.join(" ")
                ));
            }
            serde_json::to_string(&found).map(|text| format!("k:{text}")).map_err(|e| e.to_string())
        }
    }
}

/// What an absent key field counts as.
fn key_default(schema: &Schema) -> Option<&Value> {
    schema.default.as_ref()
}

/// The set with the declared fields above its members added: whoever owns `a.b.c` holds the declared field `a`.
pub(crate) fn with_named_fields(set: &FieldSet, schema: &Schema) -> FieldSet {
    let mut out = FieldSet::default();
    for (element, member, below) in set.elements() {
        let (next, named) = match element.strip_prefix("f:") {
            Some(name) => child_or_any(schema, name),
            None => (items(schema), false),
        };
        let below_named = with_named_fields(below, next);
        out.put(element, member || (named && !below.is_empty()), below_named);
    }
    out
}

/// An object's fields, none for anything else.
pub(crate) fn fields(value: Option<&Value>) -> &Map<String, Value> {
    static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.and_then(Value::as_object).unwrap_or(&EMPTY)
}

/// A list's items, none for anything else.
pub(crate) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
