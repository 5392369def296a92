//! The backup plugin: what a `Backup` resource means. In: a snapshot with the resource and the database that it names.
//! Out: a volume claim and a CronJob whose pods run `windlass backup`, and what became of them.
//!
//! The kind has the project's own group, not that of a database: it says when, where to and for how long, and names its
//! source by kind, so that other databases can join.

pub mod build;
pub mod decide;
pub mod source;
pub mod spec;
pub mod status;
pub mod validate;

use spec::BackupSpec;
use status::BackupStatus;
use windlass_sdk::{Column, Crd, Decision, Description, Fault, FieldError, Reconciler, Resource, Snapshot, Value};

/// Group of the kind `Backup`.
pub const GROUP: &str = "backup.windlass.dev";
/// Not `v1` yet: destinations and verification will change it.
pub const VERSION: &str = "v1alpha1";

/// The plugin.
pub struct BackupPlugin;

impl Reconciler for BackupPlugin {
    type Spec = BackupSpec;
    type Status = BackupStatus;

    fn describe() -> Description {
        Description::new("backup", env!("CARGO_PKG_VERSION"))
            .serves(crd())
            .writes("", "v1", "PersistentVolumeClaim")
            .writes("batch", "v1", "CronJob")
    }

    fn validate_settings(settings: &Value) -> Result<(), Vec<FieldError>> {
        let Some(fields) = settings.as_object() else {
            return Err(vec![FieldError::at("settings", "must be an object")]);
        };
        let errors: Vec<FieldError> = fields
            .iter()
            .filter_map(|(key, value)| {
                let path = format!("settings.{key}");
                match (key.as_str(), value.as_str()) {
                    ("image", Some(image)) if !image.is_empty() => None,
                    ("image", _) => Some(FieldError::at(&path, "must be the name of an image")),
                    _ => Some(FieldError::at(&path, "is unknown: the only setting is image")),
                }
            })
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn validate(
        old: Option<Resource<BackupSpec, BackupStatus>>,
        new: Resource<BackupSpec, BackupStatus>,
    ) -> Result<(), Vec<FieldError>> {
        let mut errors = validate::spec(&new.spec);
        if let Some(old) = old {
            errors.extend(validate::change(&old.spec, &new.spec));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn decide(snapshot: Snapshot<BackupSpec, BackupStatus>) -> Result<Decision, Fault> {
        decide::decide(&snapshot)
    }
}

windlass_sdk::export!(BackupPlugin);

/// The CustomResourceDefinition of `Backup`.
pub fn crd() -> Crd {
    Crd::of::<BackupSpec, BackupStatus>(GROUP, VERSION, "Backup")
        .short_name("bkp")
        .column(Column::condition("Ready", "Ready").described("Scheduled, and the last backup did not fail."))
        .column(Column::text("Source", ".spec.source.mysql").described("The database."))
        .column(Column::text("Schedule", ".spec.schedule"))
        .column(Column::date("Last Success", ".status.lastSuccessTime").described("Age of the newest good backup."))
        .column(Column::text("Last Backup", ".status.lastBackup.name").wide().described("Name of the newest backup."))
        .column(Column::text("Claim", ".status.claim").wide().described("The volume claim that backups are on."))
        .column(Column::date("Age", ".metadata.creationTimestamp"))
}
