//! The CronJob controller. In: CronJobs, their Jobs, the clock. Out: Jobs when they are due, the history kept short,
//! status, events. When something is due is decided in `cronjob/schedule.rs`.

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::DeleteParams;
use kube::core::metadata::ObjectMeta;

use super::context::{Context, follow};
use super::job::progress::has;
use super::ownership::{controller_key, controller_reference};
use crate::machinery::error::Error;
use crate::machinery::key::Key;
use crate::machinery::queue::Queue;
use crate::machinery::recorder::{Kind, reference};
use crate::machinery::workers::Pass;
use schedule::{Invalid, due};

const COMPONENT: &str = "cronjob-controller";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// A run is started at its time, never a moment before; timers may be early.
const PAST_THE_MINUTE: Duration = Duration::from_millis(100);

/// Registers the controller's interests and starts its workers.
pub(crate) fn start(ctx: &Arc<Context>) {
    let queue: Queue<Key> = Queue::new();
    follow(&ctx.cronjobs, &queue);
    let q = queue.clone();
    ctx.jobs.on_change(move |old, new| {
        for job in [old, new].into_iter().flatten() {
            if let Some(key) = controller_key(&job.metadata, "CronJob") {
                q.add(key);
            }
        }
    });
    let held = ctx.clone();
    ctx.tasks.work(COMPONENT, &queue, 2, ctx.ready(), move |key| {
        let ctx = held.clone();
        async move { Cron { ctx: &ctx }.pass(&key).await }
    });
}

struct Cron<'a> {
    ctx: &'a Context,
}

/// How a Job ended, if it did.
fn ended(job: &Job) -> Option<&'static str> {
    let status = job.status.as_ref()?;
    ["Complete", "Failed"].into_iter().find(|type_| has(status, type_))
}

fn job_name(job: &Job) -> &str {
    job.metadata.name.as_deref().unwrap_or_default()
}

