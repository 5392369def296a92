//! What comes in: nothing. What goes out: the table of built-in kinds, with names, scope, field selectors and rules.

use super::strategy::{PLAIN, Rules};
use super::{apps, batch, core, events, network, pod, policy, rbac, service, volume};

/// One built-in kind.
pub(super) struct Entry {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    /// The plural name, then short names.
    pub(super) names: &'static str,
    pub(super) categories: &'static str,
    pub(super) namespaced: bool,
    /// Field selectors beyond name and namespace.
    pub(super) fields: &'static str,
    pub(super) rules: &'static Rules,
}

type GroupVersion = (&'static str, &'static str);
const CORE: GroupVersion = ("", "v1");
const APPS: GroupVersion = ("apps", "v1");
const BATCH: GroupVersion = ("batch", "v1");
const POLICY: GroupVersion = ("policy", "v1");
const RBAC: GroupVersion = ("rbac.authorization.k8s.io", "v1");
const NETWORKING: GroupVersion = ("networking.k8s.io", "v1");
const STORAGE: GroupVersion = ("storage.k8s.io", "v1");
const COORDINATION: GroupVersion = ("coordination.k8s.io", "v1");
const SCHEDULING: GroupVersion = ("scheduling.k8s.io", "v1");
const EVENTS: GroupVersion = ("events.k8s.io", "v1");
const DISCOVERY: GroupVersion = ("discovery.k8s.io", "v1");
const AUTOSCALING: GroupVersion = ("autoscaling", "v2");
const ADMISSION: GroupVersion = ("admissionregistration.k8s.io", "v1");
const EXTENSIONS: GroupVersion = ("apiextensions.k8s.io", "v1");

const AUTHORIZATION: GroupVersion = ("authorization.k8s.io", "v1");
const AUTHENTICATION: GroupVersion = ("authentication.k8s.io", "v1");

const CLUSTER: bool = false;
const NAMESPACED: bool = true;

const fn entry(
    (group, version): GroupVersion,
    kind: &'static str,
    names: &'static str,
    categories: &'static str,
    namespaced: bool,
    fields: &'static str,
    rules: &'static Rules,
) -> Entry {
    Entry { group, version, kind, names, categories, namespaced, fields, rules }
}

const POD_FIELDS: &str = "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork \
     status.phase status.podIP status.podIPs status.nominatedNodeName";
const CORE_EVENT_FIELDS: &str = "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid \
     involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reason reportingComponent source type";
const EVENT_FIELDS: &str = "regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion \
     regarding.resourceVersion regarding.fieldPath reason reportingController type";

