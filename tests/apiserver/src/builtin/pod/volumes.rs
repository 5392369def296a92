//! What comes in: volumes of pods. What goes out: their defaults. Pure.

use serde_json::{Value, json};

use super::containers::pull_policy;
use crate::builtin::edit::{each, fill, set, text, with};
use crate::builtin::volume::default_claim_spec;

/// 0644: how files of a ConfigMap, Secret and the like are created.
const MODE: i64 = 0o644;

/// Fills in one volume.
pub(super) fn default(volume: &mut Value) {
    let sourceless = volume.as_object().is_some_and(|map| map.keys().all(|key| key == "name"));
    if sourceless {
        set(volume, "emptyDir", json!({}));
    }
    for kind in ["secret", "configMap", "projected", "downwardAPI"] {
        with(volume, kind, |source| fill(source, "defaultMode", MODE));
    }
    with(volume, "downwardAPI", |source| each(source, "items", field_item));
    with(volume, "projected", |source| {
        each(source, "sources", |source| {
            with(source, "serviceAccountToken", |token| fill(token, "expirationSeconds", 3600));
            with(source, "downwardAPI", |source| each(source, "items", field_item));
        });
    });
    with(volume, "hostPath", |source| {
        if source.get("type").is_none_or(Value::is_null) {
            set(source, "type", "");
        }
    });
    with(volume, "image", |source| {
        let policy = pull_policy(text(source, "reference"));
        fill(source, "pullPolicy", policy);
    });
    with(volume, "iscsi", |source| fill(source, "iscsiInterface", "default"));
    with(volume, "rbd", |source| {
        fill(source, "pool", "rbd");
        fill(source, "user", "admin");
        fill(source, "keyring", "/etc/ceph/keyring");
    });
    with(volume, "azureDisk", |source| {
        fill(source, "cachingMode", "ReadWrite");
        fill(source, "kind", "Shared");
        fill(source, "fsType", "ext4");
        fill(source, "readOnly", false);
    });
    with(volume, "scaleIO", |source| {
        fill(source, "storageMode", "ThinProvisioned");
        fill(source, "fsType", "xfs");
    });
    with(volume, "ephemeral", |source| {
        with(source, "volumeClaimTemplate", |template| {
            fill(template, "metadata", json!({}));
            with(template, "spec", default_claim_spec);
        });
    });
}

fn field_item(item: &mut Value) {
    with(item, "fieldRef", |field| fill(field, "apiVersion", "v1"));
    with(item, "resourceFieldRef", |field| fill(field, "divisor", "0"));
}