impl Cron<'_> {
    async fn pass(&self, key: &Key) -> Pass {
        let Some(cron) = self.ctx.cronjobs.get(key) else { return Ok(None) };
        if cron.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let spec = &cron.spec;
        let uid = cron.metadata.uid.as_deref().unwrap_or_default();
        let mut status = cron.status.clone().unwrap_or_default();
        let jobs = self.ctx.jobs.owned_by(uid);
        self.settle(&cron, &jobs, &mut status);
        self.trim_history(&cron, spec, &jobs).await?;
        let wake = self.schedule(&cron, spec, &mut status).await;
        if cron.status.clone().unwrap_or_default() != status {
            self.ctx.cronjobs.replace_status(&*cron, &status).await?;
        }
        wake
    }

    /// Brings the list of active Jobs and the time of the last success in line with the Jobs there are.
    fn settle(&self, cron: &CronJob, jobs: &[Arc<Job>], status: &mut CronJobStatus) {
        let mut active = status.active.take().unwrap_or_default();
        for job in jobs {
            let listed = active.iter().position(|r| r.uid == job.metadata.uid);
            match (listed, ended(job)) {
                (None, None) => {
                    let message = format!("Saw a job that the controller did not create or forgot: {}", job_name(job));
                    self.event(cron, Kind::Warning, "UnexpectedJob", message);
                }
                (Some(at), Some(how)) => {
                    active.remove(at);
                    let message = format!("Saw completed job: {}, condition: {how}", job_name(job));
                    self.event(cron, Kind::Normal, "SawCompletedJob", message);
                }
                _ => {}
            }
            if ended(job) == Some("Complete") {
                let at = job.status.as_ref().and_then(|s| s.completion_time.clone());
                if at.as_ref().map(|t| t.0) > status.last_successful_time.as_ref().map(|t| t.0) {
                    status.last_successful_time = at;
                }
            }
        }
        active.retain(|r| {
            let here = jobs.iter().any(|j| j.metadata.uid == r.uid);
            if !here {
                let name = r.name.as_deref().unwrap_or_default();
                self.event(cron, Kind::Normal, "MissingJob", format!("Active job went missing: {name}"));
            }
            here
        });
        status.active = (!active.is_empty()).then_some(active);
    }

    async fn trim_history(&self, cron: &CronJob, spec: &CronJobSpec, jobs: &[Arc<Job>]) -> Result<(), Error> {
        for (how, limit) in [
            ("Complete", spec.successful_jobs_history_limit.unwrap_or(3)),
            ("Failed", spec.failed_jobs_history_limit.unwrap_or(1)),
        ] {
            let mut done: Vec<_> = jobs.iter().filter(|j| ended(j) == Some(how)).collect();
            done.retain(|j| j.metadata.deletion_timestamp.is_none());
            done.sort_by_key(|j| j.status.as_ref().and_then(|s| s.start_time.as_ref().map(|t| t.0)));
            let surplus = done.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            for job in &done[..surplus] {
                self.remove(cron, job).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, cron: &CronJob, job: &Job) -> Result<(), Error> {
        self.ctx.jobs.delete(job, DeleteParams::background()).await?;
        self.event(cron, Kind::Normal, "SuccessfulDelete", format!("Deleted job {}", job_name(job)));
        Ok(())
    }

    /// Starts the run that is due; answers when to look again.
    async fn schedule(&self, cron: &CronJob, spec: &CronJobSpec, status: &mut CronJobStatus) -> Pass {
        if spec.suspend == Some(true) {
            return Ok(None);
        }
        let now = self.ctx.clock.now();
        let created = cron.metadata.creation_timestamp.as_ref().map_or(now, |t| t.0);
        let earliest = status.last_schedule_time.as_ref().map_or(created, |t| t.0);
        let due = due(&spec.schedule, spec.time_zone.as_deref(), earliest, spec.starting_deadline_seconds, now);
        let due = match due {
            Ok(due) => due,
            Err(invalid) => {
                let reason = match &invalid {
                    Invalid::Schedule(..) => "UnparseableSchedule",
                    Invalid::TimeZone(_) => "UnknownTimeZone",
                };
                self.event(cron, Kind::Warning, reason, invalid.to_string());
                // Nothing but a change of the spec helps, and that comes as an event.
                return Ok(None);
            }
        };
        let wake = due.next.map(|next| next + PAST_THE_MINUTE);
        let Some(run) = due.run else { return Ok(wake) };
        if due.missed {
            tracing::debug!(cronjob = cron.metadata.name, "several runs were missed, only the latest is made");
        }
        let active = status.active.clone().unwrap_or_default();
        match spec.concurrency_policy.as_deref() {
            Some("Forbid") if !active.is_empty() => {
                let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.event(cron, Kind::Normal, "JobAlreadyActive", message.to_owned());
                return Ok(wake);
            }
            Some("Replace") => {
                for held in &active {
                    let key = Key::new(Key::of(cron).namespace, held.name.clone().unwrap_or_default());
                    if let Some(job) = self.ctx.jobs.get(&key) {
                        self.remove(cron, &job).await?;
                    }
                }
                status.active = None;
            }
            _ => {}
        }
        self.start(cron, spec, run, status).await?;
        Ok(wake)
    }

    async fn start(
        &self,
        cron: &CronJob,
        spec: &CronJobSpec,
        run: Timestamp,
        status: &mut CronJobStatus,
    ) -> Result<(), Error> {
        let job = job(cron, spec, run);
        let made = match self.ctx.jobs.create(&job).await {
            Ok(made) => {
                self.event(cron, Kind::Normal, "SuccessfulCreate", format!("Created job {}", job_name(&made)));
                made
            }
            Err(error) if error.is_already_exists() => {
                // The name is the run: an earlier pass made it and could not write the status.
                let key = Key::of(&job);
                let api = self.ctx.jobs.api(&key.namespace);
                Arc::new(api.get(&key.name).await.map_err(|e| Error::api("get", "Job", &key, e))?)
            }
            Err(error) if error.is_namespace_terminating() => return Ok(()),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                self.event(cron, Kind::Warning, "FailedCreate", format!("Error creating job: {cause}"));
                return Err(error);
            }
        };
        let active: &mut Vec<ObjectReference> = status.active.get_or_insert_default();
        if ended(&made).is_none() && active.iter().all(|r| r.uid != made.metadata.uid) {
            active.push(reference(&*made));
        }
        if active.is_empty() {
            status.active = None;
        }
        status.last_schedule_time = Some(Time(run));
        Ok(())
    }

    fn event(&self, cron: &CronJob, kind: Kind, reason: &str, message: String) {
        self.ctx.events.event(COMPONENT, cron, kind, reason, message);
    }
}

/// The Job of one run: its name is the CronJob's with the run's time in minutes, so that a run is made once.
fn job(cron: &CronJob, spec: &CronJobSpec, run: Timestamp) -> Job {
    let template = spec.job_template.metadata.clone().unwrap_or_default();
    let mut annotations = template.annotations.unwrap_or_default();
    let zone = spec.time_zone.as_deref().unwrap_or("UTC");
    let stamp = match zone.parse::<chrono_tz::Tz>() {
        Ok(zone) => chrono::DateTime::from_timestamp(run.as_second(), 0)
            .map(|t| t.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        Err(_) => None,
    };
    annotations.insert(SCHEDULED.to_owned(), stamp.unwrap_or_else(|| run.to_string()));
    let minutes = run.as_second() / 60;
    Job {
        metadata: ObjectMeta {
            name: Some(format!("{}-{minutes}", cron.metadata.name.as_deref().unwrap_or_default())),
            namespace: cron.metadata.namespace.clone(),
            labels: template.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![controller_reference(cron)]),
            ..ObjectMeta::default()
        },
        spec: spec.job_template.spec.clone(),
        status: None,
    }
}
