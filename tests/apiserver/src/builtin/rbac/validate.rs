//! What comes in: roles and bindings. What goes out: complaints in the words of a real server. Pure.

use serde_json::{Value, json};

use crate::builtin::check::{self, Errors, join};
use crate::builtin::edit::{items, text};
use crate::field_error::FieldError;
use crate::resource::names;

use super::GROUP;

fn rules(role: &Value, namespaced: bool) -> Errors {
    let mut errors = Vec::new();
    for (index, rule) in items(role, "rules").iter().enumerate() {
        let path = format!("rules[{index}]");
        if items(rule, "verbs").is_empty() {
            errors.push(FieldError::required(join(&path, "verbs"), "verbs must contain at least one value"));
        }
        let urls = items(rule, "nonResourceURLs");
        if !urls.is_empty() {
            if namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.push(FieldError::invalid(join(&path, "nonResourceURLs"), &json!(urls), detail));
            }
            if ["apiGroups", "resources", "resourceNames"].iter().any(|key| !items(rule, key).is_empty()) {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(FieldError::invalid(join(&path, "nonResourceURLs"), &json!(urls), detail));
            }
            continue;
        }
        if items(rule, "apiGroups").is_empty() {
            errors.push(FieldError::required(
                join(&path, "apiGroups"),
                "resource rules must supply at least one api group",
            ));
        }
        if items(rule, "resources").is_empty() {
            errors.push(FieldError::required(
                join(&path, "resources"),
                "resource rules must supply at least one resource",
            ));
        }
    }
    errors
}

pub(crate) fn role(role: &Value) -> Errors {
    rules(role, true)
}

pub(crate) fn cluster_role(role: &Value) -> Errors {
    rules(role, false)
}

fn binding(binding: &Value, kinds: &[&str]) -> Errors {
    let mut errors = Vec::new();
    let role = &binding["roleRef"];
    if text(role, "apiGroup") != GROUP {
        errors.push(FieldError::not_supported("roleRef.apiGroup", &json!(text(role, "apiGroup")), &[GROUP]));
    }
    if !kinds.contains(&text(role, "kind")) {
        errors.push(FieldError::not_supported("roleRef.kind", &json!(text(role, "kind")), kinds));
    }
    if check::required(role, "name", "roleRef", &mut errors)
        && let Some(problem) = names::path_segment(text(role, "name"))
    {
        errors.push(FieldError::invalid("roleRef.name", &role["name"], problem));
    }
    for (index, subject) in items(binding, "subjects").iter().enumerate() {
        self::subject(subject, &format!("subjects[{index}]"), &mut errors);
    }
    errors
}

fn subject(subject: &Value, path: &str, errors: &mut Errors) {
    check::required(subject, "name", path, errors);
    let group = text(subject, "apiGroup");
    match text(subject, "kind") {
        "ServiceAccount" => {
            let name = text(subject, "name");
            if let Some(problem) = names::dns_subdomain(name).filter(|_| !name.is_empty()) {
                errors.push(FieldError::invalid(join(path, "name"), &subject["name"], problem));
            }
            if !group.is_empty() {
                errors.push(FieldError::not_supported(join(path, "apiGroup"), &subject["apiGroup"], &[""]));
            }
            check::required(subject, "namespace", path, errors);
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.push(FieldError::not_supported(join(path, "apiGroup"), &json!(group), &[GROUP]));
            }
        }
        kind => {
            errors.push(FieldError::not_supported(
                join(path, "kind"),
                &json!(kind),
                &["ServiceAccount", "User", "Group"],
            ));
        }
    }
}

pub(crate) fn role_binding(given: &Value) -> Errors {
    binding(given, &["Role", "ClusterRole"])
}

pub(crate) fn cluster_role_binding(given: &Value) -> Errors {
    binding(given, &["ClusterRole"])
}

pub(crate) fn binding_change(new: &Value, old: &Value) -> Errors {
    if new.get("roleRef") == old.get("roleRef") {
        return Vec::new();
    }
    vec![FieldError::invalid("roleRef", &new["roleRef"], "cannot change roleRef")]
}
