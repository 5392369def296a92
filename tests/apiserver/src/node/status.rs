//! A pod's status. In: the pod as it is, what the runtime reports, the time. Out: the status to write. Pure; the rules
//! are the kubelet's. What was reported before is kept as far as it still holds, so that nothing is written twice.

use k8s_openapi::api::core::v1::{
    ContainerState as State, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    HostIP, Pod, PodCondition, PodIP, PodSpec, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::runtime::{ContainerReport, ContainerState, PodReport};

/// The address of the node itself.
pub(crate) const HOST_IP: &str = "127.0.0.1";

/// Whether the pod has ended for good.
pub(crate) fn is_finished(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// Whether two versions of a pod ask the runtime for the same.
pub(crate) fn asks_the_same(a: &Pod, b: &Pod) -> bool {
    let asked = |p: &Pod| (p.metadata.uid.clone(), p.metadata.labels.clone(), p.metadata.annotations.clone());
    asked(a) == asked(b) && a.spec == b.spec
}

/// The status of a pod that runs, or ran.
pub(crate) fn status(pod: &Pod, report: &PodReport, ip: &str, now: &Time) -> PodStatus {
    let spec = pod.spec.clone().unwrap_or_default();
    let held = pod.status.clone().unwrap_or_default();
    let statuses: Vec<_> = report.containers.iter().map(|c| container(pod, &spec, c)).collect();
    let phase = match &report.evicted {
        Some(_) => "Failed",
        None if spec.restart_policy.as_deref() == Some("Never") && report.init.iter().any(failed) => "Failed",
        None => phase(&spec, &report.containers),
    };
    let ended = matches!(phase, "Succeeded" | "Failed");
    let init: Vec<_> = match report.init.as_slice() {
        [] => spec.init_containers.iter().flatten().map(|c| init_container(pod, &c.name, now)).collect(),
        told => told.iter().map(|c| container(pod, &spec, c)).collect(),
    };
    let waits: Vec<&str> = report.init.iter().filter(|c| !is_initialised(&spec, c)).map(|c| c.name.as_str()).collect();
    let mut status = PodStatus {
        phase: Some(phase.to_owned()),
        reason: report.evicted.as_ref().map(|(reason, _)| reason.clone()),
        message: report.evicted.as_ref().map(|(_, message)| message.clone()),
        host_ip: Some(HOST_IP.to_owned()),
        host_ips: Some(vec![HostIP { ip: HOST_IP.to_owned() }]),
        pod_ip: Some(ip.to_owned()),
        pod_ips: Some(vec![PodIP { ip: ip.to_owned() }]),
        start_time: held.start_time.clone().or_else(|| Some(now.clone())),
        container_statuses: Some(statuses),
        init_container_statuses: (!init.is_empty()).then_some(init),
        ..held
    };
    let unready = not_ready(&report.containers);
    let gates = closed_gates(&spec, &status);
    let all_ready = unready.is_empty();
    let completed = phase == "Succeeded";
    let containers_reason = match (completed, all_ready) {
        (true, _) => Some(("PodCompleted", None)),
        (_, false) if phase == "Failed" => Some(("PodFailed", None)),
        (_, false) => {
            Some(("ContainersNotReady", Some(format!("containers with unready status: [{}]", unready.join(" ")))))
        }
        (_, true) => None,
    };
    let ready_reason = containers_reason.clone().or_else(|| {
        let message = format!("the status of pod readiness gate {:?} is not \"True\"", gates.first()?);
        Some(("ReadinessGatesNotReady", Some(message)))
    });
    let initialised = match waits.is_empty() {
        true => completed.then_some(("PodCompleted", None)),
        false => Some((
            "ContainersNotInitialized",
            Some(format!("containers with incomplete status: [{}]", waits.join(" "))),
        )),
    };
    condition(&mut status, pod, "PodReadyToStartContainers", !ended, None, now);
    condition(&mut status, pod, "Initialized", waits.is_empty(), initialised, now);
    condition(&mut status, pod, "Ready", all_ready && gates.is_empty() && !ended, ready_reason, now);
    condition(&mut status, pod, "ContainersReady", all_ready && !ended, containers_reason, now);
    condition(&mut status, pod, "PodScheduled", true, None, now);
    status
}

/// The status of a pod that was ended because it is being deleted.
pub(crate) fn killed(pod: &Pod, now: &Time) -> PodStatus {
    let mut status = pod.status.clone().unwrap_or_default();
    status.phase = Some("Failed".to_owned());
    for container in status.container_statuses.iter_mut().flatten() {
        let started_at = container.state.as_ref().and_then(|s| s.running.as_ref()?.started_at.clone());
        if container.state.as_ref().is_none_or(|s| s.terminated.is_none()) {
            container.state = Some(ended(137, "Error", started_at, now.clone()));
        }
        container.ready = false;
        container.started = Some(false);
    }
    condition(&mut status, pod, "Ready", false, Some(("PodFailed", None)), now);
    condition(&mut status, pod, "ContainersReady", false, Some(("PodFailed", None)), now);
    status
}

/// The containers that run now and did not before.
pub(crate) fn newly_started(pod: &Pod, status: &PodStatus) -> Vec<String> {
    let running = |status: &PodStatus| -> Vec<String> {
        let all = status.container_statuses.iter().flatten();
        all.filter(|c| c.state.as_ref().is_some_and(|s| s.running.is_some())).map(|c| c.name.clone()).collect()
    };
    let before = pod.status.as_ref().map(running).unwrap_or_default();
    running(status).into_iter().filter(|c| !before.contains(c)).collect()
}

fn failed(container: &ContainerReport) -> bool {
    matches!(container.state, ContainerState::Ended { code, .. } if code != 0)
}

/// Whether an init container has ended well, or runs for as long as the pod does.
fn is_initialised(spec: &PodSpec, report: &ContainerReport) -> bool {
    let container = spec.init_containers.iter().flatten().find(|c| c.name == report.name);
    match container.and_then(|c| c.restart_policy.as_deref()) == Some("Always") {
        true => report.started,
        false => matches!(report.state, ContainerState::Ended { code: 0, .. }),
    }
}

/// The phase that the containers add up to under the restart policy.
fn phase(spec: &PodSpec, containers: &[ContainerReport]) -> &'static str {
    let never_ran = |c: &ContainerReport| matches!(c.state, ContainerState::Waiting { .. }) && c.last.is_none();
    if containers.iter().any(never_ran) {
        return "Pending";
    }
    let ended: Vec<i32> = containers
        .iter()
        .filter_map(|c| match c.state {
            ContainerState::Ended { code, .. } => Some(code),
            ContainerState::Waiting { .. } | ContainerState::Running { .. } => None,
        })
        .collect();
    if ended.len() < containers.len() || containers.is_empty() {
        return "Running";
    }
    let well = ended.iter().all(|code| *code == 0);
    match (spec.restart_policy.as_deref(), well) {
        (Some("Never" | "OnFailure"), true) => "Succeeded",
        (Some("Never"), false) => "Failed",
        _ => "Running",
    }
}

fn not_ready(containers: &[ContainerReport]) -> Vec<&str> {
    let up = |c: &&ContainerReport| c.ready && matches!(c.state, ContainerState::Running { .. });
    containers.iter().filter(|c| !up(c)).map(|c| c.name.as_str()).collect()
}

fn closed_gates<'a>(spec: &'a PodSpec, status: &PodStatus) -> Vec<&'a str> {
    let open = |gate: &str| status.conditions.iter().flatten().any(|c| c.type_ == gate && c.status == "True");
    let gates = spec.readiness_gates.iter().flatten().map(|g| g.condition_type.as_str());
    gates.filter(|g| !open(g)).collect()
}

