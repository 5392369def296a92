//! What the operator may do with a server: an annotation, as the Azure Service Operator has it.

use windlass_sdk::{FieldError, Metadata};

/// The annotation.
pub const ANNOTATION: &str = "serviceoperator.azure.com/reconcile-policy";

/// What may be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Everything.
    #[default]
    Manage,
    /// Nothing but looking; deletion of the resource leaves everything as it is.
    Skip,
    /// Everything, but deletion of the resource leaves everything as it is.
    DetachOnDelete,
}

impl Policy {
    /// From the annotations of a resource.
    pub fn of(metadata: &Metadata) -> Result<Self, FieldError> {
        match metadata.annotations.get(ANNOTATION).map(String::as_str) {
            None | Some("manage") => Ok(Policy::Manage),
            Some("skip") => Ok(Policy::Skip),
            Some("detach-on-delete") => Ok(Policy::DetachOnDelete),
            Some(other) => {
                let message = format!("{other:?} is not one of manage, skip and detach-on-delete");
                Err(FieldError::at(&format!("metadata.annotations[{ANNOTATION}]"), &message))
            }
        }
    }

    /// Deletion of the resource leaves everything as it is.
    pub fn detaches(self) -> bool {
        matches!(self, Policy::Skip | Policy::DetachOnDelete)
    }
}
