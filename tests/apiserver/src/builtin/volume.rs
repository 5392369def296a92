//! What comes in: claims, volumes, storage classes. What goes out: their defaults, and complaints. Pure.

use serde_json::{Value, json};

use super::edit::{fill, set, with, within};
use super::strategy::{PLAIN, Rules};

pub(super) mod validate;

pub(super) const CLAIM: Rules = Rules {
    status: true,
    default: default_claim,
    create: |claim| set(claim, "status", json!({ "phase": "Pending" })),
    validate: validate::claim,
    validate_change: validate::claim_change,
    ..PLAIN
};

pub(super) const VOLUME: Rules = Rules {
    status: true,
    default: |volume| {
        within(volume, "spec", |spec| {
            fill(spec, "persistentVolumeReclaimPolicy", "Retain");
            fill(spec, "volumeMode", "Filesystem");
            with(spec, "hostPath", |source| {
                if source.get("type").is_none_or(Value::is_null) {
                    set(source, "type", "");
                }
            });
        });
        within(volume, "status", |status| fill(status, "phase", "Pending"));
    },
    create: |volume| set(volume, "status", json!({ "phase": "Pending" })),
    validate: validate::volume,
    validate_change: validate::volume_change,
    ..PLAIN
};

pub(super) const STORAGE_CLASS: Rules = Rules {
    default: |class| {
        fill(class, "reclaimPolicy", "Delete");
        fill(class, "volumeBindingMode", "Immediate");
    },
    validate: validate::storage_class,
    validate_change: validate::storage_class_change,
    ..PLAIN
};

pub(super) const CSI_DRIVER: Rules = Rules {
    default: |driver| {
        within(driver, "spec", |spec| {
            for (key, value) in [
                ("attachRequired", true),
                ("podInfoOnMount", false),
                ("storageCapacity", false),
                ("requiresRepublish", false),
                ("seLinuxMount", false),
            ] {
                fill(spec, key, value);
            }
            fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
            fill(spec, "volumeLifecycleModes", json!(["Persistent"]));
        });
    },
    ..PLAIN
};

pub(super) const ATTACHMENT: Rules = Rules { status: true, ..PLAIN };

fn default_claim(claim: &mut Value) {
    within(claim, "spec", default_claim_spec);
    within(claim, "status", |status| fill(status, "phase", "Pending"));
}

/// What defaulting does to a claim's spec, also in templates.
pub(super) fn default_claim_spec(spec: &mut Value) {
    fill(spec, "volumeMode", "Filesystem");
    // The two references to a source are written together when the older one may express it.
    let typed = |reference: &Value| json!({ "apiGroup": reference.get("apiGroup").cloned().unwrap_or(Value::Null), "kind": reference["kind"], "name": reference["name"] });
    if let Some(source) = spec.get("dataSource").filter(|value| value.is_object()).cloned() {
        fill(spec, "dataSourceRef", typed(&source));
    } else if let Some(source) = spec.get("dataSourceRef").filter(|value| value.is_object()).cloned()
        && source.get("namespace").is_none()
    {
        fill(spec, "dataSource", typed(&source));
    }
}

/// What a template of a claim in a StatefulSet gets.
pub(super) fn default_claim_template(claim: &mut Value) {
    set(claim, "apiVersion", "v1");
    set(claim, "kind", "PersistentVolumeClaim");
    fill(claim, "metadata", json!({}));
    default_claim(claim);
}
