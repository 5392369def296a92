//! What comes in: claims, volumes, storage classes. What goes out: complaints in the words of a real server. Pure.

use serde_json::Value;

use crate::builtin::check::{self, Errors};
use crate::builtin::edit::{drop_key, entries, items, text};
use crate::field_error::FieldError;
use crate::schema::quantity::Quantity;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn modes(spec: &Value, path: &str, detail: &str, errors: &mut Errors) {
    let given = items(spec, "accessModes");
    if given.is_empty() {
        errors.push(FieldError::required(format!("{path}.accessModes"), detail));
    }
    for mode in given {
        if !MODES.contains(&mode.as_str().unwrap_or_default()) {
            errors.push(FieldError::not_supported(format!("{path}.accessModes"), mode, &MODES));
        }
    }
    let exclusive = given.iter().any(|mode| mode.as_str() == Some("ReadWriteOncePod"));
    if exclusive && given.len() > 1 {
        let detail = "may not use ReadWriteOncePod with other access modes";
        errors.push(FieldError::forbidden(format!("{path}.accessModes"), detail));
    }
}

/// Complaints about the spec of a claim, also in templates.
pub(crate) fn claim_spec(spec: &Value, path: &str, errors: &mut Errors) {
    modes(spec, path, "at least 1 access mode is required", errors);
    match spec.pointer("/resources/requests/storage") {
        None => errors.push(FieldError::required(format!("{path}.resources[storage]"), "")),
        Some(size) => {
            if Quantity::of(size).is_some_and(|size| size.is_negative() || size.is_zero()) {
                errors.push(FieldError::invalid(
                    format!("{path}.resources[storage]"),
                    size,
                    "must be greater than zero",
                ));
            }
        }
    }
    check::one_of(spec, "volumeMode", path, &["Block", "Filesystem"], false, errors);
}

pub(crate) fn claim(claim: &Value) -> Errors {
    let mut errors = Vec::new();
    claim_spec(&claim["spec"], "spec", &mut errors);
    errors
}

pub(crate) fn claim_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    let bound = old.pointer("/status/phase").and_then(Value::as_str) == Some("Bound");
    let fixed = |claim: &Value| {
        let mut spec = claim.get("spec").cloned().unwrap_or_default();
        // The volume is filled in when the claim is bound, the class when a default appears.
        for key in ["volumeName", "storageClassName"] {
            if old["spec"].get(key).is_none() {
                drop_key(&mut spec, key);
            }
        }
        if bound {
            drop_key(&mut spec, "volumeAttributesClassName");
            if let Some(resources) = spec.get_mut("resources") {
                drop_key(resources, "requests");
            }
        }
        spec
    };
    if fixed(new) != fixed(old) {
        let detail =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(FieldError::forbidden("spec", detail));
    } else {
        let size = |claim: &Value| claim.pointer("/spec/resources/requests/storage").and_then(Quantity::of);
        let capacity = old.pointer("/status/capacity/storage").and_then(Quantity::of);
        if let (Some(now), Some(before)) = (size(new), size(old))
            && now.compare(&before).is_lt()
            && capacity.is_none_or(|capacity| now.compare(&capacity).is_le())
        {
            let detail = "field can not be less than status.capacity";
            errors.push(FieldError::forbidden("spec.resources.requests.storage", detail));
        }
    }
    errors
}

/// Members of a volume's spec that are not its source.
const COMMON: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub(crate) fn volume(volume: &Value) -> Errors {
    let mut errors = Vec::new();
    let spec = &volume["spec"];
    modes(spec, "spec", "", &mut errors);
    match entries(spec, "capacity") {
        None => errors.push(FieldError::required("spec.capacity", "")),
        Some(capacity) => match capacity.get("storage") {
            None => errors.push(FieldError::not_supported("spec.capacity", &spec["capacity"], &["storage"])),
            Some(size) if Quantity::of(size).is_some_and(|size| size.is_negative() || size.is_zero()) => {
                errors.push(FieldError::invalid("spec.capacity[storage]", size, "must be greater than zero"));
            }
            Some(_) => {}
        },
    }
    check::one_of(spec, "persistentVolumeReclaimPolicy", "spec", &["Delete", "Recycle", "Retain"], false, &mut errors);
    let mut sources =
        spec.as_object().into_iter().flat_map(serde_json::Map::keys).filter(|key| !COMMON.contains(&key.as_str()));
    if sources.next().is_none() {
        errors.push(FieldError::required("spec", "must specify a volume type"));
    }
    for more in sources {
        errors.push(FieldError::forbidden(format!("spec.{more}"), "may not specify more than 1 volume type"));
    }
    check::one_of(spec, "volumeMode", "spec", &["Block", "Filesystem"], false, &mut errors);
    errors
}

pub(crate) fn volume_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    let source = |volume: &Value| {
        let mut spec = volume.get("spec").cloned().unwrap_or_default();
        for key in COMMON {
            drop_key(&mut spec, key);
        }
        spec
    };
    if source(new) != source(old) {
        errors.push(FieldError::forbidden(
            "spec.persistentvolumesource",
            "spec.persistentvolumesource is immutable after creation",
        ));
    }
    check::immutable(new, old, "/spec/volumeMode", "volumeMode", &mut errors);
    errors
}

pub(crate) fn storage_class(class: &Value) -> Errors {
    let mut errors = Vec::new();
    check::required(class, "provisioner", "", &mut errors);
    check::one_of(class, "reclaimPolicy", "", &["Delete", "Retain"], false, &mut errors);
    check::one_of(class, "volumeBindingMode", "", &["Immediate", "WaitForFirstConsumer"], true, &mut errors);
    errors
}

pub(crate) fn storage_class_change(new: &Value, old: &Value) -> Errors {
    let mut errors = Vec::new();
    if new.get("parameters") != old.get("parameters") {
        errors.push(FieldError::forbidden("parameters", "updates to parameters are forbidden."));
    }
    if text(new, "provisioner") != text(old, "provisioner") {
        errors.push(FieldError::forbidden("provisioner", "updates to provisioner are forbidden."));
    }
    if text(new, "reclaimPolicy") != text(old, "reclaimPolicy") {
        errors.push(FieldError::forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."));
    }
    check::immutable(new, old, "/volumeBindingMode", "volumeBindingMode", &mut errors);
    errors
}
