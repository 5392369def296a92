//! Names that the host puts on objects and that users may put on resources: the host's vocabulary in a cluster.

pub mod derived;
pub mod syntax;

/// Field manager of everything that the host writes.
pub const FIELD_MANAGER: &str = "windlass";
/// Finalizer on resources: teardown is a decision, and needs the resource until it is done.
pub const FINALIZER: &str = "windlass.dev/teardown";

/// Finalizer on a Secret with a credential: the resource with this uid needs it until nothing of it is left in Azure.
pub fn credential_finalizer(uid: &str) -> String {
    format!("windlass.dev/azure-{uid}")
}

/// Label on children: always `windlass`.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "windlass";
/// Label on children: uid of the resource that they belong to.
pub const LABEL_OWNER: &str = "windlass.dev/owner-uid";
/// Label on children: name of the plugin that asked for them.
pub const LABEL_PLUGIN: &str = "windlass.dev/plugin";
/// Annotation on children: id of their item. (Ids hold characters that labels may not.)
pub const ANNOTATION_ITEM: &str = "windlass.dev/item";
/// Annotation on children: digest of the object as it was desired when it was applied last. It tells a new process what
/// the last one wanted, so that a field that is no longer desired is found although a live object may have more fields.
pub const ANNOTATION_DESIRED: &str = "windlass.dev/desired-digest";
/// Annotation on children: their removal policy where it is not the usual one (`Keep`, `Protect`), so that it holds even
/// when the inventory is lost.
pub const ANNOTATION_REMOVAL: &str = "windlass.dev/removal";
/// Prefix of all labels and annotations of the host but [`LABEL_MANAGED_BY`].
pub const OUR_DOMAIN: &str = "windlass.dev";
/// Annotation on generated Secrets: generation of the values.
pub const ANNOTATION_SECRET_GENERATION: &str = "windlass.dev/secret-generation";

/// Annotation on resources, by the host: what exists on their behalf, in order of creation.
pub const ANNOTATION_INVENTORY: &str = "windlass.dev/inventory";
/// Annotation on resources, by the host: what it sent to Azure and what became of it, see [`crate::azure::Journal`].
pub const ANNOTATION_AZURE: &str = "windlass.dev/azure";
/// Annotation on resources, by users: `true` stops all side effects.
pub const ANNOTATION_PAUSED: &str = "windlass.dev/paused";
/// Annotation on resources, by users: item ids, comma-separated, or `*`, that may be deleted although they are
/// protected or beyond the blast-radius budget.
pub const ANNOTATION_ALLOW_DELETE: &str = "windlass.dev/allow-delete";
/// Annotation on resources, by users: item ids, comma-separated, or `*`, whose existing foreign object may be taken over.
pub const ANNOTATION_ADOPT: &str = "windlass.dev/adopt";
/// Annotation on resources, by users: `true` lets a deleted resource go without teardown; what is left is listed in an event.
pub const ANNOTATION_ABANDON: &str = "windlass.dev/abandon";