fn container_id(pod: &Pod, name: &str) -> String {
    format!("windlass://{}/{name}", pod.metadata.uid.as_deref().unwrap_or_default())
}

fn ended(exit_code: i32, reason: &str, started_at: Option<Time>, finished_at: Time) -> State {
    let terminated = ContainerStateTerminated {
        exit_code,
        reason: Some(reason.to_owned()),
        started_at,
        finished_at: Some(finished_at),
        ..ContainerStateTerminated::default()
    };
    State { terminated: Some(terminated), ..State::default() }
}

fn state(state: &ContainerState) -> State {
    match state {
        ContainerState::Waiting { reason, message } => State {
            waiting: Some(ContainerStateWaiting { reason: Some(reason.clone()), message: Some(message.clone()) }),
            ..State::default()
        },
        ContainerState::Running { since } => {
            State { running: Some(ContainerStateRunning { started_at: Some(since.clone()) }), ..State::default() }
        }
        ContainerState::Ended { code, started, finished, message } => {
            let reason = if *code == 0 { "Completed" } else { "Error" };
            let mut state = ended(*code, reason, Some(started.clone()), finished.clone());
            if let Some(terminated) = &mut state.terminated {
                terminated.message.clone_from(message);
            }
            state
        }
    }
}

fn container(pod: &Pod, spec: &PodSpec, report: &ContainerReport) -> ContainerStatus {
    let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let image = all.find(|c| c.name == report.name).and_then(|c| c.image.clone()).unwrap_or_default();
    let running = matches!(report.state, ContainerState::Running { .. });
    let completed = matches!(report.state, ContainerState::Ended { code: 0, .. });
    ContainerStatus {
        name: report.name.clone(),
        image_id: image.clone(),
        image,
        container_id: Some(container_id(pod, &report.name)),
        ready: report.ready && (running || completed),
        started: Some(report.started && running),
        restart_count: report.restarts,
        state: Some(state(&report.state)),
        last_state: report.last.as_ref().map(state).or_else(|| Some(State::default())),
        ..ContainerStatus::default()
    }
}

