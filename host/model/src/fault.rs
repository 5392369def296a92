//! Why a plugin gave no decision.

use crate::description::RelatedQuery;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why there is no decision. Nothing is changed or deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// The resource is wrong; not asked again until it changes.
    Invalid(Vec<FieldError>),
    /// Asked again after a growing pause.
    Retry(String),
    /// These objects must be seen first; the host watches them and asks again at once.
    Needs(Vec<RelatedQuery>),
    /// The plugin found itself in the wrong; not asked again until the resource or the plugin changes.
    Broken(String),
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// `spec.storage.size`
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}
