//! What comes in: workloads. What goes out: the cells of their rows. Pure.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::age;
use super::cells::{items, labels, number, selector, text};

/// Names and images of a template's containers.
fn containers(object: &Value, template: &str) -> [Value; 2] {
    let list = items(object, &format!("{template}/spec/containers"));
    let join = |key: &str| json!(list.iter().map(|container| text(container, key)).collect::<Vec<_>>().join(","));
    [join("/name"), join("/image")]
}

fn created(object: &Value, now: DateTime<Utc>) -> Value {
    json!(age::since(now, object.pointer("/metadata/creationTimestamp")))
}

fn name(object: &Value) -> Value {
    json!(text(object, "/metadata/name"))
}

/// The cells of a workload's row; `None` for other kinds.
pub(super) fn row(kind: &str, object: &Value, now: DateTime<Utc>) -> Option<Vec<Value>> {
    let count = |pointer: &str| json!(number(object, pointer));
    let [names, images] = containers(object, "/spec/template");
    let selected = json!(selector(object.pointer("/spec/selector")));
    let ready = || json!(format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas")));
    Some(match kind {
        "Deployment" => vec![
            name(object),
            ready(),
            json!(number(object, "/status/updatedReplicas")),
            json!(number(object, "/status/availableReplicas")),
            created(object, now),
            names,
            images,
            selected,
        ],
        "StatefulSet" => vec![name(object), ready(), created(object, now), names, images],
        "ReplicaSet" | "ReplicationController" => {
            let selected =
                if kind == "ReplicaSet" { selected } else { json!(labels(object.pointer("/spec/selector"))) };
            let counts = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(count);
            let [desired, current, ready] = counts;
            vec![name(object), desired, current, ready, created(object, now), names, images, selected]
        }
        "DaemonSet" => {
            let mut cells = vec![name(object)];
            cells.extend(
                [
                    "/status/desiredNumberScheduled",
                    "/status/currentNumberScheduled",
                    "/status/numberReady",
                    "/status/updatedNumberScheduled",
                    "/status/numberAvailable",
                ]
                .map(count),
            );
            cells.push(json!(labels(object.pointer("/spec/template/spec/nodeSelector"))));
            cells.extend([created(object, now), names, images, selected]);
            cells
        }
        "Job" => vec![
            name(object),
            json!(job_status(object)),
            json!(completions(object)),
            json!(job_duration(object, now)),
            created(object, now),
            names,
            images,
            selected,
        ],
        "CronJob" => {
            let [names, images] = containers(object, "/spec/jobTemplate/spec/template");
            let last = object.pointer("/status/lastScheduleTime");
            vec![
                name(object),
                json!(text(object, "/spec/schedule")),
                json!(match text(object, "/spec/timeZone") {
                    "" => "<none>",
                    zone => zone,
                }),
                json!(if object.pointer("/spec/suspend") == Some(&json!(true)) { "True" } else { "False" }),
                json!(items(object, "/status/active").len()),
                json!(last.map_or_else(|| "<none>".to_owned(), |last| age::since(now, Some(last)))),
                created(object, now),
                names,
                images,
                json!(selector(object.pointer("/spec/jobTemplate/spec/selector"))),
            ]
        }
        _ => return None,
    })
}

fn job_status(job: &Value) -> &'static str {
    let holds = |kind: &str| {
        items(job, "/status/conditions")
            .iter()
            .any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if job.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Value) -> String {
    let done = number(job, "/status/succeeded");
    match (job.pointer("/spec/completions").and_then(Value::as_i64), number(job, "/spec/parallelism")) {
        (Some(total), _) => format!("{done}/{total}"),
        (None, parallelism) if parallelism > 1 => format!("{done}/1 of {parallelism}"),
        (None, _) => format!("{done}/1"),
    }
}

fn job_duration(job: &Value, now: DateTime<Utc>) -> String {
    let Some(started) = age::parse(job.pointer("/status/startTime")) else { return String::new() };
    let ended = age::parse(job.pointer("/status/completionTime")).unwrap_or(now);
    age::human(ended, started)
}