/// Init containers have all run by the time the runtime reports.
fn init_container(pod: &Pod, name: &str, now: &Time) -> ContainerStatus {
    let held = pod.status.as_ref().and_then(|s| s.init_container_statuses.as_ref());
    if let Some(held) = held.into_iter().flatten().find(|c| c.name == name) {
        return held.clone();
    }
    let init = pod.spec.iter().flat_map(|s| s.init_containers.iter().flatten()).find(|c| c.name == name);
    let image = init.and_then(|c| c.image.clone()).unwrap_or_default();
    let sidecar = init.and_then(|c| c.restart_policy.as_deref()) == Some("Always");
    let running =
        || State { running: Some(ContainerStateRunning { started_at: Some(now.clone()) }), ..State::default() };
    ContainerStatus {
        name: name.to_owned(),
        image_id: image.clone(),
        image,
        container_id: Some(container_id(pod, name)),
        ready: true,
        started: Some(sidecar),
        state: Some(if sidecar { running() } else { ended(0, "Completed", Some(now.clone()), now.clone()) }),
        last_state: Some(State::default()),
        ..ContainerStatus::default()
    }
}

fn condition(
    status: &mut PodStatus,
    pod: &Pod,
    type_: &str,
    value: bool,
    why: Option<(&str, Option<String>)>,
    now: &Time,
) {
    let value = if value { "True" } else { "False" };
    let conditions = status.conditions.get_or_insert_default();
    let at = conditions.iter().position(|c| c.type_ == type_);
    let since = at.map(|at| &conditions[at]).filter(|c| c.status == value).and_then(|c| c.last_transition_time.clone());
    let (reason, message) = why.map_or((None, None), |(reason, message)| (Some(reason.to_owned()), message));
    let condition = PodCondition {
        type_: type_.to_owned(),
        status: value.to_owned(),
        reason,
        message,
        last_probe_time: None,
        last_transition_time: since.or_else(|| Some(now.clone())),
        observed_generation: pod.metadata.generation,
    };
    match at {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests;
