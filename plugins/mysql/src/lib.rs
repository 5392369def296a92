//! The MySQL plugin: what a `MySQL` resource means. In: a snapshot. Out: the Secrets, configuration, Services,
//! StatefulSet, disruption budget and Backup that should exist, how each server should be, and what to tell the user.
//!
//! `spec` is what users write, `validate` what the schema cannot say about it, `observe` what is known of pods and
//! servers, `cluster` the policy (who is the primary, what is done about failures), `build` one file for each object,
//! `status` what is reported. `version` is the table of supported server versions.

pub mod build;
pub mod cluster;
pub mod decide;
pub mod name;
pub mod observe;
pub mod spec;
pub mod status;
mod time;
pub mod validate;
pub mod version;

use spec::MysqlSpec;
use status::MysqlStatus;
use windlass_sdk::{Column, Crd, Decision, Description, Fault, FieldError, Reconciler, Resource, Snapshot};

/// Group of the kind `MySQL`.
pub const GROUP: &str = "database.example.com";
/// Group and version of the kind `Backup`, which the backup plugin serves.
pub const BACKUP_GROUP: &str = "backup.windlass.dev";
/// Version of the kind `Backup`.
pub const BACKUP_VERSION: &str = "v1alpha1";

/// The plugin.
pub struct MysqlPlugin;

impl Reconciler for MysqlPlugin {
    type Spec = MysqlSpec;
    type Status = MysqlStatus;

    fn describe() -> Description {
        Description::new("mysql", env!("CARGO_PKG_VERSION"))
            .serves(crd())
            .writes("", "v1", "Secret")
            .writes("", "v1", "ConfigMap")
            .writes("", "v1", "Service")
            .writes("apps", "v1", "StatefulSet")
            .writes("policy", "v1", "PodDisruptionBudget")
            // Laid over what the StatefulSet makes: roles of pods, sizes of claims.
            .writes("", "v1", "Pod")
            .writes("", "v1", "PersistentVolumeClaim")
            .uses_mysql()
            .writes(BACKUP_GROUP, BACKUP_VERSION, "Backup")
    }

    fn validate(
        old: Option<Resource<MysqlSpec, MysqlStatus>>,
        new: Resource<MysqlSpec, MysqlStatus>,
    ) -> Result<(), Vec<FieldError>> {
        let mut errors = validate::spec(&new.spec);
        if let Some(old) = old {
            errors.extend(validate::change(&old.spec, &new.spec));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn decide(snapshot: Snapshot<MysqlSpec, MysqlStatus>) -> Result<Decision, Fault> {
        let decision = decide::decide(&snapshot);
        windlass_sdk::discard(snapshot);
        decision
    }
}

windlass_sdk::export!(MysqlPlugin);

/// The CustomResourceDefinition of `MySQL`.
pub fn crd() -> Crd {
    Crd::of::<MysqlSpec, MysqlStatus>(GROUP, "v1", "MySQL")
        .short_name("my")
        .category("all")
        .scale(".spec.replicas", ".status.replicas", ".status.selector")
        .column(Column::condition("Ready", "Ready").described("All servers run the wanted version and settings."))
        .column(Column::condition("Available", "Available").described("Whether clients can write."))
        .column(Column::text("State", ".status.state").described("What is the case, in one word."))
        .column(Column::text("Primary", ".status.currentPrimary").described("The pod that takes writes."))
        .column(Column::integer("Synced", ".status.syncedReplicas").described("Replicas that follow the primary."))
        .column(
            Column::integer("Errant", ".status.errantReplicas").described("Servers with transactions of their own."),
        )
        .column(Column::text("Members", ".status.members").wide().described("Ready servers of wanted servers."))
        .column(Column::text("Version", ".status.version").described("Version that all servers run."))
        .column(Column::text("Endpoint", ".status.endpoints.primary").wide().described("Host and port for writes."))
        .column(Column::condition("Backup", "BackupReady").wide().described("Whether scheduled backups are in order."))
        .column(Column::date("Age", ".metadata.creationTimestamp"))
}
