//! What the schema cannot say about a spec. In: a spec, and the spec before it. Out: errors with the field.

use crate::spec::BackupSpec;
use windlass_sdk::{FieldError, Quantity, cron};

/// Errors of a spec by itself.
pub fn spec(spec: &BackupSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say = |path: &str, message: &str| errors.push(FieldError::at(path, message));
    if spec.source.mysql.is_empty() {
        say("spec.source.mysql", "must name a MySQL");
    }
    if let Err(why) = cron::check(&spec.schedule) {
        say("spec.schedule", &why);
    }
    if spec.time_zone.as_deref().is_some_and(|zone| zone.is_empty() || zone == "Local") {
        say("spec.timeZone", "must name a zone, such as Europe/Berlin");
    }
    let storage = &spec.storage;
    if Quantity::parse(&storage.wished_size()).is_none_or(|size| size.units() == 0) {
        say("spec.storage.size", "is not a size: use a number with a unit, such as 100Gi");
    }
    if storage.claim_name.is_some() && (storage.size.is_some() || storage.storage_class_name.is_some()) {
        say("spec.storage.claimName", "names a claim that exists: leave size and storageClassName out");
    }
    if spec.deadline_seconds < 60 {
        say("spec.deadlineSeconds", "must be at least 60");
    }
    if spec.starting_deadline_seconds < 60 {
        say("spec.startingDeadlineSeconds", "must be at least 60");
    }
    errors
}

/// Errors of a change.
pub fn change(old: &BackupSpec, new: &BackupSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut say = |path: &str, message: &str| errors.push(FieldError::at(path, message));
    if old.source != new.source {
        say("spec.source", "cannot change: make another Backup");
    }
    if old.storage.claim_name.is_none() && new.storage.claim_name.is_none() {
        if old.storage.storage_class_name != new.storage.storage_class_name {
            say("spec.storage.storageClassName", "cannot change: make another Backup, or a claim of your own");
        }
        if Quantity::parse(&new.storage.wished_size()) < Quantity::parse(&old.storage.wished_size()) {
            say("spec.storage.size", "cannot shrink: volumes only grow; make another Backup, or a claim of your own");
        }
    }
    errors
}
