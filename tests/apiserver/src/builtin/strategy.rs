//! What comes in: objects of built-in kinds. What goes out: the same with what a real server fills in, and complaints
//! about what it refuses. Pure.
//!
//! Each kind states its [`Rules`]; [`Builtin`] joins them with the kind's schema to the core's [`Strategy`].

use std::sync::Arc;

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::resource::{Strategy, names};
use crate::schema::Schema;

/// What a kind does beyond its schema.
pub struct Rules {
    /// Whether `/status` is served; the status is then kept apart from the rest.
    pub status: bool,
    /// Whether `/scale` is served.
    pub scale: bool,
    /// Whether `metadata.generation` counts changes.
    pub generation: bool,
    /// Fills in defaults; must be idempotent.
    pub default: fn(&mut Value),
    /// Completes an object before it is created.
    pub create: fn(&mut Value),
    /// Carries over what an update may not touch: new, old.
    pub update: fn(&mut Value, &Value),
    /// What generation counts: new, old.
    pub changed: fn(&Value, &Value) -> bool,
    /// Complaints about an object.
    pub validate: fn(&Value) -> Vec<FieldError>,
    /// Complaints about a change, beyond those about the new object: new, old.
    pub validate_change: fn(&Value, &Value) -> Vec<FieldError>,
    /// Complaints about a change of the status: new, old.
    pub validate_status: fn(&Value, &Value) -> Vec<FieldError>,
    /// What is wrong with a name.
    pub name: fn(&str) -> Option<String>,
    /// Whether an update needs no resourceVersion.
    pub unconditional: bool,
    /// Whether a replace may create.
    pub create_on_update: bool,
}

fn nothing(_: &mut Value) {}
fn no_carry(_: &mut Value, _: &Value) {}
fn no_errors(_: &Value) -> Vec<FieldError> {
    Vec::new()
}
fn no_change_errors(_: &Value, _: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// Whether the spec differs: what most kinds count.
#[must_use]
pub fn spec_differs(new: &Value, old: &Value) -> bool {
    new.get("spec") != old.get("spec")
}

/// The rules of a kind that only stores.
pub const PLAIN: Rules = Rules {
    status: false,
    scale: false,
    generation: false,
    default: nothing,
    create: nothing,
    update: no_carry,
    changed: spec_differs,
    validate: no_errors,
    validate_change: no_change_errors,
    validate_status: no_change_errors,
    name: names::dns_subdomain,
    unconditional: true,
    create_on_update: false,
};

/// The strategy of a built-in kind.
pub struct Builtin {
    /// Shape of the kind.
    pub schema: Arc<Schema>,
    /// What the kind does beyond its shape.
    pub rules: &'static Rules,
}

impl Strategy for Builtin {
    fn decode(&self, object: &mut Value) -> Result<(), String> {
        if let Some(message) = self.schema.decode_error(object) {
            return Err(message);
        }
        self.schema.prune(object);
        Ok(())
    }

    fn default(&self, object: &mut Value, _old: Option<&Value>) {
        (self.rules.default)(object);
        self.schema.prune(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        if self.rules.status
            && let Some(map) = object.as_object_mut()
        {
            map.insert("status".to_owned(), json!({}));
        }
        (self.rules.create)(object);
        // What is stored is defaulted once more when it is read: a Job shows the labels that its template was given.
        (self.rules.default)(object);
        self.schema.prune(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        if self.rules.status
            && let Some(map) = new.as_object_mut()
        {
            match old.get("status") {
                Some(status) => map.insert("status".to_owned(), status.clone()),
                None => map.remove("status"),
            };
        }
        (self.rules.update)(new, old);
    }

    fn spec_changed(&self, new: &Value, old: &Value) -> bool {
        (self.rules.changed)(new, old)
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        (self.rules.validate)(object)
    }

    fn validate_update(&self, new: &Value, old: &Value, subresource: Option<&str>) -> Vec<FieldError> {
        if subresource == Some("status") {
            return (self.rules.validate_status)(new, old);
        }
        let mut errors = (self.rules.validate_change)(new, old);
        errors.extend((self.rules.validate)(new));
        errors
    }

    fn has_generation(&self) -> bool {
        self.rules.generation
    }

    fn graceful_seconds(&self, object: &Value, requested: Option<i64>) -> i64 {
        super::pod::graceful_seconds(object, requested)
    }

    fn name_error(&self, name: &str) -> Option<String> {
        (self.rules.name)(name)
    }

    fn allow_unconditional_update(&self) -> bool {
        self.rules.unconditional
    }

    fn allow_create_on_update(&self) -> bool {
        self.rules.create_on_update
    }
}
