//! What exists on behalf of a resource, in the order of creation. It is written on the resource before anything is
//! created, so that a teardown ends even when the plugin is gone. In and out: the annotation's text.

mod codec;

use crate::decision::{ItemId, RemovalPolicy};
use crate::kind::ObjectKey;
use crate::plan::Place;
use std::fmt;

/// What exists on behalf of a resource, or is about to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Each thing, in order of creation.
    pub entries: Vec<Entry>,
}

/// One thing that exists, or is about to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The item that it is for.
    pub id: ItemId,
    /// What it is.
    pub target: Target,
    /// Items that it came after: they are deleted later.
    pub after: Vec<ItemId>,
    /// What happens when it is no longer desired.
    pub removal: RemovalPolicy,
}

/// Where a thing is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A Kubernetes object that the plugin describes.
    Object(ObjectKey),
    /// A Secret whose values the host made.
    Secret(ObjectKey),
    /// Something of another backend.
    External {
        /// Which backend.
        backend: Backend,
        /// `host:port`, an ARM resource id, or a vault's address and the secret's name.
        name: String,
        /// The version of the API, where the backend has versions; else empty.
        api_version: String,
    },
}

impl Target {
    /// The object of Kubernetes that it is; none for other backends.
    pub fn object(&self) -> Option<&ObjectKey> {
        match self {
            Target::Object(key) | Target::Secret(key) => Some(key),
            Target::External { .. } => None,
        }
    }

    /// Whether both name one place, in whatever version of an API, and whether or not the host made the values of a Secret.
    pub fn same_place(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Object(one) | Target::Secret(one), Target::Object(two) | Target::Secret(two)) => {
                one.name == two.name
                    && one.namespace == two.namespace
                    && one.kind.kind == two.kind.kind
                    && one.kind.group == two.kind.group
            }
            (Target::External { .. }, Target::External { .. }) => Place::of(self) == Place::of(other),
            (Target::Object(_) | Target::Secret(_), Target::External { .. })
            | (Target::External { .. }, Target::Object(_) | Target::Secret(_)) => false,
        }
    }
}

impl fmt::Display for Target {
    /// `StatefulSet.apps default/prod-db`, `mysql db-0:3306`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Object(key) | Target::Secret(key) => key.fmt(f),
            Target::External { backend, name, api_version: _ } => write!(f, "{} {name}", backend.word()),
        }
    }
}

/// A backend besides Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Backend {
    /// MySQL servers.
    Mysql,
    /// Azure Resource Manager.
    Azure,
    /// Azure Key Vault.
    Vault,
}

impl Backend {
    /// Its name in messages.
    pub fn word(self) -> &'static str {
        match self {
            Backend::Mysql => "mysql",
            Backend::Azure => "azure",
            Backend::Vault => "vault",
        }
    }
}

/// Why an inventory cannot be read. Nothing is deleted then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// It is not what the host writes.
    #[error(
        "annotation windlass.dev/inventory is damaged ({0}): restore it, or remove it to let the host find what the resource owns by labels and owner references"
    )]
    Damaged(String),
    /// A newer host wrote it.
    #[error(
        "annotation windlass.dev/inventory has version {0}, and this host reads up to version 1: run the newer host again"
    )]
    Newer(u64),
}

impl Inventory {
    /// Reads the annotation. Unknown fields are left out; anything else that is not understood is an error.
    pub fn read(text: &str) -> Result<Self, InventoryError> {
        codec::read(text)
    }

    /// Whether it names this place, in whatever version of an API.
    pub fn lists(&self, target: &Target) -> bool {
        self.entries.iter().any(|entry| entry.target.same_place(target))
    }

    /// Every place of Kubernetes that it names: what has to be looked at before a plan is made.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.entries.iter().filter_map(|entry| entry.target.object())
    }

    /// The annotation's text. Equal inventories have equal texts.
    pub fn write(&self) -> String {
        codec::write(self)
    }
}

#[cfg(test)]
mod tests;
