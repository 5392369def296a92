//! Names, labels and volumes of a StatefulSet's pods and claims. In: the set and an ordinal. Out: pods and claims.
//! Pure. The forms are those of kube-controller-manager (`stateful_set_utils.go`).

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::metadata::ObjectMeta;

use crate::controllers::ownership::controller_reference;
use crate::controllers::pods;

/// Label with the pod's revision.
pub(crate) const REVISION_LABEL: &str = "controller-revision-hash";
const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// The spec; the API server never stores a StatefulSet without one, so an absent one reads as an empty one.
pub(crate) fn spec(set: &StatefulSet) -> StatefulSetSpec {
    set.spec.clone().unwrap_or_default()
}

/// The set's name.
pub(crate) fn name(set: &StatefulSet) -> &str {
    set.metadata.name.as_deref().unwrap_or_default()
}

/// The ordinal in a pod's name if the pod's name has the form of this set's pods.
pub(crate) fn ordinal(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let (stem, number) = pod.metadata.name.as_deref()?.rsplit_once('-')?;
    (stem == name(set)).then(|| number.parse().ok())?
}

/// The first ordinal.
pub(crate) fn start(spec: &StatefulSetSpec) -> i32 {
    spec.ordinals.as_ref().and_then(|o| o.start).unwrap_or(0)
}

/// The pod of an ordinal at a revision.
pub(crate) fn pod(set: &StatefulSet, template: &PodTemplateSpec, ordinal: i32, revision: &str) -> Pod {
    let spec = spec(set);
    let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
    let mut pod = pods::from_template(template, controller_reference(set), namespace, name(set));
    let pod_name = format!("{}-{ordinal}", name(set));
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(REVISION_LABEL.to_owned(), revision.to_owned());
    labels.insert(POD_NAME_LABEL.to_owned(), pod_name.clone());
    labels.insert(POD_INDEX_LABEL.to_owned(), ordinal.to_string());
    pod.metadata.name = Some(pod_name.clone());
    if let Some(pod_spec) = &mut pod.spec {
        pod_spec.hostname = Some(pod_name);
        pod_spec.subdomain = spec.service_name.clone().filter(|s| !s.is_empty());
        let claimed = spec.volume_claim_templates.iter().flatten().map(|template| claim_volume(set, template, ordinal));
        let claimed: Vec<Volume> = claimed.collect();
        let rest = pod_spec.volumes.take().unwrap_or_default();
        let rest = rest.into_iter().filter(|v| claimed.iter().all(|c| c.name != v.name));
        let volumes: Vec<Volume> = claimed.iter().cloned().chain(rest).collect();
        pod_spec.volumes = (!volumes.is_empty()).then_some(volumes);
    }
    pod
}

/// Whether a pod still carries the labels that make it this set's pod.
pub(crate) fn has_identity(pod: &Pod, ordinal: i32) -> bool {
    let label = |key: &str| pod.metadata.labels.as_ref().and_then(|l| l.get(key)).map(String::as_str);
    label(POD_NAME_LABEL) == pod.metadata.name.as_deref()
        && label(POD_INDEX_LABEL) == Some(ordinal.to_string().as_str())
}

/// The labels that give a pod its identity back, as a merge patch.
pub(crate) fn identity_patch(pod: &Pod, ordinal: i32) -> serde_json::Value {
    serde_json::json!({"metadata": {"labels": {
        POD_NAME_LABEL: pod.metadata.name, POD_INDEX_LABEL: ordinal.to_string()}}})
}

/// The revision that a pod was made from.
pub(crate) fn revision(pod: &Pod) -> &str {
    pod.metadata.labels.as_ref().and_then(|l| l.get(REVISION_LABEL)).map(String::as_str).unwrap_or_default()
}

fn claim_name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> String {
    format!("{}-{}-{ordinal}", template.metadata.name.as_deref().unwrap_or_default(), name(set))
}

fn claim_volume(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> Volume {
    Volume {
        name: template.metadata.name.clone().unwrap_or_default(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim_name(set, template, ordinal),
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// The claims of an ordinal, without owners.
pub(crate) fn claims(set: &StatefulSet, ordinal: i32) -> Vec<PersistentVolumeClaim> {
    let spec = spec(set);
    let selected = spec.selector.match_labels.clone().unwrap_or_default();
    let templates = spec.volume_claim_templates.iter().flatten();
    templates
        .map(|template| {
            let mut labels = template.metadata.labels.clone().unwrap_or_default();
            labels.extend(selected.clone());
            PersistentVolumeClaim {
                metadata: ObjectMeta {
                    name: Some(claim_name(set, template, ordinal)),
                    namespace: set.metadata.namespace.clone(),
                    labels: Some(labels),
                    annotations: template.metadata.annotations.clone(),
                    ..ObjectMeta::default()
                },
                spec: template.spec.clone(),
                status: None,
            }
        })
        .collect()
}

/// What the retention policy says about claims: whether they go with the set, and with a pod that is scaled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) delete_with_set: bool,
    pub(crate) delete_when_scaled: bool,
}

impl Retention {
    /// Reads the policy; both default to retaining.
    pub(crate) fn of(spec: &StatefulSetSpec) -> Self {
        let policy = spec.persistent_volume_claim_retention_policy.as_ref();
        let deletes = |value: Option<&String>| value.is_some_and(|v| v == "Delete");
        Self {
            delete_with_set: deletes(policy.and_then(|p| p.when_deleted.as_ref())),
            delete_when_scaled: deletes(policy.and_then(|p| p.when_scaled.as_ref())),
        }
    }

    /// Whether claims may be deleted at all.
    pub(crate) fn deletes(self) -> bool {
        self.delete_with_set || self.delete_when_scaled
    }

    /// The owners that a claim should have, given the ones it has; owners that are neither the set nor its pod stay.
    pub(crate) fn owners(
        self,
        set: &StatefulSet,
        pod: Option<&Pod>,
        condemned: bool,
        held: &[OwnerReference],
    ) -> Vec<OwnerReference> {
        let set_uid = set.metadata.uid.as_deref().unwrap_or_default();
        let foreign = |o: &&OwnerReference| o.uid != set_uid && o.kind != "Pod";
        let mut owners: Vec<OwnerReference> = held.iter().filter(foreign).cloned().collect();
        if condemned && self.delete_when_scaled {
            owners.extend(pod.map(controller_reference));
        } else if self.delete_with_set {
            owners.push(controller_reference(set));
        }
        owners
    }
}
