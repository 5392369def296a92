//! What comes in: a built-in kind. What goes out: the columns of its table, as a real server defines them.

use crate::resource::Column;

use super::{AGE, NAME};

/// The column that names an object.
pub(super) fn name() -> Column {
    column("Name", "string", "name", 0, NAME)
}

fn column(name: &str, kind: &str, format: &str, priority: i32, description: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_: kind.to_owned(),
        format: format.to_owned(),
        description: description.to_owned(),
        priority,
        json_path: None,
    }
}

/// The columns of a kind. Kinds without columns of their own show name and age (`Created At`).
#[must_use]
pub fn definitions(group: &str, kind: &str) -> Vec<Column> {
    let listed = listing(group, kind);
    if listed.is_empty() {
        return vec![name(), column("Created At", "date", "", 0, AGE)];
    }
    listed.split(", ").map(read).collect()
}

/// One column: `Name`, with `+` in front when only `-o wide` shows it, with `:i` behind when it is a whole number,
/// `:b` when it is true or false.
fn read(word: &str) -> Column {
    let (word, priority) = word.strip_prefix('+').map_or((word, 0), |word| (word, 1));
    let (title, kind) = match word.rsplit_once(':') {
        Some((title, "i")) => (title, "integer"),
        Some((title, "b")) => (title, "boolean"),
        _ => (word, "string"),
    };
    match title {
        "Name" => Column { priority, ..name() },
        "Age" => column(title, kind, "", priority, AGE),
        title => column(title, kind, "", priority, describe(title)),
    }
}

fn describe(title: &str) -> &'static str {
    match title {
        "Ready" => "The aggregate readiness state of this object.",
        "Status" => "The status of the object.",
        "Restarts" => {
            "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted."
        }
        "Containers" => "Names of each container in the template.",
        "Images" => "Images referenced by each container in the template.",
        "Selector" => "Selector that matches the pods of the object.",
        "Message" => "A human-readable description of the status of this operation.",
        _ => "",
    }
}

fn listing(group: &str, kind: &str) -> &'static str {
    match (group, kind) {
        ("", "Pod") => "Name, Ready, Status, Restarts, Age, +IP, +Node, +Nominated Node, +Readiness Gates",
        ("", "PodTemplate") => "Name, Containers, Images, Pod Labels",
        ("policy", "PodDisruptionBudget") => "Name, Min Available, Max Unavailable, Allowed Disruptions:i, Age",
        ("", "ReplicationController") => "Name, Desired:i, Current:i, Ready:i, Age, +Containers, +Images, +Selector",
        ("apps", "ReplicaSet") => "Name, Desired:i, Current:i, Ready:i, Age, +Containers, +Images, +Selector",
        ("apps", "DaemonSet") => {
            "Name, Desired:i, Current:i, Ready:i, Up-to-date:i, Available:i, Node Selector, Age, +Containers, +Images, +Selector"
        }
        ("apps", "Deployment") => "Name, Ready, Up-to-date, Available, Age, +Containers, +Images, +Selector",
        ("apps", "StatefulSet") => "Name, Ready, Age, +Containers, +Images",
        ("apps", "ControllerRevision") => "Name, Controller, Revision, Age",
        ("batch", "Job") => "Name, Status, Completions, Duration, Age, +Containers, +Images, +Selector",
        ("batch", "CronJob") => {
            "Name, Schedule, Timezone, Suspend:b, Active:i, Last Schedule, Age, +Containers, +Images, +Selector"
        }
        ("", "Service") => "Name, Type, Cluster-IP, External-IP, Port(s), Age, +Selector",
        ("networking.k8s.io", "Ingress") => "Name, Class, Hosts, Address, Ports, Age",
        ("networking.k8s.io", "IngressClass") => "Name, Controller, Parameters, Age",
        ("networking.k8s.io", "NetworkPolicy") => "Name, Pod-Selector, Age",
        ("", "Endpoints") => "Name, Endpoints, Age",
        ("discovery.k8s.io", "EndpointSlice") => "Name, AddressType, Ports, Endpoints, Age",
        ("", "Node") => {
            "Name, Status, Roles, Age, Version, +Internal-IP, +External-IP, +OS-Image, +Kernel-Version, +Container-Runtime"
        }
        ("" | "events.k8s.io", "Event") => {
            "Last Seen, Type, Reason, Object, +Subobject, +Source, Message, +First Seen, +Count, +Name"
        }
        ("", "Namespace") => "Name, Status, Age",
        ("", "Secret") => "Name, Type, Data, Age",
        ("", "ConfigMap") => "Name, Data, Age",
        ("", "ServiceAccount") => "Name, Secrets, Age",
        ("", "ResourceQuota") => "Name, Request, Limit, Age",
        ("", "LimitRange") => "Name, Created At",
        ("", "PersistentVolume") => {
            "Name, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass, Reason, Age, +VolumeMode"
        }
        ("", "PersistentVolumeClaim") => {
            "Name, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, +VolumeMode"
        }
        ("storage.k8s.io", "StorageClass") => {
            "Name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age"
        }
        ("autoscaling", "HorizontalPodAutoscaler") => "Name, Reference, Targets, MinPods, MaxPods, Replicas, Age",
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            "Name, Role, Age, +Users, +Groups, +ServiceAccounts"
        }
        ("coordination.k8s.io", "Lease") => "Name, Holder, Age",
        ("scheduling.k8s.io", "PriorityClass") => "Name, Value, Global-Default:b, Age, PreemptionPolicy",
        ("admissionregistration.k8s.io", _) => "Name, Webhooks:i, Age",
        ("apiextensions.k8s.io", "CustomResourceDefinition") => "Name, Created At",
        _ => "",
    }
}
