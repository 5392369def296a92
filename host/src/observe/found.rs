//! One cached object, read: the form that plans are made of.

use crate::watch::Object;
use model::{
    digest::Digest,
    facts::{Found, ResourceFacts},
    ready,
};

/// Reads a cached object. None where the document lacks what every live object has.
pub fn read(object: &Object) -> Option<Found> {
    let document = object.value();
    let readiness = ready::of(&document);
    let mut found = Found::from_object(document, readiness)?;
    // The cache drops managedFields and keeps a hash of our part of them.
    found.owned_fields = Some(Digest::of(&object.owned_fields.into()));
    Some(found)
}

/// Reads the resource itself.
pub fn resource(object: &Object) -> Option<ResourceFacts> {
    ResourceFacts::from_object(&object.value())
}
