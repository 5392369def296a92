//! What comes in: Jobs and CronJobs. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors};
use crate::builtin::edit::text;
use crate::builtin::labels;
use crate::builtin::pod::validate::template;
use crate::field_error::FieldError;

pub(crate) fn job(job: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &job["spec"];
    if spec.get("selector").is_none_or(Value::is_null) {
        errors.push(FieldError::required("spec.selector", ""));
    } else {
        labels::selector(&spec["selector"], "spec.selector", &mut errors);
    }
    job_spec(spec, "spec", true, &mut errors);
    errors
}

fn job_spec(spec: &Value, path: &str, selected: bool, errors: &mut Errors) {
    for key in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        check::non_negative(spec, key, path, errors);
    }
    check::one_of(spec, "completionMode", path, &["Indexed", "NonIndexed"], false, errors);
    let indexed = text(spec, "completionMode") == "Indexed";
    if indexed && spec.get("completions").is_none() {
        let detail = "when completion mode is Indexed";
        errors.push(FieldError::required(format!("{path}.completions"), detail));
    }
    if !indexed && spec.get("backoffLimitPerIndex").is_some() {
        let detail = "requires indexed completion mode";
        errors.push(FieldError::invalid(format!("{path}.backoffLimitPerIndex"), &spec["backoffLimitPerIndex"], detail));
    }
    let selector = spec.get("selector").filter(|_| selected);
    template(&spec["template"], selector, &format!("{path}.template"), errors);
    let field = format!("{path}.template.spec.restartPolicy");
    match spec.pointer("/template/spec/restartPolicy").and_then(Value::as_str).unwrap_or_default() {
        "OnFailure" | "Never" => {}
        "" | "Always" => errors.push(FieldError::required(field, "valid values: \"OnFailure\", \"Never\"")),
        other => errors.push(FieldError::not_supported(field, &json!(other), &["OnFailure", "Never"])),
    }
}

pub(crate) fn job_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    // An indexed job may be resized as long as as many run as there are indexes.
    let indexed = old.pointer("/spec/completionMode").and_then(Value::as_str) == Some("Indexed");
    let resized = new.pointer("/spec/completions") == new.pointer("/spec/parallelism");
    if !(indexed && resized) {
        check::immutable(new, old, "/spec/completions", "spec.completions", &mut errors);
    }
    check::immutable(new, old, "/spec/selector", "spec.selector", &mut errors);
    // While it is suspended and never ran, where its pods may run can still be said.
    let waiting = old.pointer("/spec/suspend") == Some(&json!(true)) && old.pointer("/status/startTime").is_none();
    let fixed = |job: &Value| {
        let mut template = job.pointer("/spec/template").cloned().unwrap_or_default();
        if waiting {
            if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
                for key in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                    spec.remove(key);
                }
            }
            if let Some(meta) = template.get_mut("metadata").and_then(Value::as_object_mut) {
                meta.remove("labels");
                meta.remove("annotations");
            }
        }
        template
    };
    if fixed(new) != fixed(old) {
        errors.push(FieldError::invalid("spec.template", &new["spec"]["template"], "field is immutable"));
    }
    for key in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        check::immutable(new, old, &format!("/spec/{key}"), &format!("spec.{key}"), &mut errors);
    }
    errors
}

pub(crate) fn cron_job(job: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &job["spec"];
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(FieldError::invalid("spec.schedule", &spec["schedule"], detail));
    } else if let Err(problem) = parse(schedule) {
        errors.push(FieldError::invalid("spec.schedule", &spec["schedule"], problem));
    }
    if let Some(zone) = spec.get("timeZone") {
        let name = zone.as_str().unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string"));
        } else if name.eq_ignore_ascii_case("local") {
            errors.push(FieldError::invalid(
                "spec.timeZone",
                zone,
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            ));
        }
    }
    check::non_negative(spec, "startingDeadlineSeconds", "spec", &mut errors);
    check::one_of(spec, "concurrencyPolicy", "spec", &["Allow", "Forbid", "Replace"], true, &mut errors);
    job_spec(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", false, &mut errors);
    check::non_negative(spec, "successfulJobsHistoryLimit", "spec", &mut errors);
    check::non_negative(spec, "failedJobsHistoryLimit", "spec", &mut errors);
    if job.pointer("/metadata/name").and_then(Value::as_str).is_some_and(|name| name.len() > 52) {
        errors.push(FieldError::invalid(
            "metadata.name",
            &job["metadata"]["name"],
            "must be no more than 52 characters",
        ));
    }
    errors
}

/// Whether a schedule is one: five fields, or a word such as `@daily`.
fn parse(schedule: &str) -> Result<(), String> {
    const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    if let Some(period) = schedule.strip_prefix("@every ") {
        let fine = period.ends_with(['s', 'm', 'h']) && period.starts_with(|c: char| c.is_ascii_digit());
        return if fine {
            Ok(())
        } else {
            Err(format!("failed to parse duration {schedule}: time: invalid duration \"{period}\""))
        };
    }
    if schedule.starts_with('@') {
        return if WORDS.contains(&schedule) { Ok(()) } else { Err(format!("unrecognized descriptor: {schedule}")) };
    }
    let fields: Vec<&str> = schedule.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    };
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    field(minute, 0, 59, &[])?;
    field(hour, 0, 23, &[])?;
    field(day, 1, 31, &[])?;
    field(month, 1, 12, &MONTHS)?;
    field(weekday, 0, 6, &DAYS)
}

fn field(field: &str, low: u32, high: u32, words: &[&str]) -> Result<(), String> {
    let number = |text: &str| -> Result<u32, String> {
        if let Some(at) = words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
            return Ok(low + u32::try_from(at).unwrap_or_default());
        }
        text.parse::<u32>()
            .map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": invalid syntax"))
    };
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        if !matches!(range, "*" | "?") {
            let (first, last) = range.split_once('-').map_or((range, range), |pair| pair);
            let (start, end) = (number(first)?, number(last)?);
            if start < low {
                return Err(format!("beginning of range ({start}) below minimum ({low}): {part}"));
            }
            if end > high {
                return Err(format!("end of range ({end}) above maximum ({high}): {part}"));
            }
            if start > end {
                return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
            }
        }
        if step.map(number).transpose()? == Some(0) {
            return Err(format!("step of range should be a positive number: {part}"));
        }
    }
    Ok(())
}