pub(super) static KINDS: &[Entry] = &[
    entry(CORE, "Namespace", "namespaces ns", "", CLUSTER, "status.phase", &core::NAMESPACE),
    entry(CORE, "ConfigMap", "configmaps cm", "", NAMESPACED, "", &core::CONFIG_MAP),
    entry(CORE, "Secret", "secrets", "", NAMESPACED, "type", &core::SECRET),
    entry(CORE, "ServiceAccount", "serviceaccounts sa", "", NAMESPACED, "", &core::SERVICE_ACCOUNT),
    entry(CORE, "Service", "services svc", "all", NAMESPACED, "spec.clusterIP spec.type", &service::SERVICE),
    entry(CORE, "Endpoints", "endpoints ep", "", NAMESPACED, "", &network::ENDPOINTS),
    entry(CORE, "Pod", "pods po", "all", NAMESPACED, POD_FIELDS, &pod::POD),
    entry(CORE, "PodTemplate", "podtemplates", "", NAMESPACED, "", &pod::POD_TEMPLATE),
    entry(
        CORE,
        "ReplicationController",
        "replicationcontrollers rc",
        "all",
        NAMESPACED,
        "status.replicas",
        &apps::REPLICATION_CONTROLLER,
    ),
    entry(CORE, "PersistentVolumeClaim", "persistentvolumeclaims pvc", "", NAMESPACED, "", &volume::CLAIM),
    entry(CORE, "PersistentVolume", "persistentvolumes pv", "", CLUSTER, "", &volume::VOLUME),
    entry(CORE, "Event", "events ev", "", NAMESPACED, CORE_EVENT_FIELDS, &events::CORE_EVENT),
    entry(CORE, "Node", "nodes no", "", CLUSTER, "spec.unschedulable", &core::NODE),
    entry(CORE, "ResourceQuota", "resourcequotas quota", "", NAMESPACED, "", &core::RESOURCE_QUOTA),
    entry(CORE, "LimitRange", "limitranges limits", "", NAMESPACED, "", &core::LIMIT_RANGE),
    entry(APPS, "Deployment", "deployments deploy", "all", NAMESPACED, "", &apps::DEPLOYMENT),
    entry(APPS, "ReplicaSet", "replicasets rs", "all", NAMESPACED, "status.replicas", &apps::REPLICA_SET),
    entry(APPS, "StatefulSet", "statefulsets sts", "all", NAMESPACED, "", &apps::STATEFUL_SET),
    entry(APPS, "DaemonSet", "daemonsets ds", "all", NAMESPACED, "", &apps::DAEMON_SET),
    entry(APPS, "ControllerRevision", "controllerrevisions", "", NAMESPACED, "", &apps::CONTROLLER_REVISION),
    entry(BATCH, "Job", "jobs", "all", NAMESPACED, "status.successful", &batch::JOB),
    entry(BATCH, "CronJob", "cronjobs cj", "all", NAMESPACED, "", &batch::CRON_JOB),
    entry(POLICY, "PodDisruptionBudget", "poddisruptionbudgets pdb", "", NAMESPACED, "", &policy::DISRUPTION_BUDGET),
    entry(RBAC, "Role", "roles", "", NAMESPACED, "", &rbac::ROLE),
    entry(RBAC, "RoleBinding", "rolebindings", "", NAMESPACED, "", &rbac::ROLE_BINDING),
    entry(RBAC, "ClusterRole", "clusterroles", "", CLUSTER, "", &rbac::CLUSTER_ROLE),
    entry(RBAC, "ClusterRoleBinding", "clusterrolebindings", "", CLUSTER, "", &rbac::CLUSTER_ROLE_BINDING),
    entry(NETWORKING, "NetworkPolicy", "networkpolicies netpol", "", NAMESPACED, "", &network::NETWORK_POLICY),
    entry(NETWORKING, "Ingress", "ingresses ing", "", NAMESPACED, "", &network::INGRESS),
    entry(NETWORKING, "IngressClass", "ingressclasses", "", CLUSTER, "", &network::INGRESS_CLASS),
    entry(STORAGE, "StorageClass", "storageclasses sc", "", CLUSTER, "", &volume::STORAGE_CLASS),
    entry(STORAGE, "CSIDriver", "csidrivers", "", CLUSTER, "", &volume::CSI_DRIVER),
    entry(STORAGE, "VolumeAttachment", "volumeattachments", "", CLUSTER, "", &volume::ATTACHMENT),
    entry(COORDINATION, "Lease", "leases", "", NAMESPACED, "", &policy::LEASE),
    entry(SCHEDULING, "PriorityClass", "priorityclasses pc", "", CLUSTER, "", &policy::PRIORITY_CLASS),
    entry(EVENTS, "Event", "events ev", "", NAMESPACED, EVENT_FIELDS, &events::EVENT),
    entry(DISCOVERY, "EndpointSlice", "endpointslices", "", NAMESPACED, "", &network::ENDPOINT_SLICE),
    entry(
        AUTOSCALING,
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers hpa",
        "all",
        NAMESPACED,
        "",
        &policy::AUTOSCALER,
    ),
    entry(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "api-extensions",
        CLUSTER,
        "",
        &policy::WEBHOOKS,
    ),
    entry(
        ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "api-extensions",
        CLUSTER,
        "",
        &policy::WEBHOOKS,
    ),
    entry(
        EXTENSIONS,
        "CustomResourceDefinition",
        "customresourcedefinitions crd crds",
        "api-extensions",
        CLUSTER,
        "",
        &policy::DEFINITION,
    ),
    // Asked, never stored.
    entry(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", "", CLUSTER, "", &PLAIN),
    entry(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", "", CLUSTER, "", &PLAIN),
    entry(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", "", NAMESPACED, "", &PLAIN),
    entry(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", "", CLUSTER, "", &PLAIN),
    entry(AUTHENTICATION, "TokenReview", "tokenreviews", "", CLUSTER, "", &PLAIN),
    entry(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", "", CLUSTER, "", &PLAIN),
];
