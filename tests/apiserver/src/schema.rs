//! The shape of objects: what may be where, what is pruned, defaulted, merged by key or replaced whole.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One node of a structural schema.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// What the value is.
    pub kind: Kind,
    /// Named fields of an object.
    pub properties: BTreeMap<String, Arc<Schema>>,
    /// Schema of the values of a map (`additionalProperties`).
    pub additional: Option<Arc<Schema>>,
    /// Schema of the items of a list.
    pub items: Option<Arc<Schema>>,
    /// How a list merges.
    pub list_type: ListType,
    /// How an object merges.
    pub map_type: MapType,
    /// Whether unknown fields are kept here.
    pub preserve_unknown: bool,
    /// Whether null is a value.
    pub nullable: bool,
    /// Whether the value is a whole Kubernetes object.
    pub embedded_resource: bool,
    /// What an absent value becomes.
    pub default: Option<Value>,
    /// How strategic merge patch treats the value; built-in kinds only.
    pub patch: Option<PatchMerge>,
    /// What a user is told.
    pub description: String,
}

/// What a schema node holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// A JSON object: named fields, a map, or both.
    Object,
    /// A JSON array.
    Array,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A whole number or text.
    IntOrString,
    /// Anything.
    #[default]
    Any,
}

/// How server-side apply merges a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListType {
    /// Replaced and owned whole.
    #[default]
    Atomic,
    /// Merged by value.
    Set,
    /// Merged by these keys.
    Map(Vec<String>),
}

/// How server-side apply merges an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapType {
    /// Field by field.
    #[default]
    Granular,
    /// Replaced and owned whole.
    Atomic,
}

/// The strategic merge directives of a field (`patchStrategy`, `patchMergeKey`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchMerge {
    /// Items with an equal value here are merged; none means a set of scalars.
    pub merge_key: Option<String>,
    /// The patch's `$retainKeys` decides which keys stay.
    pub retain_keys: bool,
    /// The value is replaced.
    pub replace: bool,
}
