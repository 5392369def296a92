//! The pod of one server, in the official image's own terms: its entry point, its variables, its paths. No shell of ours
//! runs in it.
//!
//! - The first start initialises the data as the image does it. Its temporary server must write, every other start must
//!   not: see `start.sql` in [`super::mycnf`].
//! - Each server needs a number of its own. Kubernetes puts the pod's ordinal into a variable, and the number is that
//!   behind a prefix of seven digits, which stays the same for the life of the resource.

use super::service::{ADMIN_PORT, PORT, merge};
use super::{Cluster, labels, mycnf};
use crate::name::ACCOUNTS;
use windlass_sdk::{Metadata, Value, json, names};

/// User and group that the official image runs the server as.
const MYSQL_USER: u32 = 999;
/// Seconds that a server has to shut down: time to flush a large buffer pool to a slow disk.
const GRACE_SECONDS: u32 = 300;
/// Seconds that a server goes on after its pod was deleted.
const HANDOVER_SECONDS: u32 = 5;
/// Annotation of pods that changes with the configuration, so that a change restarts them.
pub const CONFIG_HASH: &str = "database.example.com/config-hash";
/// Name of the server's container.
pub const CONTAINER: &str = "mysql";

/// Most digits before the ordinal, and the lowest and highest number that they make: with an ordinal of up to three
/// digits behind it, the result stays within 32 bits.
const PREFIXES: std::ops::Range<u32> = 1_000_000..4_294_967;

/// The digits that come before the ordinal in the `server_id` of each server. They differ between clusters, as far as a
/// hash can tell, so that one cluster can replicate from another.
pub fn server_id_prefix(metadata: &Metadata) -> u32 {
    let hash = names::hash(metadata.uid.as_bytes());
    let number = u32::from_str_radix(&hash[..8], 16).unwrap_or_default();
    PREFIXES.start + number % (PREFIXES.end - PREFIXES.start)
}

/// The pod template of the StatefulSet.
pub fn template(cluster: &Cluster<'_>) -> Value {
    let (spec, names) = (cluster.spec, cluster.names);
    let template = &spec.pod_template;
    let mut all_labels = json!(template.labels);
    merge(&mut all_labels, &labels(names));
    let mut annotations = json!(template.annotations);
    annotations[CONFIG_HASH] = json!(cluster.mycnf.hash);
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": template.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS),
    });
    // Assigned and not written inside of `json!`, which copies every value that it is given, all the way down.
    pod["securityContext"] = template.security_context.clone().unwrap_or_else(security_context);
    pod["affinity"] = template.affinity.clone().unwrap_or_else(|| affinity(cluster));
    pod["containers"] = Value::Array(containers(cluster));
    pod["volumes"] = Value::Array(volumes(cluster));
    let optional = [
        ("nodeSelector", json!(template.node_selector)),
        ("tolerations", json!(template.tolerations)),
        ("topologySpreadConstraints", json!(spread(cluster))),
        ("priorityClassName", json!(template.priority_class_name)),
        ("serviceAccountName", json!(template.service_account_name)),
        ("runtimeClassName", json!(template.runtime_class_name)),
        ("imagePullSecrets", json!(template.image_pull_secrets)),
    ];
    for (key, value) in optional {
        let empty = match &value {
            Value::Array(values) => values.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            other => other.is_null(),
        };
        if !empty {
            pod[key] = value;
        }
    }
    let mut made = json!({ "metadata": {} });
    made["metadata"]["labels"] = all_labels;
    made["metadata"]["annotations"] = annotations;
    made["spec"] = pod;
    made
}

