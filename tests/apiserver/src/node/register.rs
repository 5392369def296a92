//! The Node object and its Lease. In: a name, the clock. Out: a Node that is Ready, and a Lease renewed every ten
//! seconds, as a kubelet keeps them.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{Namespace, Node, NodeAddress, NodeCondition, NodeStatus, NodeSystemInfo};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::metadata::ObjectMeta;
use kube::{Api, Client};

use super::status::HOST_IP;
use crate::machinery::clock::Clock;
use crate::machinery::workers::Tasks;

const LEASES: &str = "kube-node-lease";
/// Seconds after which a node that does not renew its Lease counts as lost, and between two renewals.
const LEASE_SECONDS: i32 = 40;
const RENEW: Duration = Duration::from_secs(10);
/// Until a failed registration is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Starts the registration and the heartbeat.
pub(crate) fn start(client: Client, name: String, clock: Clock, tasks: &Tasks) {
    tasks.spawn(async move {
        loop {
            let beat = async {
                register(&client, &name, &clock).await?;
                renew(&client, &name, &clock).await
            };
            let wait = match beat.await {
                Ok(()) => RENEW,
                Err(error) => {
                    tracing::debug!(node = name, %error, "failed to register the node, will retry");
                    RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    });
}

/// Makes the Node if it is not there, and its status if it is not what it should be.
async fn register(client: &Client, name: &str, clock: &Clock) -> kube::Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    let node = match api.get_opt(name).await? {
        Some(node) => node,
        None => match api.create(&PostParams::default(), &node(name)).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => api.get(name).await?,
            other => other?,
        },
    };
    let held = node.status.clone().unwrap_or_default();
    let wanted = status(name, &held, clock);
    if held != wanted {
        let patch =
            serde_json::json!({"metadata": {"resourceVersion": node.metadata.resource_version}, "status": wanted});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(())
}

fn node(name: &str) -> Node {
    let labels = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", architecture()),
    ];
    let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Node {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        ..Node::default()
    }
}

/// The machine's architecture as Kubernetes spells it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What a node of ours reports; times and what others wrote are kept.
fn status(name: &str, held: &NodeStatus, clock: &Clock) -> NodeStatus {
    // The simulated runtime uses nothing, so these are made up: large enough that no test runs into them.
    let capacity = [("cpu", "64"), ("memory", "256Gi"), ("pods", "20000"), ("ephemeral-storage", "1Ti")];
    let capacity: std::collections::BTreeMap<_, _> =
        capacity.into_iter().map(|(key, value)| (key.to_owned(), Quantity(value.to_owned()))).collect();
    let conditions = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "the local node is posting ready status"),
    ];
    let conditions = conditions.map(|(type_, value, reason, message)| {
        let before = held.conditions.iter().flatten().find(|c| c.type_ == type_ && c.status == value);
        NodeCondition {
            type_: type_.to_owned(),
            status: value.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: before.and_then(|b| b.last_heartbeat_time.clone()).or_else(|| Some(clock.time())),
            last_transition_time: before.and_then(|b| b.last_transition_time.clone()).or_else(|| Some(clock.time())),
        }
    });
    let address = |type_: &str, address: &str| NodeAddress { type_: type_.to_owned(), address: address.to_owned() };
    let version = env!("CARGO_PKG_VERSION");
    NodeStatus {
        addresses: Some(vec![address("InternalIP", HOST_IP), address("Hostname", name)]),
        allocatable: Some(capacity.clone()),
        capacity: Some(capacity),
        conditions: Some(conditions.into()),
        node_info: Some(NodeSystemInfo {
            architecture: architecture().to_owned(),
            container_runtime_version: format!("windlass://{version}"),
            kubelet_version: "v1.36.0".to_owned(),
            operating_system: "linux".to_owned(),
            os_image: format!("windlass {version}"),
            ..NodeSystemInfo::default()
        }),
        ..held.clone()
    }
}

/// Renews the Lease, made if it is not there.
async fn renew(client: &Client, name: &str, clock: &Clock) -> kube::Result<()> {
    let api: Api<Lease> = Api::namespaced(client.clone(), LEASES);
    let Some(mut lease) = api.get_opt(name).await? else {
        let lease = Lease {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(name.to_owned()),
                lease_duration_seconds: Some(LEASE_SECONDS),
                renew_time: Some(clock.micro_time()),
                ..LeaseSpec::default()
            }),
        };
        return match api.create(&PostParams::default(), &lease).await {
            // An API server without its own system namespaces.
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                let namespaces: Api<Namespace> = Api::all(client.clone());
                let namespace = Namespace {
                    metadata: ObjectMeta { name: Some(LEASES.to_owned()), ..ObjectMeta::default() },
                    ..Namespace::default()
                };
                namespaces.create(&PostParams::default(), &namespace).await?;
                api.create(&PostParams::default(), &lease).await.map(drop)
            }
            other => other.map(drop),
        };
    };
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(name.to_owned());
    spec.lease_duration_seconds = Some(LEASE_SECONDS);
    spec.renew_time = Some(clock.micro_time());
    match api.replace(name, &PostParams::default(), &lease).await {
        // Another node of this name renewed it.
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(()),
        other => other.map(drop),
    }
}
