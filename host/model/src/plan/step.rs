//! One step of a plan: data that says what to write, and under which conditions.

use crate::decision::{ArmResource, ComposedValue, ItemId, MysqlServer, RandomValue, VaultSecret};
use crate::digest::Digest;
use crate::inventory::Backend;
use crate::kind::ObjectKey;
use serde_json::Value;
use std::fmt;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The item that it is for. An owned object that no item names has its key as text here.
    pub item: ItemId,
    /// When it may run: with all steps of the same wave, after those of lower ones.
    pub wave: u32,
    /// Items whose steps in this plan must have succeeded before. Skip the step if one of them failed.
    pub needs: Vec<ItemId>,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// A live object as the plan saw it. A write must fail if the object is no longer this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
}

/// What to do. Every case carries all that is needed to do it safely, and to do it again after a crash.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Server-side apply. `live: None`: it must not exist, so create and never overwrite. `live: Some`: an apply that
    /// must hit this uid; it needs no resourceVersion, because it states only the fields that are ours.
    Apply {
        /// Where.
        key: ObjectKey,
        /// The whole object to apply: namespace, labels, annotations and owner reference are in.
        object: Value,
        /// What is there.
        live: Option<Live>,
        /// The digest to remember in [`crate::facts::LastWrite`].
        desired: Digest,
    },
    /// Takes over an object that exists and is nobody's, because the user asked for it: an apply with force on this uid
    /// and resourceVersion.
    Adopt {
        /// Where.
        key: ObjectKey,
        /// The whole object to apply.
        object: Value,
        /// What is there.
        live: Live,
        /// The digest to remember.
        desired: Digest,
    },
    /// Sets fields of an object of others, whoever set them before: a server-side apply with force that must hit this uid,
    /// so that it never creates.
    Overlay {
        /// Where.
        key: ObjectKey,
        /// The fields, with the identity of the object, and no marks of ours.
        object: Value,
        /// What is there.
        live: Live,
        /// The digest to remember.
        desired: Digest,
    },
    /// Deletes an object that cannot be changed, with both preconditions. A later pass, which finds it gone, creates it.
    Recreate {
        /// Where.
        key: ObjectKey,
        /// What is there.
        live: Live,
    },
    /// Creates a Secret with values that the host makes now. It must not exist.
    CreateSecret {
        /// Where.
        key: ObjectKey,
        /// apiVersion, kind, metadata and type; the values are added to `data`.
        object: Value,
        /// Values that are no secret.
        plain: Vec<(String, String)>,
        /// Values to make.
        random: Vec<RandomValue>,
        /// Values that are put together from the others.
        composed: Vec<ComposedValue>,
        /// The digest to remember.
        desired: Digest,
    },
    /// Adds values to a Secret that exists: a merge patch under uid and resourceVersion, so that no value that is there
    /// is lost or replaced by accident.
    AddSecretValues {
        /// Where.
        key: ObjectKey,
        /// Metadata to merge (labels, annotations, owner reference).
        object: Value,
        /// What is there.
        live: Live,
        /// Values that are no secret: set.
        plain: Vec<(String, String)>,
        /// Keys that are missing: made.
        random: Vec<RandomValue>,
        /// Keys to make anew: the value that is there moves to `KEY.previous`.
        rotate: Vec<RandomValue>,
        /// Values that are put together from all the others, old and new: set.
        composed: Vec<ComposedValue>,
        /// The digest to remember.
        desired: Digest,
    },
    /// Deletes an object, with uid and resourceVersion preconditions.
    Delete {
        /// Where.
        key: ObjectKey,
        /// What is there.
        live: Live,
    },
    /// Leaves an object in place and lets go of it: removes the owner reference to the resource and the host's labels
    /// and annotations, under uid and resourceVersion.
    Release {
        /// Where.
        key: ObjectKey,
        /// What is there.
        live: Live,
        /// Uid of the resource: the owner reference to remove.
        owner_uid: String,
    },
    /// Brings a MySQL server to what it should be.
    Mysql(Box<MysqlServer>),
    /// Brings an Azure resource to what it should be.
    Azure(Box<ArmResource>),
    /// Brings a Key Vault secret to what it should be.
    Vault(Box<VaultSecret>),
    /// Removes what another backend holds for an item.
    RemoveExternal {
        /// Which backend.
        backend: Backend,
        /// The name there: an ARM resource id, a vault's address and the secret's name.
        name: String,
        /// The version of the API that it was written with, where the backend has versions.
        api_version: String,
    },
}