/// The server, and what the user puts beside it.
fn containers(cluster: &Cluster<'_>) -> Vec<Value> {
    let (spec, names) = (cluster.spec, cluster.names);
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let mut env = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_IP", "status.podIP"),
        field("POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']"),
        // A file, so that the password is in no environment that `kubectl exec` or a crash report shows.
        json!({ "name": "MYSQL_ROOT_PASSWORD_FILE", "value": format!("{}/password", mycnf::ROOT_DIR) }),
        json!({ "name": "MYSQL_ROOT_HOST", "value": "%" }),
        // Time zones would be written as transactions of each server's own: a new server must have none.
        json!({ "name": "MYSQL_INITDB_SKIP_TZINFO", "value": "1" }),
    ];
    env.extend(spec.pod_template.env.iter().cloned());
    let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let read_only = |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
    let mut mounts = vec![
        // A folder of the volume, since a fresh file system has a `lost+found` and the server wants an empty place.
        json!({ "name": "data", "mountPath": "/var/lib/mysql", "subPath": "mysql" }),
        read_only("config", "/etc/mysql/conf.d"),
        read_only("start", mycnf::START_DIR),
        read_only("root", mycnf::ROOT_DIR),
        mount("run", "/var/run/mysqld"),
        mount("tmp", "/tmp"),
    ];
    if spec.tls.secret_name.is_some() {
        mounts.push(read_only("tls", mycnf::TLS_DIR));
    }
    mounts.extend(spec.pod_template.volume_mounts.iter().cloned());
    let mut container = json!({
        "name": CONTAINER,
        "image": spec.server_image(),
        // Kubernetes fills in the variables; the image's entry point gets the finished words.
        "args": [
            "mysqld",
            format!("--server-id={}$(POD_INDEX)", server_id_prefix(cluster.metadata)),
            format!("--report-host=$(POD_NAME).{}", names.headless),
            "--admin-address=$(POD_IP)",
        ],
        "ports": [
            { "name": "mysql", "containerPort": PORT, "protocol": "TCP" },
            { "name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP" },
        ],
        "resources": spec.server_resources(),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
    });
    container["env"] = Value::Array(env);
    container["volumeMounts"] = Value::Array(mounts);
    // Six hours: recovery after a crash can take long, and a restart would only begin it anew.
    container["startupProbe"] = probe(5, 4320);
    container["livenessProbe"] = probe(10, 6);
    container["readinessProbe"] = probe(5, 2);
    // A primary whose pod is deleted goes on for these seconds, in which another server takes over. The same for a single
    // server, so that it need not restart when others join.
    container["lifecycle"] = json!({ "preStop": { "exec": { "command": ["sleep", HANDOVER_SECONDS.to_string()] } } });
    if let Some(policy) = spec.image_pull_policy {
        container["imagePullPolicy"] = json!(policy);
    }
    let mut containers = vec![container];
    containers.extend(spec.pod_template.sidecars.iter().cloned());
    containers
}

/// Asks the server whether it lives. `ping` needs no account: a refused login is an answer too, and so is "too many
/// connections". It goes over TCP because the server that initialises the data has only the socket, and must not count.
fn probe(period: u32, failures: u32) -> Value {
    json!({
        "exec": { "command": [
            "mysqladmin", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", format!("--port={PORT}"),
            "--connect-timeout=4", "ping",
        ] },
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

/// Runs as the image's user, who owns the volumes; no more rights than a database needs.
fn security_context() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": MYSQL_USER,
        "runAsGroup": MYSQL_USER,
        "fsGroup": MYSQL_USER,
        // A volume with many files is not walked through at each start.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// Prefers a node of its own for each server. Not required: a cluster of one node should work too.
fn affinity(cluster: &Cluster<'_>) -> Value {
    json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": { "matchLabels": cluster.names.selector() },
        },
    }] } })
}

/// The user's constraints, each with a selector.
fn spread(cluster: &Cluster<'_>) -> Vec<Value> {
    let mut constraints = cluster.spec.pod_template.topology_spread_constraints.clone();
    for constraint in &mut constraints {
        if let Some(fields) = constraint.as_object_mut() {
            fields.entry("labelSelector").or_insert_with(|| json!({ "matchLabels": cluster.names.selector() }));
        }
    }
    constraints
}

/// What the pod mounts besides its data.
fn volumes(cluster: &Cluster<'_>) -> Vec<Value> {
    let names = cluster.names;
    let file = |name: &str, key: &str, path: &str| json!({ "name": name, "configMap": { "name": names.config, "items": [{ "key": key, "path": path }] } });
    let mut volumes = vec![
        file("config", "my.cnf", "windlass.cnf"),
        file("start", "start.sql", "start.sql"),
        json!({ "name": "root", "secret": {
            "secretName": names.secret(ACCOUNTS[0]),
            // For the group alone, which is the server's.
            "defaultMode": 0o440,
            "items": [{ "key": "password", "path": "password" }],
        } }),
        json!({ "name": "run", "emptyDir": {} }),
        json!({ "name": "tmp", "emptyDir": {} }),
    ];
    if let Some(secret) = &cluster.spec.tls.secret_name {
        volumes.push(json!({ "name": "tls", "secret": { "secretName": secret, "defaultMode": 0o440 } }));
    }
    volumes.extend(cluster.spec.pod_template.volumes.iter().cloned());
    volumes
}
