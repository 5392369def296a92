//! Who decides: the plugin as native code here, and as the component that ships in [`component`]. In: a snapshot. Out: a
//! decision, or the fault that the plugin names.

pub mod component;

use crate::native;
use model::{Decision, Fault, Snapshot};

/// Decides for one simulated cluster.
pub trait Brain {
    /// What should be.
    ///
    /// # Errors
    /// The fault that the plugin names.
    fn decide(&mut self, snapshot: &Snapshot) -> Result<Decision, Fault>;
}

/// The plugin as native code.
pub struct Native;

impl Brain for Native {
    fn decide(&mut self, snapshot: &Snapshot) -> Result<Decision, Fault> {
        native::decide(snapshot)
    }
}

impl<T: Brain + ?Sized> Brain for &mut T {
    fn decide(&mut self, snapshot: &Snapshot) -> Result<Decision, Fault> {
        (**self).decide(snapshot)
    }
}
