//! What comes in: containers of pods. What goes out: their defaults. Pure.

use serde_json::{Value, json};

use crate::builtin::edit::{each, fill, fill_zero, set, text, with};

/// Fills in one container. With the host's network, ports are the host's ports.
pub(super) fn default(container: &mut Value, host_ports: bool) {
    let policy = pull_policy(text(container, "image"));
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    fill(container, "resources", json!({}));
    each(container, "ports", |port| {
        fill(port, "protocol", "TCP");
        if host_ports
            && port.get("hostPort").is_none()
            && let Some(number) = port.get("containerPort").cloned()
        {
            set(port, "hostPort", number);
        }
    });
    each(container, "env", |variable| {
        with(variable, "valueFrom", |source| {
            with(source, "fieldRef", |field| fill(field, "apiVersion", "v1"));
            with(source, "resourceFieldRef", |field| fill(field, "divisor", "0"));
            with(source, "fileKeyRef", |file| fill(file, "optional", false));
        });
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        with(container, name, |probe| {
            fill_zero(probe, "timeoutSeconds", 1);
            fill_zero(probe, "periodSeconds", 10);
            fill_zero(probe, "successThreshold", 1);
            fill_zero(probe, "failureThreshold", 3);
            with(probe, "httpGet", http_get);
            with(probe, "grpc", |grpc| {
                if grpc.get("service").is_none_or(Value::is_null) {
                    set(grpc, "service", "");
                }
            });
        });
    }
    with(container, "lifecycle", |lifecycle| {
        for hook in ["postStart", "preStop"] {
            with(lifecycle, hook, |hook| with(hook, "httpGet", http_get));
        }
    });
    with(container, "securityContext", |context| {
        if context.get("procMount").is_some() {
            fill(context, "procMount", "Default");
        }
    });
}

fn http_get(action: &mut Value) {
    fill(action, "path", "/");
    fill(action, "scheme", "HTTP");
}

/// `Always` for images without tag or digest and for `:latest`, else `IfNotPresent`.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or_default();
    let latest = match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => digest.is_none() && !image.is_empty(),
    };
    if latest { "Always" } else { "IfNotPresent" }
}
