//! What an author of a Windlass plugin writes against. In: a typed snapshot of one resource. Out: a decision.
//!
//! A plugin is one type that implements [`Reconciler`], and one line, [`export!`]. Everything is pure: there is no clock
//! but [`Snapshot::now`], no randomness and no I/O, so the same code runs in the sandbox and in a native unit test
//! (see [`entry`] and [`testing`]).
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use windlass_sdk::{Crd, Decision, Description, Fault, Item, Reconciler, Snapshot, json};
//!
//! #[derive(Deserialize, JsonSchema)]
//! pub struct Spec {
//!     /// Who is greeted.
//!     name: String,
//! }
//!
//! #[derive(Default, Serialize, Deserialize, JsonSchema)]
//! pub struct Status {}
//!
//! pub struct Greeter;
//!
//! impl Reconciler for Greeter {
//!     type Spec = Spec;
//!     type Status = Status;
//!
//!     fn describe() -> Description {
//!         Description::new("greeter", "1.0.0")
//!             .serves(Crd::of::<Spec, Status>("example.com", "v1", "Greeting"))
//!             .writes("", "v1", "ConfigMap")
//!     }
//!
//!     fn decide(snapshot: Snapshot<Spec, Status>) -> Result<Decision, Fault> {
//!         let text = format!("hello, {}", snapshot.resource.spec.name);
//!         let name = snapshot.resource.metadata.name.as_str();
//!         Ok(Decision::new(&Status {}).item(Item::kubernetes("greeting", json!({
//!             "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "text": text },
//!         }))))
//!     }
//! }
//!
//! windlass_sdk::export!(Greeter);
//! # fn main() {}
//! ```

pub mod azure;
pub mod bindings;
mod condition;
pub mod crd;
pub mod cron;
mod decision;
mod description;
pub mod entry;
#[cfg(any(test, target_arch = "wasm32"))]
mod heap;
mod item;
pub mod log;
pub mod mysql;
pub mod names;
pub mod quantity;
mod resource;
mod scalar;
mod snapshot;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

/// One desired item as it was found.
pub use bindings::windlass::plugin::types::ObservedItem as Observed;
pub use bindings::windlass::plugin::types::{
    Condition, Decision, Description, Event, Fault, FieldError, Item, Kind, ReadyWhen, RelatedAnswer, RelatedQuery,
    RemovalPolicy, SecretKey, Truth, UpdatePolicy,
};
pub use crd::{Column, Crd};
pub use item::Secret;
pub use model::gtid;
pub use quantity::Quantity;
pub use resource::{Metadata, Resource};
pub use scalar::IntOrString;
pub use serde_json::{Value, json};
pub use snapshot::Snapshot;

use serde::de::DeserializeOwned;

/// A plugin for one kind of resource.
pub trait Reconciler {
    /// What users write. Unknown fields are ignored, as the API server prunes them.
    type Spec: DeserializeOwned;
    /// What the plugin told users in the last pass. A status that does not parse counts as none.
    type Status: DeserializeOwned + Default;

    /// What the plugin is, the kind it serves and what it asks to be granted. Asked once, at load.
    fn describe() -> Description;

    /// The operator's settings, before they are used. Accepts any object unless it is overridden.
    fn validate_settings(settings: &Value) -> Result<(), Vec<FieldError>> {
        match settings {
            Value::Object(_) => Ok(()),
            _ => Err(vec![FieldError::at("settings", "must be an object")]),
        }
    }

    /// A resource, before it is acted on: what the schema cannot say. `old` is the resource as it was last accepted.
    /// Wrong types and missing fields were found before this is called.
    fn validate(
        old: Option<Resource<Self::Spec, Self::Status>>,
        new: Resource<Self::Spec, Self::Status>,
    ) -> Result<(), Vec<FieldError>> {
        let _ = (old, new);
        Ok(())
    }

    /// What should exist, and what to tell the user. An item of the last pass that is missing from the answer is deleted.
    fn decide(snapshot: Snapshot<Self::Spec, Self::Status>) -> Result<Decision, Fault>;
}

/// Lets go of a large value, a tree of JSON for example. An instance of a component lives for one call and its memory goes
/// away as a whole, so nothing is taken apart there; natively this is a drop.
pub fn discard<T>(value: T) {
    if cfg!(target_arch = "wasm32") {
        std::mem::forget(value);
    }
}

/// Makes a [`Reconciler`] the component that the host loads. On native targets it expands to nothing, so that the same
/// crate is unit-tested and benchmarked without a sandbox.
#[macro_export]
macro_rules! export {
    ($plugin:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, reason = "the generated entry points of the component")]
        mod windlass_component {
            use $crate::bindings::exports::windlass::plugin::reconciler::Guest;
            use $crate::bindings::windlass::plugin::types;

            struct Component;

            impl Guest for Component {
                fn describe() -> types::Description {
                    $crate::entry::describe::<super::$plugin>()
                }
                fn validate_settings(settings: types::Json) -> Result<(), Vec<types::FieldError>> {
                    $crate::entry::validate_settings::<super::$plugin>(&settings)
                }
                fn validate(old: Option<types::Json>, new: types::Json) -> Result<(), Vec<types::FieldError>> {
                    $crate::entry::validate::<super::$plugin>(old.as_deref(), &new)
                }
                fn decide(snapshot: types::Snapshot) -> Result<types::Decision, types::Fault> {
                    $crate::entry::decide::<super::$plugin>(snapshot)
                }
            }

            $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        }
    };
}