impl Action {
    /// The object that the step writes, for Kubernetes.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Action::Apply { key, .. }
            | Action::Adopt { key, .. }
            | Action::Overlay { key, .. }
            | Action::Recreate { key, .. }
            | Action::CreateSecret { key, .. }
            | Action::AddSecretValues { key, .. }
            | Action::Delete { key, .. }
            | Action::Release { key, .. } => Some(key),
            Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) | Action::RemoveExternal { .. } => None,
        }
    }

    /// What is there now, where the step changes something that exists.
    pub fn live(&self) -> Option<&Live> {
        match self {
            Action::Apply { live, .. } => live.as_ref(),
            Action::Adopt { live, .. }
            | Action::Overlay { live, .. }
            | Action::Recreate { live, .. }
            | Action::AddSecretValues { live, .. }
            | Action::Delete { live, .. }
            | Action::Release { live, .. } => Some(live),
            Action::CreateSecret { .. }
            | Action::Mysql(_)
            | Action::Azure(_)
            | Action::Vault(_)
            | Action::RemoveExternal { .. } => None,
        }
    }

    /// The digest to remember once the step succeeded.
    pub fn desired_digest(&self) -> Option<Digest> {
        match self {
            Action::Apply { desired, .. }
            | Action::Adopt { desired, .. }
            | Action::Overlay { desired, .. }
            | Action::CreateSecret { desired, .. }
            | Action::AddSecretValues { desired, .. } => Some(*desired),
            Action::Recreate { .. }
            | Action::Delete { .. }
            | Action::Release { .. }
            | Action::Mysql(_)
            | Action::Azure(_)
            | Action::Vault(_)
            | Action::RemoveExternal { .. } => None,
        }
    }

    /// The step makes something go away: it needs a fresh look before it runs (B5).
    pub fn destructive(&self) -> bool {
        matches!(self, Action::Recreate { .. } | Action::Delete { .. } | Action::RemoveExternal { .. })
    }

    /// The step is about a MySQL server.
    pub fn is_server(&self) -> bool {
        matches!(self, Action::Mysql(_))
    }

    /// The step is about something in Azure.
    pub fn is_cloud(&self) -> bool {
        match self {
            Action::Azure(_) | Action::Vault(_) => true,
            Action::RemoveExternal { backend, .. } => *backend != Backend::Mysql,
            _ => false,
        }
    }

    /// One word for logs, metrics and the `plan` command.
    pub fn verb(&self) -> &'static str {
        match self {
            Action::Apply { live: None, .. } | Action::CreateSecret { .. } => "create",
            Action::Apply { live: Some(_), .. } | Action::AddSecretValues { .. } | Action::Overlay { .. } => "change",
            Action::Adopt { .. } => "adopt",
            Action::Recreate { .. } => "recreate",
            Action::Delete { .. } | Action::RemoveExternal { .. } => "delete",
            Action::Release { .. } => "release",
            Action::Mysql(_) | Action::Azure(_) | Action::Vault(_) => "converge",
        }
    }
}

/// Why a step is in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It does not exist.
    Missing,
    /// The decision wants it otherwise than when it was applied last; the paths that differ from what is live.
    Changed(Vec<String>),
    /// Somebody else changed what is ours; the paths that differ.
    Drifted(Vec<String>),
    /// The user asked to take it over.
    Adopted,
    /// The Secret lacks keys, or a new generation of values is asked for.
    Values(Vec<String>),
    /// It is no longer desired.
    Undesired,
    /// The resource is being deleted.
    Teardown,
    /// The backend found a difference.
    External,
}

impl Reason {
    /// A stable word, for events and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Missing => "Missing",
            Reason::Changed(_) => "Changed",
            Reason::Drifted(_) => "Drifted",
            Reason::Adopted => "Adopted",
            Reason::Values(_) => "Values",
            Reason::Undesired => "Undesired",
            Reason::Teardown => "Teardown",
            Reason::External => "External",
        }
    }

    /// The paths that differ, where that is why.
    pub fn paths(&self) -> &[String] {
        match self {
            Reason::Changed(paths) | Reason::Drifted(paths) | Reason::Values(paths) => paths,
            Reason::Missing | Reason::Adopted | Reason::Undesired | Reason::Teardown | Reason::External => &[],
        }
    }
}

impl fmt::Display for Step {
    /// `create statefulset (StatefulSet.apps default/prod-db): Missing`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.verb(), self.item)?;
        if let Some(key) = self.action.key() {
            write!(f, " ({key})")?;
        }
        write!(f, ": {}", self.reason.word())
    }
}
