//! What comes in: a schema. What goes out: the type that rules see, with how large values of it may be. Pure.
//!
//! Sizes follow the API server's limits: a request holds at most 3 MiB, so that an unbounded list holds as many of its
//! smallest items as fit there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::values::escape;
use crate::schema::validation::Constraints;
use crate::schema::{Kind, Schema};

/// The largest request, in bytes.
pub const REQUEST: u64 = 3 * 1024 * 1024;

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Shape {
    Bool,
    Int,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// Anything: ints-or-strings, and what this build cannot tell.
    Dyn,
    List(Arc<Type>),
    Map(Arc<Type>),
    Object(BTreeMap<String, Arc<Type>>),
}

/// A type with the bounds of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// What it is.
    pub shape: Shape,
    /// The most elements, entries or bytes; 0 where that means nothing.
    pub max_elements: u64,
    /// The fewest bytes of its JSON.
    pub min_size: u64,
}

impl Type {
    fn new(shape: Shape, max_elements: u64, min_size: u64) -> Arc<Self> {
        Arc::new(Self { shape, max_elements, min_size })
    }

    /// A type whose values have no size.
    #[must_use]
    pub fn plain(shape: Shape) -> Arc<Self> {
        Self::new(shape, 0, 1)
    }
}

/// The type of a schema; `None` where rules cannot see it. `root` says that it is a whole object.
#[must_use]
pub fn declare(schema: &Schema, root: bool) -> Option<Arc<Type>> {
    let none = Constraints::default();
    let bounds = schema.constraints.as_deref().unwrap_or(&none);
    match schema.kind {
        Kind::IntOrString => Some(Type::new(Shape::Dyn, bounds.max_length.map_or(REQUEST - 2, |max| max * 4), 1)),
        Kind::Array => {
            let item = declare(schema.items.as_deref()?, false)?;
            let most = bounds.max_items.unwrap_or((REQUEST - 2) / (item.min_size + 1));
            Some(Type::new(Shape::List(item), most, 2))
        }
        Kind::Object => match &schema.additional {
            Some(value) if schema.properties.is_empty() => {
                let value = declare(value, false)?;
                let most = bounds.max_properties.unwrap_or((REQUEST - 2) / (value.min_size + 6));
                Some(Type::new(Shape::Map(value), most, 2))
            }
            _ => Some(object(schema, bounds, root || schema.embedded_resource)),
        },
        Kind::String => Some(string(schema, bounds)),
        Kind::Boolean => Some(Type::new(Shape::Bool, 0, 4)),
        Kind::Number => Some(Type::new(Shape::Double, 0, 1)),
        Kind::Integer => Some(Type::new(Shape::Int, 0, 1)),
        Kind::Any => None,
    }
}

fn object(schema: &Schema, bounds: &Constraints, whole: bool) -> Arc<Type> {
    let mut fields = BTreeMap::new();
    let mut size = 2;
    for (name, property) in &schema.properties {
        if whole && name == "metadata" {
            continue;
        }
        let Some(field) = declare(property, property.embedded_resource) else { continue };
        if bounds.required.contains(name) && property.default.is_none() {
            size += name.len() as u64 + field.min_size + 4;
        }
        fields.insert(escape(name), field);
    }
    if whole {
        let text = || Type::new(Shape::String, REQUEST - 2, 2);
        let metadata = BTreeMap::from([("name".to_owned(), text()), ("generateName".to_owned(), text())]);
        fields.insert("metadata".to_owned(), Type::new(Shape::Object(metadata), 0, 2));
        for name in ["apiVersion", "kind"] {
            fields.insert(name.to_owned(), text());
        }
    }
    Type::new(Shape::Object(fields), 0, size)
}

fn string(schema: &Schema, bounds: &Constraints) -> Arc<Type> {
    let longest = bounds.allowed.as_ref().map(|words| {
        words.iter().filter_map(serde_json::Value::as_str).map(|word| word.len() as u64).max().unwrap_or(0)
    });
    match schema.format.as_deref() {
        Some("byte") => Type::new(Shape::Bytes, bounds.max_length.unwrap_or(REQUEST - 2), 2),
        Some("duration") => Type::new(Shape::Duration, 32, 3),
        Some("date") => Type::new(Shape::Timestamp, 12, 12),
        Some("date-time") => Type::new(Shape::Timestamp, 32, 21),
        _ => Type::new(Shape::String, bounds.max_length.map(|max| max * 4).or(longest).unwrap_or(REQUEST - 2), 2),
    }
}
