//! From the envelope of the contract to typed values and back. In: JSON text and generated records. Out: what the plugin
//! answered, or field errors that say where the JSON is wrong. The component's exports call these, and so do native
//! tests and benchmarks: the sandbox adds nothing to them.

use crate::bindings::windlass::plugin::types;
use crate::{Description, Fault, FieldError, Reconciler, Resource, Snapshot, Value};

/// What the plugin is and asks for.
pub fn describe<P: Reconciler>() -> Description {
    P::describe()
}

/// Checks the operator's settings.
pub fn validate_settings<P: Reconciler>(settings: &str) -> Result<(), Vec<FieldError>> {
    P::validate_settings(&parse_settings(settings)?)
}

/// Checks a resource, with what it was before. An old resource that no longer parses counts as none, so that a plugin
/// with a stricter spec can still be given the correction.
pub fn validate<P: Reconciler>(old: Option<&str>, new: &str) -> Result<(), Vec<FieldError>> {
    let new = Resource::parse(new)?;
    let old = old.and_then(|text| Resource::parse(text).ok());
    P::validate(old, new)
}

/// Decides.
pub fn decide<P: Reconciler>(snapshot: types::Snapshot) -> Result<types::Decision, Fault> {
    // Exhaustive, so that a field added to the contract cannot be dropped here unnoticed.
    let types::Snapshot { resource, deleting, items, related, now, settings } = snapshot;
    let resource = Resource::parse(&resource).map_err(Fault::Invalid)?;
    let settings = parse_settings(&settings).map_err(Fault::Invalid)?;
    P::decide(Snapshot { resource, deleting, items, related, now, settings })
}

/// Settings as a value; none at all are the empty object.
fn parse_settings(settings: &str) -> Result<Value, Vec<FieldError>> {
    if settings.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(settings).map_err(|e| vec![FieldError::at("settings", &format!("is not JSON: {e}"))])
}
