//! What comes in: Jobs and CronJobs. What goes out: their defaults, generated selectors and labels, and complaints. Pure.

use serde_json::{Value, json};

use super::apps::copy_labels;
use super::edit::{fill, set, text, with, within};
use super::pod::default_template;
use super::strategy::{PLAIN, Rules};

mod validate;

pub(super) const JOB: Rules = Rules {
    status: true,
    generation: true,
    default: default_job,
    create: create_job,
    validate: validate::job,
    validate_change: validate::job_change,
    ..PLAIN
};

pub(super) const CRON_JOB: Rules =
    Rules { status: true, generation: true, default: default_cron_job, validate: validate::cron_job, ..PLAIN };

fn default_job(job: &mut Value) {
    let labels = job.pointer("/spec/template/metadata/labels").cloned();
    within(job, "spec", |spec| {
        if spec.get("completions").is_none_or(Value::is_null) && spec.get("parallelism").is_none_or(Value::is_null) {
            set(spec, "completions", 1);
        }
        fill(spec, "parallelism", 1);
        // With a limit per index, the total is unlimited unless it is given.
        let total = if spec.get("backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
        fill(spec, "backoffLimit", total);
        fill(spec, "completionMode", "NonIndexed");
        fill(spec, "suspend", false);
        let replaced = if spec.get("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
        fill(spec, "podReplacementPolicy", replaced);
        within(spec, "template", default_template);
        if let Some(rules) = spec.pointer_mut("/podFailurePolicy/rules").and_then(Value::as_array_mut) {
            for rule in rules {
                super::edit::each(rule, "onPodConditions", |pattern| fill(pattern, "status", "True"));
            }
        }
    });
    copy_labels(job, labels);
}

/// Ties the job to its pods by its uid, unless the creator does that.
fn create_job(job: &mut Value) {
    let name = job.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let uid = job.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    within(job, "spec", |spec| {
        if spec.get("manualSelector") == Some(&json!(true)) {
            return;
        }
        within(spec, "template", |template| {
            within(template, "metadata", |meta| {
                within(meta, "labels", |labels| {
                    for prefix in ["", "batch.kubernetes.io/"] {
                        set(labels, &format!("{prefix}controller-uid"), uid.clone());
                        set(labels, &format!("{prefix}job-name"), name.clone());
                    }
                });
            });
        });
        within(spec, "selector", |selector| {
            within(selector, "matchLabels", |labels| set(labels, "batch.kubernetes.io/controller-uid", uid.clone()));
        });
    });
}

fn default_cron_job(job: &mut Value) {
    within(job, "spec", |spec| {
        fill(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
        within(spec, "jobTemplate", |template| {
            fill(template, "metadata", json!({}));
            within(template, "spec", |spec| {
                within(spec, "template", default_template);
                with(spec, "podFailurePolicy", |policy| {
                    super::edit::each(policy, "rules", |rule| {
                        super::edit::each(rule, "onPodConditions", |pattern| {
                            if text(pattern, "status").is_empty() {
                                fill(pattern, "status", "True");
                            }
                        });
                    });
                });
            });
        });
    });
}
