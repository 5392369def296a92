//! Our own image, and what a pod without MySQL gets.

use std::os::unix::fs::PermissionsExt;

use apiserver::node::processes::{Backoff, Options};
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};

use crate::stage::{Stage, claim, start_node};

/// A pod of our own image, whose program is a script in these tests.
fn pod(name: &str, policy: &str, args: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "spec": {"restartPolicy": policy,
        "containers": [{"name": "own", "image": "example.com/windlass:1", "args": args,
            "env": [{"name": "NAME", "value": "in /etc/settings"}],
            "volumeMounts": [{"name": "out", "mountPath": "/backups"}, {"name": "settings", "mountPath": "/etc/settings"}]}],
        "volumes": [{"name": "out", "persistentVolumeClaim": {"claimName": "out"}},
            {"name": "settings", "configMap": {"name": "settings"}}]}})
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

fn container(pod: &Pod) -> ContainerStatus {
    let mut all = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    all.next().cloned().unwrap_or_default()
}

#[tokio::test]
async fn our_own_program_runs_with_its_paths_replaced_and_its_end_is_told() {
    let mut stage = Stage::without_node().await;
    let program = stage.state.path().join("program");
    // What it is called with, what a mounted file says, a file of the volume; then as the second argument says.
    let script = "#!/bin/sh\necho \"$NAME $1\" > \"$1/out\"; cat \"${NAME#in }/file\" >> \"$1/out\"; eval \"$2\"\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options {
        windlass: program,
        backoff: Backoff { first: std::time::Duration::from_millis(50), ..Backoff::default() },
        ..Options::new(stage.state.path().join("node"), Vec::new())
    };
    let access = apiserver::node::processes::Access::to(&options.state);
    stage.node = Some(start_node(&stage.client, options));
    stage.create::<PersistentVolumeClaim>(claim("out")).await;
    // What it needs may come later.
    stage.create::<Pod>(pod("job", "Never", &["/backups", "exit 0"])).await;
    stage.until("job", |pod: &Pod| container(pod).state.is_some_and(|s| s.waiting.is_some())).await;
    let map = json!({"metadata": {"name": "settings"}, "data": {"file": "kept in /backups"}});
    stage.create::<ConfigMap>(map).await;
    stage.until("job", |pod: &Pod| phase(pod) == "Succeeded").await;
    let folder = access.claim("default", "out").unwrap();
    let text = std::fs::read_to_string(folder.join("out")).unwrap();
    let place = folder.to_string_lossy();
    let written = text.lines().collect::<Vec<_>>();
    assert!(written[0].starts_with("in /") && !written[0].contains("/etc/settings"), "{text}");
    assert!(!text.contains(" /backups"), "{text}");
    assert!(text.contains(place.rsplit('/').next().unwrap()), "{text}");

    stage.create::<Pod>(pod("bad", "Never", &["/backups", "exit 7"])).await;
    let bad = stage.until("bad", |pod: &Pod| phase(pod) == "Failed").await;
    assert_eq!(container(&bad).state.unwrap().terminated.unwrap().exit_code, 7);

    // Two dollars are one for Kubernetes. Signals count as 128 and their number, and a container that ends again and again waits longer and longer.
    stage.create::<Pod>(pod("loop", "Always", &["/backups", "kill -SEGV $$$$"])).await;
    let waits = |pod: &Pod| {
        let waiting = container(pod).state.and_then(|s| s.waiting);
        waiting.is_some_and(|w| w.reason.as_deref() == Some("CrashLoopBackOff")) && container(pod).restart_count >= 2
    };
    let held = stage.until("loop", waits).await;
    assert_eq!(container(&held).last_state.unwrap().terminated.unwrap().exit_code, 139);
    assert_eq!(phase(&held), "Running");

    // An image that is none of these is simulated.
    let other = json!({"metadata": {"name": "other"}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}});
    stage.create::<Pod>(other).await;
    stage.until_ready("other").await;
    stage.stop().await;
}
