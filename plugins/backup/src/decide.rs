//! The decision: from one snapshot to everything that should exist and be said. Pure.

use crate::build::{self, CLAIM, claim, cron_job};
use crate::source::{self, Source};
use crate::spec::BackupSpec;
use crate::status::{self, BackupStatus};
use crate::validate;
use windlass_sdk::{Condition, Decision, Event, Fault, Snapshot};

/// Decides.
pub fn decide(snapshot: &Snapshot<BackupSpec, BackupStatus>) -> Result<Decision, Fault> {
    let resource = &snapshot.resource;
    if snapshot.deleting {
        let message = "the CronJob is being removed; the volume follows spec.storage.whenDeleted";
        return Ok(Decision::new(&resource.status).condition(Condition::no("Ready", "Deleting", message)));
    }
    let errors = validate::spec(&resource.spec);
    if !errors.is_empty() {
        return Err(Fault::Invalid(errors));
    }
    let source = source::find(snapshot)?;
    let image = snapshot.setting("image").unwrap_or(cron_job::DEFAULT_IMAGE);
    let (metadata, spec) = (&resource.metadata, &resource.spec);
    // Without its database a CronJob that exists is kept, with its history, and starts nothing.
    let (remembered, paused) = match &source {
        Source::Known(known) => (Some(known), false),
        Source::Missing(remembered) => (remembered.as_ref(), true),
        Source::NotReady => (None, true),
    };
    let claim = claim::item(metadata, spec);
    let after = claim.as_ref().map(|_| CLAIM);
    let cron_job = remembered.map(|known| cron_job::item(metadata, spec, known, image, paused).after(after));
    let status = status::build(snapshot, &source, &build::claim_name(metadata, spec));
    Ok(Decision::new(&status)
        .items(claim)
        .items(cron_job)
        .conditions(status::conditions(snapshot, &source, &status))
        .events(events(&resource.status, &status)))
}

/// What became of backups since the last status.
fn events(old: &BackupStatus, new: &BackupStatus) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(time) = new.last_success_time.as_ref().filter(|_| new.last_success_time != old.last_success_time) {
        events.push(Event::normal("BackupSucceeded", &format!("a backup finished at {time}")));
    }
    if let Some(failure) = new.last_failure.as_ref().filter(|_| new.last_failure != old.last_failure) {
        events.push(Event::warning("BackupFailed", &format!("job {} failed: {}", failure.job, failure.message)));
    }
    events
}
