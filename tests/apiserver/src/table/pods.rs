//! What comes in: a Pod. What goes out: the cells of its row. Pure.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::age;
use super::cells::{items, text};

/// The condition by which clients tell finished pods.
pub(super) fn condition(pod: &Value) -> Option<Value> {
    let (reason, message) = match pod.pointer("/status/phase").and_then(Value::as_str)? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({ "type": "Completed", "status": "True", "reason": reason, "message": message }))
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// What a finished container says: its reason, else its signal, else its code.
fn ended(state: &Value) -> String {
    match text(state, "/reason") {
        "" if number(state, "/signal") != 0 => format!("Signal:{}", number(state, "/signal")),
        "" => format!("ExitCode:{}", number(state, "/exitCode")),
        reason => reason.to_owned(),
    }
}

struct Tally {
    reason: String,
    ready: usize,
    restarts: i64,
    last_restart: Option<DateTime<Utc>>,
}

impl Tally {
    fn restarted(&mut self, container: &Value) {
        self.restarts += number(container, "/restartCount");
        let finished = age::parse(container.pointer("/lastState/terminated/finishedAt"));
        self.last_restart = self.last_restart.max(finished);
    }
}

/// Whether an init container stays beside the others.
fn sidecar(pod: &Value, name: &str) -> bool {
    items(pod, "/spec/initContainers")
        .iter()
        .any(|container| text(container, "/name") == name && text(container, "/restartPolicy") == "Always")
}

/// Reads the init containers; `true` while these are not done.
fn initializing(pod: &Value, tally: &mut Tally) -> bool {
    let total = items(pod, "/spec/initContainers").len();
    for (index, container) in items(pod, "/status/initContainerStatuses").iter().enumerate() {
        tally.restarted(container);
        let state = &container["state"];
        let beside = sidecar(pod, text(container, "/name"));
        if let Some(terminated) = state.get("terminated") {
            if number(terminated, "/exitCode") == 0 {
                continue;
            }
            tally.reason = format!("Init:{}", ended(terminated));
        } else if beside && container.get("started") == Some(&json!(true)) {
            if container.get("ready") == Some(&json!(true)) {
                tally.ready += 1;
            }
            continue;
        } else {
            tally.reason = match text(state, "/waiting/reason") {
                "" | "PodInitializing" => format!("Init:{index}/{total}"),
                reason => format!("Init:{reason}"),
            };
        }
        return true;
    }
    false
}

/// The cells of a pod's row.
pub(super) fn row(pod: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let status = &pod["status"];
    let phase = text(status, "/phase");
    let mut tally = Tally {
        reason: match text(status, "/reason") {
            "" => phase.to_owned(),
            reason => reason.to_owned(),
        },
        ready: 0,
        restarts: 0,
        last_restart: None,
    };
    let gated = items(status, "/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "PodScheduled" && text(condition, "/reason") == "SchedulingGated");
    if gated {
        tally.reason = "SchedulingGated".to_owned();
    }
    let sidecars = items(pod, "/spec/initContainers")
        .iter()
        .filter(|container| text(container, "/restartPolicy") == "Always")
        .count();
    if !initializing(pod, &mut tally) || initialized(pod) {
        main_containers(pod, &mut tally);
    }
    let deleted = pod.pointer("/metadata/deletionTimestamp").is_some();
    if deleted && text(status, "/reason") == "NodeLost" {
        tally.reason = "Unknown".to_owned();
    } else if deleted && !matches!(phase, "Failed" | "Succeeded") {
        tally.reason = "Terminating".to_owned();
    }
    let restarts = match tally.last_restart {
        Some(then) if tally.restarts > 0 => format!("{} ({} ago)", tally.restarts, age::human(now, then)),
        _ => tally.restarts.to_string(),
    };
    let total = items(pod, "/spec/containers").len() + sidecars;
    let or_none = |text: &str| json!(if text.is_empty() { "<none>" } else { text });
    let address = match text(status, "/podIPs/0/ip") {
        "" => text(status, "/podIP"),
        first => first,
    };
    vec![
        json!(text(pod, "/metadata/name")),
        json!(format!("{}/{total}", tally.ready)),
        json!(tally.reason),
        json!(restarts),
        json!(age::since(now, pod.pointer("/metadata/creationTimestamp"))),
        or_none(address),
        or_none(text(pod, "/spec/nodeName")),
        or_none(text(status, "/nominatedNodeName")),
        gates(pod),
    ]
}

fn initialized(pod: &Value) -> bool {
    items(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "Initialized" && text(condition, "/status") == "True")
}

fn main_containers(pod: &Value, tally: &mut Tally) {
    let statuses = items(pod, "/status/containerStatuses");
    let mut running = false;
    if !statuses.is_empty() {
        tally.restarts = 0;
        tally.last_restart = None;
        for container in items(pod, "/status/initContainerStatuses") {
            if sidecar(pod, text(container, "/name")) {
                tally.restarted(container);
            }
        }
    }
    for container in statuses.iter().rev() {
        tally.restarted(container);
        let state = &container["state"];
        let waiting = text(state, "/waiting/reason");
        if !waiting.is_empty() {
            tally.reason = waiting.to_owned();
        } else if let Some(terminated) = state.get("terminated") {
            tally.reason = ended(terminated);
        } else if container.get("ready") == Some(&json!(true)) && state.get("running").is_some() {
            running = true;
            tally.ready += 1;
        }
    }
    if tally.reason == "Completed" && running {
        let ready = items(pod, "/status/conditions")
            .iter()
            .any(|condition| text(condition, "/type") == "Ready" && text(condition, "/status") == "True");
        tally.reason = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

fn gates(pod: &Value) -> Value {
    let gates = items(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return json!("<none>");
    }
    let met = |gate: &&Value| {
        items(pod, "/status/conditions").iter().any(|condition| {
            text(condition, "/type") == text(gate, "/conditionType") && text(condition, "/status") == "True"
        })
    };
    json!(format!("{}/{}", gates.iter().filter(met).count(), gates.len()))
}
