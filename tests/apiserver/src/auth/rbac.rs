//! Role-based access control over the Roles and bindings in the store.

use super::User;
use crate::api_error::ApiError;
use crate::storage::{Store, Stored, TableKey};
use serde_json::Value;
use std::sync::Arc;

/// What somebody wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Path of a request that is not about a resource.
    pub(crate) path: Option<String>,
}

/// The answer, with the reason that reviews show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

impl Attributes {
    pub(crate) fn resource(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn path(verb: &str, path: &str) -> Self {
        Self { verb: verb.to_owned(), path: Some(path.to_owned()), ..Self::default() }
    }

    fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// The 403 of a real server.
    pub(crate) fn refusal(&self, user: &User) -> ApiError {
        if let Some(path) = &self.path {
            return ApiError::forbidden(
                "",
                "",
                "",
                &format!("User \"{}\" cannot {} path \"{path}\"", user.name, self.verb),
            );
        }
        let place = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", self.namespace)
        };
        let why = format!(
            "User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
            user.name,
            self.verb,
            self.full_resource(),
            self.group
        );
        ApiError::forbidden(&self.group, &self.resource, &self.name, &why)
    }
}

fn all(store: &Store, plural: &str, namespace: Option<&str>) -> Vec<Arc<Stored>> {
    let table = TableKey::new("rbac.authorization.k8s.io", plural);
    store.list(&table, namespace, None, None).map(|page| page.items).unwrap_or_default()
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or("")
}

fn strings<'a>(rule: &'a Value, name: &str) -> Vec<&'a str> {
    rule.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn subject_matches(subject: &Value, user: &User, binding_namespace: &str) -> bool {
    let name = text(subject, "/name");
    match text(subject, "/kind") {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|g| g == name),
        "ServiceAccount" => {
            let namespace = match text(subject, "/namespace") {
                "" => binding_namespace,
                said => said,
            };
            !namespace.is_empty() && user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

fn rule_allows(rule: &Value, want: &Attributes) -> bool {
    let holds = |list: &[&str], value: &str| list.iter().any(|x| *x == "*" || *x == value);
    if !holds(&strings(rule, "verbs"), &want.verb) {
        return false;
    }
    if let Some(path) = &want.path {
        return strings(rule, "nonResourceURLs").iter().any(|pattern| {
            *pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
        });
    }
    let resource = want.full_resource();
    let any_of_subresource = format!("*/{}", want.subresource);
    let names = strings(rule, "resourceNames");
    holds(&strings(rule, "apiGroups"), &want.group)
        && strings(rule, "resources")
            .iter()
            .any(|r| *r == "*" || *r == resource || (!want.subresource.is_empty() && *r == any_of_subresource))
        && (names.is_empty() || names.iter().any(|n| *n == want.name))
}

/// Rules of the role that a binding refers to. Aggregated ClusterRoles collect those of the roles that they select.
fn rules(store: &Store, binding: &Value, namespace: &str) -> Vec<Value> {
    let name = text(binding, "/roleRef/name");
    let (plural, namespace) = match text(binding, "/roleRef/kind") {
        "Role" => ("roles", namespace),
        _ => ("clusterroles", ""),
    };
    let table = TableKey::new("rbac.authorization.k8s.io", plural);
    let Some(role) = store.get(&table, &(namespace.to_owned(), name.to_owned())) else {
        return Vec::new();
    };
    let own = |role: &Value| role.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut out = own(&role.value);
    let selectors = role.value.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
    for selector in selectors.into_iter().flatten() {
        let Some(selector) = crate::selector::label::Selector::from_object(Some(selector)) else {
            continue;
        };
        for other in all(store, "clusterroles", None) {
            if selector.matches(&other.value) && text(&other.value, "/metadata/name") != name {
                out.extend(own(&other.value));
            }
        }
    }
    out
}

/// The rules that apply to a user: those of cluster bindings, and of the bindings in one namespace. With each the reason.
pub(crate) fn rules_for(store: &Store, user: &User, namespace: &str) -> Vec<(Value, String)> {
    let mut bindings: Vec<(Arc<Stored>, &str)> =
        all(store, "clusterrolebindings", None).into_iter().map(|b| (b, "")).collect();
    if !namespace.is_empty() {
        bindings.extend(all(store, "rolebindings", Some(namespace)).into_iter().map(|b| (b, namespace)));
    }
    let mut out = Vec::new();
    for (binding, at) in bindings {
        let subjects = binding.value.get("subjects").and_then(Value::as_array);
        let Some(subject) = subjects.into_iter().flatten().find(|s| subject_matches(s, user, at)) else {
            continue;
        };
        let who = match text(subject, "/kind") {
            "ServiceAccount" => {
                format!("ServiceAccount \"{}/{}\"", text(subject, "/name"), text(subject, "/namespace"))
            }
            kind => format!("{kind} \"{}\"", text(subject, "/name")),
        };
        let (kind, shown) = match at {
            "" => ("ClusterRoleBinding", text(&binding.value, "/metadata/name").to_owned()),
            at => ("RoleBinding", format!("{}/{at}", text(&binding.value, "/metadata/name"))),
        };
        let reason = format!(
            "RBAC: allowed by {kind} \"{shown}\" of {} \"{}\" to {who}",
            text(&binding.value, "/roleRef/kind"),
            text(&binding.value, "/roleRef/name")
        );
        out.extend(rules(store, &binding.value, at).into_iter().map(|rule| (rule, reason.clone())));
    }
    out
}

/// Whether a user may do something.
pub(crate) fn authorize(store: &Store, user: &User, want: &Attributes) -> Decision {
    if user.is_master() {
        return Decision { allowed: true, reason: String::new() };
    }
    rules_for(store, user, &want.namespace)
        .into_iter()
        .find(|(rule, _)| rule_allows(rule, want))
        .map_or_else(Decision::default, |(_, reason)| Decision { allowed: true, reason })
}
