//! What comes in: JSON schemas, of the built-in kinds and of custom resources. What goes out: one tree of nodes that says
//! how a value of that kind is read, pruned, filled, merged, compared and checked. Pure.
//!
//! Two families of nodes share the type. *Typed* nodes (built-in kinds, and `metadata` everywhere) behave like a Go struct
//! that is decoded and encoded again: unknown fields and nulls vanish, empty optional values vanish, fields without
//! `omitempty` always appear. *Structural* nodes (custom resources) keep what they are given, except unknown fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub mod cel;
pub mod crd;
mod decode;
pub(crate) use decode::word;
mod defaulting;
pub mod formats;
mod pruning;
pub mod quantity;
pub mod structural;
pub mod validation;

/// What JSON a node takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// A JSON object, by named properties, by additional properties, or both.
    Object,
    /// A JSON array.
    Array,
    /// A string; the format may narrow it.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A whole number or a string, also a quantity.
    IntOrString,
    /// Anything: no type is declared.
    #[default]
    Any,
}

/// How a list merges in server-side apply.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ListType {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// Scalars, each of which is owned.
    Set,
    /// Objects, told apart by these properties.
    Map(Vec<String>),
}

/// How an object merges in server-side apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MapType {
    /// Each entry is owned.
    #[default]
    Granular,
    /// Replaced as a whole.
    Atomic,
}

/// How a field merges in a strategic merge patch (`patchStrategy`, `patchMergeKey`); a list without it is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PatchMerge {
    /// Items with an equal value here are merged; none means a set of scalars.
    pub merge_key: Option<String>,
    /// The patch's `$retainKeys` decides which keys stay.
    pub retain_keys: bool,
    /// The value is replaced.
    pub replace: bool,
}

/// Whether a typed field appears when it is empty. Follows the field's Go type and its `json` tag.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Presence {
    /// A pointer: present exactly when it was given, even if empty or zero.
    #[default]
    Given,
    /// A value with `omitempty`: absent when empty or zero.
    NonZero,
    /// A value without `omitempty`: written with its zero value when it was not given.
    Always(Value),
}

/// One node of a schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// What JSON it takes.
    pub kind: Kind,
    /// `format`, as in OpenAPI; `quantity` marks Kubernetes quantities.
    pub format: Option<String>,
    /// What a user reads in `kubectl explain`; empty for built-in kinds, whose documents are kept elsewhere.
    pub description: String,
    /// Named properties of an object.
    pub properties: BTreeMap<String, Arc<Schema>>,
    /// The schema of every other property of an object.
    pub additional: Option<Arc<Schema>>,
    /// The schema of the items of an array.
    pub items: Option<Arc<Schema>>,
    /// How the array merges.
    pub list_type: ListType,
    /// How the object merges.
    pub map_type: MapType,
    /// Whether unknown properties stay.
    pub preserve_unknown: bool,
    /// Whether `null` is a value.
    pub nullable: bool,
    /// Whether the value is a whole Kubernetes object.
    pub embedded_resource: bool,
    /// What is filled in when the value is absent (custom resources).
    pub default: Option<Value>,
    /// How the field merges in a strategic merge patch.
    pub patch: Option<PatchMerge>,
    /// Decoded like a Go struct rather than kept as given.
    pub typed: bool,
    /// Whether the typed field appears when empty.
    pub presence: Presence,
    /// The name of the Go type, for messages of the decoder.
    pub type_name: String,
    /// Value validations (custom resources).
    pub constraints: Option<Box<validation::Constraints>>,
    /// The rules of `x-kubernetes-validations`.
    pub rules: Vec<cel::Rule>,
    /// On the root of a custom resource: the `openAPIV3Schema` it was built from.
    pub source: Option<Arc<Value>>,
}

impl Schema {
    /// A node of one kind with nothing else said.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// The node that takes anything and keeps it.
    #[must_use]
    pub fn any() -> Self {
        Self { kind: Kind::Any, preserve_unknown: true, ..Self::default() }
    }

    /// The schema of an object's property: named, else additional.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Arc<Schema>> {
        self.properties.get(name).or(self.additional.as_ref())
    }

    /// Whether the value is a list that merges by key, with the keys.
    #[must_use]
    pub fn map_keys(&self) -> Option<&[String]> {
        match &self.list_type {
            ListType::Map(keys) => Some(keys),
            ListType::Atomic | ListType::Set => None,
        }
    }

    /// Removes what the schema does not know and brings typed parts into the form that the server stores.
    pub fn prune(&self, value: &mut Value) {
        pruning::prune(self, value);
    }

    /// The paths of fields that the schema does not know, as in `unknown field "spec.containers[0].foo"`, sorted.
    #[must_use]
    pub fn unknown_fields(&self, value: &Value) -> Vec<String> {
        pruning::unknown_fields(self, value)
    }

    /// Fills in the defaults of custom resources. Built-in kinds have theirs in their strategy.
    pub fn apply_defaults(&self, value: &mut Value) {
        defaulting::apply(self, value);
    }

    /// Removes nulls where the schema has neither `nullable` nor a default: what a write of a custom resource does first.
    pub fn drop_nulls(&self, value: &mut Value) {
        defaulting::drop_nulls(self, value);
    }

    /// Why the typed parts of the value cannot be decoded, in the words of the server's JSON decoder.
    #[must_use]
    pub fn decode_error(&self, value: &Value) -> Option<String> {
        decode::error(self, value)
    }
}
